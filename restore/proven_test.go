package restore_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/restore"
)

// The default stays the newest point. The newest proven one stands beside it.
func TestPlanNamesTheNewestProvenPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, repotest.NewMemory())
		var ids []string
		for range 3 {
			ids = append(ids, mustBackUp(t, f, small()))
			time.Sleep(2 * time.Hour)
		}
		drill := time.Now()
		f.AppendProof(t, repotest.Proof(drill, repotest.Taken(pointOf(t, f, ids[1]), "main")))
		tests := map[string]struct {
			ref    string
			point  string
			proven bool
			beside string
			older  time.Duration
		}{
			"the default":          {"", ids[2], false, ids[1], 2 * time.Hour},
			"latest":               {"latest", ids[2], false, ids[1], 2 * time.Hour},
			"latest-proven":        {"latest-proven", ids[1], true, "", 0},
			"the proven one named": {ids[1], ids[1], true, "", 0},
			"an older one":         {ids[0], ids[0], false, ids[1], -2 * time.Hour},
		}
		for name, tt := range tests {
			m := plan(t, f, request(f, tt.ref, &repotest.Sample{Name: "main"})).Set[0]
			if m.Point != tt.point || (m.Proven != nil) != tt.proven || (tt.proven && !m.Proven.Equal(drill.Add(time.Minute))) {
				t.Errorf("%s: %s, proven %v", name, m.Point, m.Proven)
			}
			beside := restore.Alternative{}
			if m.NewestProven != nil {
				beside = *m.NewestProven
			}
			if beside.Point != tt.beside || time.Duration(beside.OlderSeconds*float64(time.Second)) != tt.older {
				t.Errorf("%s: beside it %+v", name, beside)
			}
		}
	})
}

// Each source comes from the newest point that was shown to bring it back.
func TestLatestProvenIsChosenPerSource(t *testing.T) {
	f, _ := fixture(t)
	media := &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}}
	both := mustBackUp(t, f, small(), media)
	newer := mustBackUp(t, f, small(), media)
	mustBackUp(t, f, small(), media)
	r := request(f, "latest-proven", &repotest.Sample{Name: "main"}, &repotest.Sample{Name: "media"})
	_, err := restore.MakePlan(t.Context(), f.Open(t), r)
	requireKind(t, err, fault.Refused, "was ever shown to come back", "latest takes the newest")
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	f.AppendProof(t, repotest.Proof(at, repotest.Taken(pointOf(t, f, both), "main"), repotest.Taken(pointOf(t, f, both), "media")))
	f.AppendProof(t, repotest.Proof(at.Add(time.Hour), repotest.Taken(pointOf(t, f, newer), "main")))
	if p := plan(t, f, r); p.Set[0].Point != newer || p.Set[1].Point != both {
		t.Errorf("set %+v, want main of %s and media of %s", p.Set, newer, both)
	}
}

// What a drill has found last is said, even where an earlier one has passed.
func TestPlanWarnsOfAFailedDrill(t *testing.T) {
	f, _ := fixture(t)
	id := mustBackUp(t, f, small())
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	says := func(w string) bool { return strings.Contains(w, "did not pass: scratch") }
	f.AppendProof(t, repotest.Proof(at, repotest.Taken(pointOf(t, f, id), "main")))
	r := request(f, "latest", &repotest.Sample{Name: "main"})
	if p := plan(t, f, r); slices.ContainsFunc(p.Warnings, says) {
		t.Errorf("warnings %q", p.Warnings)
	}
	failed := repotest.Proof(at.Add(time.Hour), repotest.Taken(pointOf(t, f, id), "main"))
	failed.Passed, failed.Failure = false, "scratch"
	f.AppendProof(t, failed)
	if p := plan(t, f, r); !slices.ContainsFunc(p.Warnings, says) || p.Set[0].Proven == nil {
		t.Errorf("warnings %q, proven %v", p.Warnings, p.Set[0].Proven)
	}
}
