package repository_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// missingOf is the finding that somebody has no wrap of a key.
func missingOf(key string, of seal.Identity) string {
	return "missing keys/" + key + "/" + of.Recipient().Fingerprint() + ".age"
}

// A check holds the wraps against what the manifests say of them, whichever point
// it is and whatever key. It needs nobody's identity.
func TestMissingWrapIsFound(t *testing.T) {
	names := []string{"the oldest point", "the second point", "the third point", "the newest point"}
	for n, name := range names {
		t.Run(name, func(t *testing.T) {
			s := newKeyScene(t)
			requireFindings(t, audit(t, s.m, s.f.Trust))
			s.remove(t, s.ids[n], s.second)
			requireFindings(t, audit(t, s.m, s.f.Trust), missingOf(point(t, s.f, s.ids[n]).Keys.Point, s.second))
		})
	}
	tests := map[string]func(t *testing.T, s *keyScene, packs string) (found []string){
		"the key of shared packs": func(t *testing.T, s *keyScene, packs string) []string {
			s.m.Damage("keys/"+packs+"/"+s.second.Recipient().Fingerprint()+".age", nil)
			return []string{missingOf(packs, s.second)}
		},
		"the key of shared packs, whose point is swept": func(t *testing.T, s *keyScene, packs string) []string {
			s.m.Damage("keys/"+packs+"/"+s.second.Recipient().Fingerprint()+".age", nil)
			own := point(t, s.f, s.ids[0]).Keys.Point
			sweep(t, s.f, s.m, s.ids[0])
			for _, of := range []seal.Identity{s.f.Operator, s.second} {
				s.m.Damage("keys/"+own+"/"+of.Recipient().Fingerprint()+".age", nil)
			}
			return []string{missingOf(packs, s.second)}
		},
		"one that the drill had": func(t *testing.T, s *keyScene, packs string) []string {
			s.remove(t, s.ids[3], s.drill)
			return nil
		},
		"one of an operator who came later": func(t *testing.T, s *keyScene, packs string) []string {
			s.neverFor(t, s.second, s.ids[3])
			s.remove(t, s.ids[3], s.second)
			return nil
		},
		"one that an earlier version has made": func(t *testing.T, s *keyScene, packs string) []string {
			s.byAnEarlierVersion(t)
			s.remove(t, s.ids[3], s.second)
			return nil
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			s := newKeyScene(t)
			want := spoil(t, s, point(t, s.f, s.ids[0]).Keys.Packs[0])
			var got []repository.Finding
			for _, f := range audit(t, s.m, s.f.Trust) {
				if f.Kind == repository.Missing { // those that edit manifests break chains
					got = append(got, f)
				}
			}
			requireFindings(t, got, want...)
		})
	}
}

// Every key that a point needs is accounted for, also one of an earlier point and
// one of a run that did not end.
func TestManifestSaysForWhomKeysAreWrapped(t *testing.T) {
	s := newKeyScene(t)
	drill := s.drill.Recipient()
	o := s.f.WriterOptions()
	o.Drill = &drill // the second operator has left
	w, err := repository.OpenWriter(t.Context(), s.m, o)
	if err != nil {
		t.Fatal(err)
	}
	ref := interruptWithSegment(t, w)
	draft := begin(t, w, "manual")
	part := draft.Source("main", "sample", 1)
	part.KeepSegment(ref, nil)
	oldest := point(t, s.f, s.ids[0]).Keys.Packs[0]
	part.KeepSegment(repository.SegmentRef{Key: oldest}, nil)
	part.Summarize(repository.Summary{})
	m, err := draft.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, both := s.f.Operator.Recipient().Fingerprint(), []string{s.f.Operator.Recipient().Fingerprint(), s.second.Recipient().Fingerprint()}
	slices.Sort(both)
	own := []string{m.Keys.Point, ref.Key}
	slices.Sort(own)
	want := []repository.Wrapped{
		{Keys: own, Operators: []string{one}, Drill: drill.Fingerprint()},
		{Keys: []string{oldest}, Operators: both, Drill: drill.Fingerprint()},
	}
	slices.SortFunc(want, func(a, b repository.Wrapped) int { return slices.Compare(a.Keys, b.Keys) })
	if diff := cmp.Diff(want, m.Keys.Wrapped); diff != "" {
		t.Error(diff)
	}
}

// interruptWithSegment begins a run, writes a segment, says so, and leaves it.
func interruptWithSegment(t *testing.T, w *repository.Writer) repository.SegmentRef {
	t.Helper()
	part := begin(t, w, "manual").Source("main", "sample", 1)
	segment, err := part.CreateSegment()
	if err != nil {
		t.Fatal(err)
	}
	if err := segment.Add(repository.IndexEntry{Key: "k", ETag: "e"}); err != nil {
		t.Fatal(err)
	}
	ref, err := segment.Commit(t.Context(), func(string) (repository.PackRef, bool) { return repository.PackRef{}, false })
	if err != nil {
		t.Fatal(err)
	}
	if err := part.Checkpoint(t.Context(), repository.BucketProgress{Bucket: "b", Order: "path", Layers: [][]repository.SegmentRef{{ref}}}); err != nil {
		t.Fatal(err)
	}
	return ref
}
