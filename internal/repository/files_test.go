package repository_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// everyFile names, per kind, one file that a point needs.
var everyFile = map[string]func(name string) bool{
	"a table":       func(n string) bool { return strings.HasSuffix(n, ".tsv.zst.age") },
	"the details":   func(n string) bool { return strings.HasSuffix(n, "details.jsonl.zst.age") },
	"a bucket list": func(n string) bool { return strings.HasSuffix(n, "media.json") },
	"a segment":     func(n string) bool { return strings.HasPrefix(n, "index/") && strings.HasSuffix(n, ".age") },
	"its packs":     func(n string) bool { return strings.HasSuffix(n, ".packs.json") },
	"a pack":        func(n string) bool { return strings.HasPrefix(n, "packs/") },
}

func find(t *testing.T, m *repotest.Memory, is func(string) bool) string {
	t.Helper()
	for _, name := range m.Names() {
		if is(name) && len(m.Content(name)) > 0 {
			return name
		}
	}
	t.Fatal("there is no such file")
	return ""
}

// Invariant 11: each way of damaging each kind of file is seen.
func TestVerifyFindsDamage(t *testing.T) {
	damages := map[repository.Damage]func([]byte) []byte{
		repository.Missing:   func([]byte) []byte { return nil },
		repository.Truncated: func(b []byte) []byte { return b[:len(b)-1] },
		repository.Altered: func(b []byte) []byte {
			b = bytes.Clone(b)
			b[len(b)/2] ^= 1
			return b
		},
	}
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	requireStatuses(t, f, id, "", repository.Intact)
	for file, is := range everyFile {
		for want, damage := range damages {
			t.Run(file+" "+string(want), func(t *testing.T) {
				name := find(t, m, is)
				good := m.Content(name)
				m.Damage(name, damage(good))
				defer m.Plant(name, good)
				if file == "its packs" && want == repository.Truncated {
					want = repository.Altered // its size is recorded nowhere
				}
				requireStatuses(t, f, id, name, want)
			})
		}
	}
}

// requireStatuses verifies a point of which at most one file is damaged.
func requireStatuses(t *testing.T, f *repotest.Fixture, id, name string, want repository.Damage) {
	t.Helper()
	statuses, err := f.Open(t).Verify(t.Context(), point(t, f, id))
	if err != nil {
		t.Fatal(err)
	}
	if len(statuses) < 4 {
		t.Errorf("only %d files were looked at", len(statuses))
	}
	for _, s := range statuses {
		expected := repository.Intact
		if s.Path == name {
			expected = want
		}
		if s.Damage != expected {
			t.Errorf("%s is %q, want %q", s.Path, s.Damage, expected)
		}
	}
	if err := repository.RequireIntact(id, statuses); (err != nil) != (want != repository.Intact) || err != nil && fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v", err)
	}
}

// What is wrong with a file of a point leads to the command that lists all of it.
func TestDamageNamesThePoint(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	s := f.Source(t, id, "main")
	segments, err := s.Segments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.Damage(find(t, m, func(n string) bool { return strings.HasSuffix(n, "/users/000001.tsv.zst.age") }), nil)
	m.Damage(repository.SegmentFile(segments[0]).Path, nil)
	requireHint(t, readTable(t, s), "openim-dr show "+id+" --files lists what is missing; an older point may hold it")
	_, err = s.Segment(t.Context(), segments[0])
	requireHint(t, err, "openim-dr check --read-data lists what is missing; an older point may hold it")
}

func requireHint(t *testing.T, err error, want string) {
	t.Helper()
	if e, ok := fault.Outermost(err); !ok || e.Try != want {
		t.Errorf("got %+v, want the hint %q", err, want)
	}
}

func TestCheckPresent(t *testing.T) {
	for file, is := range everyFile {
		if file == "the details" {
			continue // no source needs them
		}
		t.Run(file, func(t *testing.T) {
			f, m := newFixture(t)
			damaged, intact := sample(), sample()
			intact.Name, intact.Objects = "other", map[string]string{"own": "content"}
			id := mustTake(t, f.Writer(t), "manual", damaged, intact).Point
			if err := checkPresent(t, f, id, "main"); err != nil {
				t.Fatal(err)
			}
			name := find(t, m, func(n string) bool { return is(n) && needs(t, f, id, "main", n) })
			m.Damage(name, nil)
			err := checkPresent(t, f, id, "main")
			requireKind(t, err, fault.Corrupt)
			// What is intact must come back, whatever has become of the rest.
			if err := checkPresent(t, f, id, "other"); err != nil {
				t.Errorf("the other source: %v", err)
			}
			requireRestores(t, f, id, intact)
		})
	}
}

func checkPresent(t *testing.T, f *repotest.Fixture, id, source string) error {
	t.Helper()
	from := f.Source(t, id, source)
	_, err := from.CheckPresent(t.Context(), from.Files())
	return err
}

// needs reports whether the source's check misses the file.
func needs(t *testing.T, f *repotest.Fixture, id, source, name string) bool {
	t.Helper()
	m := f.Store.(*repotest.Memory)
	content := m.Content(name)
	m.Damage(name, nil)
	err := checkPresent(t, f, id, source)
	m.Plant(name, content)
	return err != nil
}

func TestReadingADamagedFileFails(t *testing.T) {
	for file, is := range everyFile {
		if file == "the details" {
			continue // nothing restores them
		}
		t.Run(file, func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			for _, name := range m.Names() {
				if !is(name) || len(m.Content(name)) == 0 {
					continue
				}
				good := m.Content(name)
				bad := bytes.Clone(good)
				bad[len(bad)/2] ^= 1
				m.Damage(name, bad)
				_, err := new(repotest.Sample).Restore(t.Context(), f.Source(t, id, "main"), nil, nil)
				requireKind(t, err, fault.Corrupt)
				m.Damage(name, good)
			}
		})
	}
}
