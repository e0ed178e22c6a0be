package repository_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

func TestLatestProven(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	var ids []string
	for range 3 {
		ids = append(ids, mustTake(t, w, "manual", sample(), media()).Point)
	}
	requireLatestProven := func(whole, main, media string) {
		t.Helper()
		l := listing(t, f)
		p, err := l.Find(repository.LatestProven)
		if whole == "" {
			requireKind(t, err, fault.Refused)
		} else if err != nil || p.Point != whole {
			t.Errorf("latest-proven is %v, %v; want %s", p, err, whole)
		}
		for source, want := range map[string]string{"main": main, "media": media} {
			got := ""
			if p := l.NewestProven(repotest.Instance, source); p != nil {
				got = p.Point
			}
			if got != want {
				t.Errorf("the newest proven %s is %q, want %q", source, got, want)
			}
		}
	}
	requireLatestProven("", "", "")
	f.AppendProof(t, repotest.Proof(hour(1), repotest.Taken(point(t, f, ids[0]), "main"), repotest.Taken(point(t, f, ids[0]), "media")))
	requireLatestProven(ids[0], ids[0], ids[0])
	f.AppendProof(t, repotest.Proof(hour(2), repotest.Taken(point(t, f, ids[1]), "main")))
	requireLatestProven(ids[0], ids[1], ids[0])
	f.AppendProof(t, repotest.Proof(hour(3), repotest.Taken(point(t, f, ids[1]), "media")))
	requireLatestProven(ids[1], ids[1], ids[1])

	forget := repository.State{Point: ids[1], Change: repository.Forget, By: "ops", Time: time.Now()}
	if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, forget); err != nil {
		t.Fatal(err)
	}
	requireLatestProven(ids[0], ids[0], ids[0])
	if p := listing(t, f).NewestProven("other", "main"); p != nil {
		t.Errorf("of another instance it is %s", p.Point)
	}
}

func TestProofsOf(t *testing.T) {
	f, _ := newFixture(t)
	w := f.Writer(t)
	a, b := mustTake(t, w, "manual", sample()).Point, mustTake(t, w, "manual", media()).Point
	for n := range 4 {
		p := repotest.Proof(hour(n), repotest.Taken(point(t, f, a), "main"), repotest.Taken(point(t, f, b), "media"))
		p.Passed = n != 2
		p.Comparisons = []repository.ProofCompared{
			{Source: "main", Name: "a.b", Rows: int64(n), Bytes: 10, Equal: true}, {Source: "main", Name: "a.c", Rows: 1, Bytes: 1},
			{Source: "media", Name: "bucket", Objects: 7, Bytes: 5, Equal: true},
		}
		f.AppendProof(t, p)
	}
	tests := map[string]struct {
		instance string
		n        int
		want     []int // hours
	}{
		"all, oldest first": {repotest.Instance, 10, []int{0, 1, 2, 3}},
		"the last two":      {repotest.Instance, 2, []int{2, 3}},
		"none":              {repotest.Instance, 0, nil},
		"another instance":  {"other", 10, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []int
			for _, p := range listing(t, f).ProofsOf(tt.instance, tt.n) {
				got = append(got, p.Started.Hour())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("drills of %v, want %v", got, tt.want)
			}
		})
	}
	last := listing(t, f).ProofsOf(repotest.Instance, 1)[0]
	want := []repository.BriefCompared{
		{Source: "main", Items: 2, Unequal: 1, Summary: repository.Summary{Rows: 4, Bytes: 11}},
		{Source: "media", Items: 1, Summary: repository.Summary{Objects: 7, Bytes: 5}},
	}
	if diff := cmp.Diff(want, last.Compared); diff != "" {
		t.Error(diff)
	}
}

func TestMeasured(t *testing.T) {
	f, _ := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample(), media()).Point
	if p := listing(t, f).Measured(repotest.Instance, "main"); p != nil {
		t.Errorf("measured by %s before there was a drill", p.Drill)
	}
	for n, change := range []func(p *repository.Proof){
		func(*repository.Proof) {},
		func(p *repository.Proof) { p.Set = p.Set[1:] },
		func(p *repository.Proof) { p.Passed = false },
		func(p *repository.Proof) { p.Full = false },
	} {
		p := repotest.Proof(hour(n), repotest.Taken(point(t, f, id), "main"), repotest.Taken(point(t, f, id), "media"))
		change(&p)
		f.AppendProof(t, p)
	}
	for source, want := range map[string]int{"main": 0, "media": 1} {
		if got := listing(t, f).Measured(repotest.Instance, source); got == nil || got.Started.Hour() != want {
			t.Errorf("%s is measured by %+v, want the drill of hour %d", source, got, want)
		}
	}
}

// Of very many proofs the newest are kept, and the one by which the point is proven.
func TestManyProofs(t *testing.T) {
	f, _ := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", media()).Point
	p := point(t, f, id)
	f.AppendProof(t, repotest.Proof(hour(0), repotest.Taken(p, "media")))
	for n := range 60 {
		failed := repotest.Proof(hour(1).Add(time.Duration(n)*time.Minute), repotest.Taken(p, "media"))
		failed.Passed = false
		f.AppendProof(t, failed)
	}
	got := point(t, f, id)
	if got.Proven == nil || !got.Proven.Equal(hour(0).Add(time.Minute)) || len(got.Proofs) != 51 || got.Proofs[0].Passed {
		t.Errorf("proven %v by %d proofs", got.Proven, len(got.Proofs))
	}
	if last := got.LastDrill("media"); last == nil || last.Started.Minute() != 59 {
		t.Errorf("the last drill is %+v", last)
	}
}

func TestReasonsOfAFailure(t *testing.T) {
	no, yes := false, true
	tests := map[string]struct {
		proof repository.Proof
		want  []string
	}{
		"passed": {repository.Proof{Passed: true, Failure: "x"}, nil},
		"everything at once": {repository.Proof{
			Failure:     "scratch",
			Comparisons: []repository.ProofCompared{{Source: "main", Name: "a.b", Differences: 3}, {Source: "main", Name: "a.c", Equal: true}},
			Truth:       []repository.ProofTruth{{Check: "missing", Source: "main", Checked: 9, Bad: 2, Tolerated: 1}, {Passed: true}},
			Assertions:  []repository.ProofAssertion{{Name: "rows", Detail: "5, before 9"}, {Name: "x", Passed: true}},
			SelfTest:    []repository.ProofSelfTest{{Damage: "missing pack", Detail: "nothing was found"}, {Found: true}},
			Keys:        &repository.ProofKeys{Identities: []repository.ProofIdentity{{Fingerprint: "ab", Broken: 2}, {Opens: 3}}},
			RTO:         repository.ProofRTO{Met: &no},
		}, []string{
			"scratch",
			"main a.b is not equal: 3 differences",
			"missing of main: 2 of 9 are bad, and 1 are tolerated",
			"assertion rows does not hold: 5, before 9",
			"the drill did not find damage of its own: missing pack: nothing was found",
			"key ab does not open 2 points that it should",
		}},
		"only too slow": {repository.Proof{RTO: repository.ProofRTO{Met: &no}, RPO: repository.ProofRPO{Met: &yes}}, []string{"the restore took longer than the objective allows"}},
		"only too old":  {repository.Proof{RTO: repository.ProofRTO{Met: &yes}, RPO: repository.ProofRPO{Met: &no}}, []string{"what came back was older than the objective allows"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.proof.Reasons()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
