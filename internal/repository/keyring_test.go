package repository_test

import (
	"io"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// unlock opens the only source of a new point.
func unlock(t *testing.T, f *repotest.Fixture, with ...seal.Identity) *repository.SourceReader {
	t.Helper()
	m := mustTake(t, f.Writer(t), "manual", sample())
	return f.Open(t).Unlock(point(t, f, m.Point), with)[0]
}

func readTable(t *testing.T, s *repository.SourceReader) error {
	t.Helper()
	file, err := s.Open(t.Context(), "000001.tsv", "openIM_v3", "users")
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(io.Discard, file)
	return err
}

func TestWrongIdentityIsToldWhoHoldsTheKey(t *testing.T) {
	f, _ := newFixture(t)
	s := unlock(t, f, newIdentity(t))
	for name, err := range map[string]error{"check": s.CheckKeys(t.Context()), "read": readTable(t, s)} {
		requireKind(t, err, fault.Usage)
		if !strings.Contains(err.Error(), f.Operator.Recipient().Fingerprint()) {
			t.Errorf("%s: %v does not name the holder", name, err)
		}
	}
}

func TestOneOfSeveralIdentitiesIsEnough(t *testing.T) {
	f, _ := newFixture(t)
	s := unlock(t, f, newIdentity(t), f.Operator)
	if err := s.CheckKeys(t.Context()); err != nil {
		t.Error(err)
	}
	if err := readTable(t, s); err != nil {
		t.Error(err)
	}
}

// Invariant 4: the cluster holds the catalog identity and the wraps, and reads
// the index with it and nothing else.
func TestCatalogIdentityOpensTheIndexOnly(t *testing.T) {
	f, _ := newFixture(t)
	s := unlock(t, f, f.Catalog)
	list, err := s.BucketList(t.Context(), "media")
	if err != nil {
		t.Fatal(err)
	}
	segment, err := s.Segment(t.Context(), list.Segments[0])
	if err != nil {
		t.Fatal(err)
	}
	defer segment.Close()
	entry, err := segment.Next()
	if err != nil || entry.Key != "a-c" {
		t.Errorf("first entry %+v, %v", entry, err)
	}
	if _, err := s.DigestKey(t.Context()); err != nil {
		t.Error(err)
	}
	requireKind(t, readTable(t, s), fault.Usage)
	packs, err := s.SegmentPacks(t.Context(), list.Segments[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.OpenPack(t.Context(), packs[0].PackRef)
	requireKind(t, err, fault.Usage)
	_, err = readExtent(t.Context(), s, packs[0].PackRef, entry.Key, entry.Extent)
	requireKind(t, err, fault.Usage)
}

func TestDrillIdentityOpensPoints(t *testing.T) {
	f, m := newFixture(t)
	drill := newIdentity(t)
	o := f.WriterOptions()
	recipient := drill.Recipient()
	o.Drill = &recipient
	w, err := repository.OpenWriter(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	id := mustTake(t, w, "manual", sample()).Point
	if err := readTable(t, f.Open(t).Unlock(point(t, f, id), []seal.Identity{drill})[0]); err != nil {
		t.Error(err)
	}
}

func TestDamagedWraps(t *testing.T) {
	damage := func(m *repotest.Memory, replace func([]byte) []byte) {
		for _, name := range m.Names() {
			if strings.HasPrefix(name, "keys/") {
				m.Damage(name, replace(m.Content(name)))
			}
		}
	}
	t.Run("altered", func(t *testing.T) {
		f, m := newFixture(t)
		s := unlock(t, f, f.Operator)
		damage(m, func(b []byte) []byte { return b[:len(b)-1] })
		requireKind(t, readTable(t, s), fault.Corrupt)
	})
	t.Run("all gone", func(t *testing.T) {
		f, m := newFixture(t)
		s := unlock(t, f, f.Operator)
		damage(m, func([]byte) []byte { return nil })
		requireKind(t, readTable(t, s), fault.Corrupt)
	})
	t.Run("another key's wrap in its place", func(t *testing.T) {
		f, m := newFixture(t)
		s := unlock(t, f, f.Operator)
		foreign, err := newIdentity(t).Wrap(f.Operator.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		damage(m, func([]byte) []byte { return foreign })
		err = readTable(t, s)
		requireKind(t, err, fault.Corrupt)
		if !strings.Contains(err.Error(), "it holds another key") {
			t.Errorf("%v: want that the wrap is blamed, not the file", err)
		}
	})
	t.Run("of one recipient of two", func(t *testing.T) {
		f, m := newFixture(t)
		second := newIdentity(t)
		o := f.WriterOptions()
		o.Recipients = append(o.Recipients, second.Recipient())
		w, err := repository.OpenWriter(t.Context(), m, o)
		if err != nil {
			t.Fatal(err)
		}
		id := mustTake(t, w, "manual", sample()).Point
		for _, name := range m.Names() {
			if strings.HasSuffix(name, f.Operator.Recipient().Fingerprint()+".age") && strings.HasPrefix(name, "keys/") {
				m.Damage(name, []byte("x"))
			}
		}
		s := f.Open(t).Unlock(point(t, f, id), []seal.Identity{f.Operator, second})[0]
		if err := readTable(t, s); err != nil {
			t.Errorf("the other one's wrap is whole: %v", err)
		}
	})
}
