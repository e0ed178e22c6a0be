package repository_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

func TestOpen(t *testing.T) {
	const record = "repository/1.json"
	tests := map[string]struct {
		prepare func(t *testing.T, f *repotest.Fixture, m *repotest.Memory)
		want    fault.Kind
		why     string // empty: opens
	}{
		"as it was made": {func(*testing.T, *repotest.Fixture, *repotest.Memory) {}, 0, ""},
		"no repository": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			for _, name := range m.Names() {
				m.Damage(name, nil)
			}
		}, fault.Usage, "there is no repository"},
		"of another format": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			edit(t, m, f.Signer, record, func(v map[string]any) { v["format"] = 2 })
		}, fault.Usage, "its format is 2"},
		"requires what is not known": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			edit(t, m, f.Signer, record, func(v map[string]any) { v["requires"] = []string{"erasure-coding"} })
		}, fault.Usage, `requires "erasure-coding"`},
		"says more than is known": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			edit(t, m, f.Signer, record, func(v map[string]any) { v["colour"] = "blue" })
		}, 0, ""},
		"not signed": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			m.Damage(record+".minisig", nil)
		}, fault.Refused, "no signature"},
		"signed by somebody else": {func(t *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			edit(t, m, newSigner(t), record, func(map[string]any) {})
		}, fault.Refused, "nobody in trustedSigners"},
		"altered": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			m.Damage(record, []byte(strings.Replace(string(m.Content(record)), "test", "evil", 1)))
		}, fault.Refused, "does not fit its content"},
		"signed, but another file": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			edit(t, m, f.Signer, record, func(v map[string]any) { v["kind"] = "state" })
		}, fault.Corrupt, "says that it is the state"},
		"moved to another number": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			m.Plant("repository/7.json", m.Content(record))
			m.Plant("repository/7.json.minisig", m.Content(record+".minisig"))
		}, fault.Corrupt, `says that it is the repository "repository/1.json"`},
		"an attacker's higher number": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			m.Plant("repository/99.json", m.Content(record))
			m.Plant("repository/99.json.minisig", m.Content(record+".minisig"))
			edit(t, m, newSigner(t), "repository/99.json", func(v map[string]any) {
				v["path"], v["instances"] = "repository/99.json", []string{"evil"}
			})
		}, 0, ""},
		"an attacker's nonsense": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory) {
			for _, name := range []string{"99.json", "0100.json", "+5.json", "x/7.json", "x.json"} {
				m.Plant("repository/"+name, []byte("nonsense"))
			}
		}, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			tt.prepare(t, f, m)
			repo, err := repository.Open(t.Context(), m, repository.Options{Trust: f.Trust})
			if tt.why != "" {
				requireKind(t, err, tt.want)
				if !strings.Contains(err.Error(), tt.why) {
					t.Errorf("got %v, want %q in it", err, tt.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := repo.Record().Instances; len(got) != 1 || got[0] != repotest.Instance {
				t.Errorf("instances are %v", got)
			}
		})
	}
}

func TestOperatorsRoleIsNeededForTheRecord(t *testing.T) {
	f, m := newFixture(t)
	writerOnly := seal.Trust{trust(t, f.Signer, seal.RoleWriter, seal.RolePruner, seal.RoleDrill)}
	_, err := repository.Open(t.Context(), m, repository.Options{Trust: writerOnly})
	requireKind(t, err, fault.Refused)
}

func TestInit(t *testing.T) {
	options := func(f *repotest.Fixture) repository.InitOptions {
		return repository.InitOptions{
			Instance: "second", Signer: f.Signer, Trust: f.Trust, Now: time.Now(),
			DigestReaders: []seal.Recipient{f.Operator.Recipient()},
		}
	}
	t.Run("a second time is refused", func(t *testing.T) {
		f, m := newFixture(t)
		_, err := repository.Init(t.Context(), m, options(f))
		requireKind(t, err, fault.Refused)
	})
	t.Run("of a place that holds something else is refused", func(t *testing.T) {
		f, _ := newFixture(t)
		other := repotest.NewMemory()
		other.Plant("photos/1.jpg", []byte("x"))
		_, err := repository.Init(t.Context(), other, options(f))
		requireKind(t, err, fault.Refused)
	})
	t.Run("adopting lets a second instance write", func(t *testing.T) {
		f, m := newFixture(t)
		o := options(f)
		o.Adopt = true
		for range 2 { // the second time changes nothing
			record, err := repository.Init(t.Context(), m, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(record.Instances, " "); got != "test second" || record.Path != "repository/2.json" {
				t.Errorf("instances are %s in %s", got, record.Path)
			}
		}
		w := f.WriterOptions()
		w.Instance = "second"
		if _, err := repository.OpenWriter(t.Context(), m, w); err != nil {
			t.Error(err)
		}
	})
	t.Run("adopting nothing is refused", func(t *testing.T) {
		f, _ := newFixture(t)
		o := options(f)
		o.Adopt = true
		_, err := repository.Init(t.Context(), repotest.NewMemory(), o)
		requireKind(t, err, fault.Usage)
	})
}

func TestOpenWriterRefuses(t *testing.T) {
	postQuantum, err := seal.GenerateIdentity(true)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(t *testing.T, o *repository.WriterOptions)
		want   fault.Kind
	}{
		"a foreign instance":                    {func(_ *testing.T, o *repository.WriterOptions) { o.Instance = "other" }, fault.Refused},
		"a signer whose points would not count": {func(t *testing.T, o *repository.WriterOptions) { o.Signer = newSigner(t) }, fault.Usage},
		"nobody to open it":                     {func(_ *testing.T, o *repository.WriterOptions) { o.Recipients = nil }, fault.Usage},
		"recipients of two classes": {func(_ *testing.T, o *repository.WriterOptions) {
			o.Recipients = append(o.Recipients, postQuantum.Recipient())
		}, fault.Usage},
		"a drill recipient of the other class": {func(_ *testing.T, o *repository.WriterOptions) {
			r := postQuantum.Recipient()
			o.Drill = &r
		}, fault.Usage},
		"a catalog identity that cannot open the digest key": {func(t *testing.T, o *repository.WriterOptions) { o.Catalog = newIdentity(t) }, fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			o := f.WriterOptions()
			tt.change(t, &o)
			_, err := repository.OpenWriter(t.Context(), m, o)
			requireKind(t, err, tt.want)
		})
	}
}
