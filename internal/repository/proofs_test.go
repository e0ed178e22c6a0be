package repository_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// media is a second source.
func media() *repotest.Sample {
	return &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}}
}

// hour is the n-th of some day on which drills begin.
func hour(n int) time.Time { return time.Date(2026, 11, 23, n, 0, 0, 0, time.UTC) }

func TestProven(t *testing.T) {
	both, failed := []string{"main", "media"}, func(p *repository.Proof) { p.Passed = false }
	damaged := func(p *repository.Proof) { p.Passed, p.Failure = false, repository.FailedDamaged }
	sampled := func(p *repository.Proof) {
		p.Full, p.Sample = false, &repository.ProofSample{Share: 0.1, Objects: 1, Of: 10}
	}
	type drill struct {
		hour    int
		sources []string
		change  func(*repository.Proof)
	}
	tests := map[string]struct {
		drills []drill
		proven int // at the end of the drill of that hour; 0: not
	}{
		"never drilled":                          {nil, 0},
		"in one drill":                           {[]drill{{1, both, nil}}, 1},
		"again later":                            {[]drill{{1, both, nil}, {5, both, nil}}, 5},
		"each source in a drill of its own":      {[]drill{{1, both[:1], nil}, {2, both[1:], nil}}, 1},
		"and one of them again":                  {[]drill{{1, both[:1], nil}, {2, both[1:], nil}, {3, both[:1], nil}}, 2},
		"one source only":                        {[]drill{{1, both[:1], nil}, {2, both[:1], nil}}, 0},
		"failed":                                 {[]drill{{1, both, failed}}, 0},
		"sampled":                                {[]drill{{1, both, sampled}}, 0},
		"one source passed, the other failed":    {[]drill{{1, both[:1], nil}, {2, both[1:], failed}}, 0},
		"one source passed, the other sampled":   {[]drill{{1, both[:1], nil}, {2, both[1:], sampled}}, 0},
		"what fails later takes nothing away":    {[]drill{{1, both, nil}, {2, both, failed}}, 1},
		"found damaged later":                    {[]drill{{1, both, nil}, {2, both[1:], damaged}}, 0},
		"and whole again":                        {[]drill{{1, both, nil}, {2, both[1:], damaged}, {3, both, nil}}, 3},
		"what failed before was another outcome": {[]drill{{1, both, failed}, {2, both, nil}}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample(), media()).Point
			for _, d := range tt.drills {
				p := repotest.Proof(hour(d.hour))
				for _, s := range d.sources {
					p.Set = append(p.Set, repotest.Taken(point(t, f, id), s))
				}
				if d.change != nil {
					d.change(&p)
				}
				f.AppendProof(t, p)
			}
			p := point(t, f, id)
			if len(p.Proofs) != len(tt.drills) || len(p.NoProofs) != 0 {
				t.Errorf("%d proofs and %v", len(p.Proofs), p.NoProofs)
			}
			switch want := hour(tt.proven).Add(time.Minute); {
			case tt.proven == 0 && p.Proven != nil:
				t.Errorf("proven at %s", p.Proven)
			case tt.proven != 0 && (p.Proven == nil || !p.Proven.Equal(want)):
				t.Errorf("proven at %v, want %s", p.Proven, want)
			}
		})
	}
}

// What a drill has restored from another point proves nothing of this one.
func TestSetOfSeveralPoints(t *testing.T) {
	f, _ := newFixture(t)
	w := f.Writer(t)
	a, b := mustTake(t, w, "manual", sample(), media()).Point, mustTake(t, w, "manual", sample()).Point
	f.AppendProof(t, repotest.Proof(hour(1), repotest.Taken(point(t, f, b), "main"), repotest.Taken(point(t, f, a), "media")))
	if p := point(t, f, a); p.Proven != nil || p.ProvenSource("main") != nil || p.ProvenSource("media") == nil {
		t.Errorf("a: proven %v, main %v, media %v", p.Proven, p.ProvenSource("main"), p.ProvenSource("media"))
	}
	if p := point(t, f, b); p.Proven == nil || p.ProvenSource("main") == nil || p.ProvenSource("media") != nil {
		t.Errorf("b: proven %v, main %v, media %v", p.Proven, p.ProvenSource("main"), p.ProvenSource("media"))
	}
}

// A point that lacks something is not proven by what came back of it.
func TestIncompletePointIsNotProven(t *testing.T) {
	f, _ := newFixture(t)
	s := sample()
	s.Gone = 1
	id := mustTake(t, f.Writer(t), "manual", s).Point
	f.AppendProof(t, repotest.Proof(hour(1), repotest.Taken(point(t, f, id), "main")))
	if p := point(t, f, id); p.Complete || p.Proven != nil {
		t.Errorf("complete %v, proven %v", p.Complete, p.Proven)
	}
}

// Whoever can write, but holds no key, must neither prove a point nor take its
// proof away.
func TestFilesThatAreNoProofs(t *testing.T) {
	type scene struct {
		f         *repotest.Fixture
		m         *repotest.Memory
		id, other string
		proof     repository.Proof // as it stands at id
		path      string
	}
	tests := map[string]func(t *testing.T, s scene){
		"signed by somebody else": func(t *testing.T, s scene) { plantSigned(t, s.m, newSigner(t), s.path, s.proof) },
		"not signed": func(t *testing.T, s scene) {
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
			s.m.Damage(s.path+".minisig", nil)
		},
		"altered": func(t *testing.T, s scene) {
			s.proof.Passed = false
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
			s.m.Damage(s.path, []byte(strings.Replace(string(s.m.Content(s.path)), `"passed":false`, `"passed":true`, 1)))
		},
		"signed nonsense": func(t *testing.T, s scene) { plantSigned(t, s.m, s.f.Signer, s.path, "nonsense") },
		"signed in a role that may not": func(t *testing.T, s scene) {
			writer := newSigner(t)
			s.f.Trust = append(slices.Clone(s.f.Trust), trust(t, writer, seal.RoleWriter, seal.RolePruner))
			plantSigned(t, s.m, writer, s.path, s.proof)
		},
		"signed out of time": func(t *testing.T, s scene) {
			late := newSigner(t)
			signer, err := seal.NewTrustedSigner(late.PublicKey(), []seal.Role{seal.RoleDrill}, time.Time{}, s.proof.Ended.Add(-time.Second))
			if err != nil {
				t.Fatal(err)
			}
			s.f.Trust = append(slices.Clone(s.f.Trust), signer)
			plantSigned(t, s.m, late, s.path, s.proof)
		},
		"moved from another point": func(t *testing.T, s scene) {
			s.proof.Point, s.proof.Path = s.other, "proofs/"+s.other+"/"+s.proof.Drill+".json"
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"moved from another repository": func(t *testing.T, s scene) {
			s.proof.Repository = "elsewhere"
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"a record of another kind": func(t *testing.T, s scene) {
			s.proof.Kind = "state"
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"of another drill": func(t *testing.T, s scene) {
			s.proof.Drill = repository.NewDrillID(hour(9))
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"of another manifest": func(t *testing.T, s scene) {
			s.proof.Set[0].SHA256 = strings.Repeat("0", 64)
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"of another manifest beside the right one": func(t *testing.T, s scene) {
			s.proof.Set = append(s.proof.Set, s.proof.Set[0])
			s.proof.Set[1].SHA256 = strings.Repeat("0", 64)
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
		"of a set without the point": func(t *testing.T, s scene) {
			s.proof.Set[0].Point = s.other
			plantSigned(t, s.m, s.f.Signer, s.path, s.proof)
		},
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			w := f.Writer(t)
			id, other := mustTake(t, w, "manual", sample()).Point, mustTake(t, w, "manual", sample()).Point
			s := scene{f, m, id, other, repotest.Proof(hour(2), repotest.Taken(point(t, f, id), "main")), ""}
			s.path = "proofs/" + id + "/" + s.proof.Drill + ".json"
			s.proof.Header = repository.Header{Kind: "proof", Format: 1, Repository: f.Open(t).Record().Repository, Path: s.path}
			s.proof.Point = id
			plant(t, s)
			p := point(t, f, id)
			if p.Proven != nil || len(p.Proofs) != 0 || len(p.NoProofs) != 1 {
				t.Fatalf("proven %v, proofs %v, none %v", p.Proven, p.Proofs, p.NoProofs)
			}
			_, err := f.Open(t).ReadProof(t.Context(), p, s.proof.Drill)
			requireKind(t, err, fault.Corrupt)
			f.AppendProof(t, repotest.Proof(hour(1), repotest.Taken(p, "main")))
			if p := point(t, f, id); p.Proven == nil || len(p.Proofs) != 1 {
				t.Errorf("it takes a proof away: proven %v, proofs %v", p.Proven, p.Proofs)
			}
		})
	}
}

func TestProofMayBeSignedByDrillOrOperator(t *testing.T) {
	for _, role := range []seal.Role{seal.RoleDrill, seal.RoleOperator} {
		t.Run(string(role), func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			signer := newSigner(t)
			f.Trust = append(f.Trust, trust(t, signer, role))
			p := repotest.Proof(hour(1), repotest.Taken(point(t, f, id), "main"))
			if err := repository.AppendProof(t.Context(), m, f.Open(t), signer, []string{id}, p); err != nil {
				t.Fatal(err)
			}
			if p := point(t, f, id); p.Proven == nil || p.Proofs[0].Signer != signer.PublicKey() {
				t.Errorf("proven %v, proofs %v", p.Proven, p.Proofs)
			}
		})
	}
}

// Invariant 10: nothing is overwritten, and what was written before a call was cut
// off is not written again.
func TestAppendProof(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	a, b := mustTake(t, w, "manual", sample()).Point, mustTake(t, w, "manual", media()).Point
	p := repotest.Proof(hour(1), repotest.Taken(point(t, f, a), "main"), repotest.Taken(point(t, f, b), "media"))
	if err := repository.AppendProof(t.Context(), m, f.Open(t), f.Signer, []string{a}, p); err != nil {
		t.Fatal(err)
	}
	before := m.Content("proofs/" + a + "/" + p.Drill + ".json")
	f.AppendProof(t, p)
	for _, id := range []string{a, b} {
		if point(t, f, id).Proven == nil {
			t.Errorf("point %s is not proven", id)
		}
	}
	p.Passed = false
	err := repository.AppendProof(t.Context(), m, f.Open(t), f.Signer, []string{a}, p)
	if !errors.Is(err, storage.ErrExist) || string(m.Content("proofs/"+a+"/"+p.Drill+".json")) != string(before) {
		t.Errorf("got %v", err)
	}
	whole, err := f.Open(t).ReadProof(t.Context(), point(t, f, a), p.Drill)
	if err != nil || !whole.Passed || whole.Point != a || len(whole.Set) != 2 {
		t.Errorf("read %+v, %v", whole, err)
	}
}

// A proof that would not count is found out before it is needed.
func TestProofThatWouldNotCountIsNotWritten(t *testing.T) {
	tests := map[string]func(t *testing.T, f *repotest.Fixture, p *repository.Proof, points *[]string, signer *seal.Signer) fault.Kind{
		"signed by nobody in particular": func(t *testing.T, _ *repotest.Fixture, _ *repository.Proof, _ *[]string, signer *seal.Signer) fault.Kind {
			*signer = newSigner(t)
			return fault.Usage
		},
		"signed in another role": func(t *testing.T, f *repotest.Fixture, _ *repository.Proof, _ *[]string, signer *seal.Signer) fault.Kind {
			*signer = newSigner(t)
			f.Trust = append(f.Trust, trust(t, *signer, seal.RoleWriter))
			return fault.Usage
		},
		"without a key": func(_ *testing.T, _ *repotest.Fixture, _ *repository.Proof, _ *[]string, signer *seal.Signer) fault.Kind {
			*signer = seal.Signer{}
			return fault.Usage
		},
		"at a point that was not drilled": func(_ *testing.T, _ *repotest.Fixture, _ *repository.Proof, points *[]string, _ *seal.Signer) fault.Kind {
			*points = []string{"20260101T000000Z-aaaa"}
			return fault.Failed
		},
		"under a name that is no drill's": func(_ *testing.T, _ *repotest.Fixture, p *repository.Proof, _ *[]string, _ *seal.Signer) fault.Kind {
			p.Drill = "../drill"
			return fault.Failed
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			p, points, signer := repotest.Proof(hour(1), repotest.Taken(point(t, f, id), "main")), []string{id}, f.Signer
			want := spoil(t, f, &p, &points, &signer)
			requireKind(t, repository.AppendProof(t.Context(), m, f.Open(t), signer, points, p), want)
			for _, name := range m.Names() {
				if strings.HasPrefix(name, "proofs/") {
					t.Errorf("%s was written", name)
				}
			}
		})
	}
}

// Points without proofs cost a listing nothing.
func TestOnlyPointsWithProofsAreAskedForThem(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	proven := mustTake(t, w, "manual", media()).Point
	for range 3 {
		mustTake(t, w, "manual", media())
	}
	f.AppendProof(t, repotest.Proof(hour(1), repotest.Taken(point(t, f, proven), "media")))
	counted := &counting{Memory: m}
	repo, err := repository.Open(t.Context(), counted, repository.Options{Trust: f.Trust})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := counted.listed["proofs/"]; got != 1 || counted.listed["proofs/"+proven+"/"] != 1 || counted.proofs() != 2 {
		t.Errorf("listed %v", counted.listed)
	}
}

// counting counts listings.
type counting struct {
	*repotest.Memory
	mu     sync.Mutex
	listed map[string]int
}

func (c *counting) count(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listed == nil {
		c.listed = map[string]int{}
	}
	c.listed[prefix]++
}

func (c *counting) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	c.count(prefix)
	return c.Memory.List(ctx, prefix, fn)
}

func (c *counting) Dirs(ctx context.Context, dir string, span storage.Span) ([]string, error) {
	c.count(dir)
	return c.Memory.Dirs(ctx, dir, span)
}

func (c *counting) proofs() (n int) {
	for prefix, times := range c.listed {
		if strings.HasPrefix(prefix, "proofs/") {
			n += times
		}
	}
	return n
}
