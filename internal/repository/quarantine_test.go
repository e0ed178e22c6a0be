package repository_test

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

func TestQuarantine(t *testing.T) {
	tests := map[string]struct {
		skew time.Duration // what the storage's clock shows more than ours
		want bool
	}{
		"clocks agree":           {0, false},
		"storage somewhat ahead": {59 * time.Minute, false},
		"storage somewhat late":  {-59 * time.Minute, false},
		"storage far ahead":      {61 * time.Minute, true},
		"storage far behind":     {-61 * time.Minute, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			draft := begin(t, f.Writer(t), "manual")
			m.Clock = func() time.Time { return time.Now().Add(tt.skew) } // it jumps while the run is on its way
			manifest, err := draft.Commit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p := point(t, f, manifest.Point)
			if (p.Quarantined != "") != tt.want || p.Eligible() == tt.want {
				t.Errorf("quarantined: %q, eligible: %v", p.Quarantined, p.Eligible())
			}
		})
	}
}

func TestIDThatIsNotTheBeginningIsQuarantined(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) {
		v["started"] = time.Now().Add(-2 * time.Hour).UTC()
	})
	if p := point(t, f, id); p.Quarantined == "" || p.Eligible() {
		t.Error("it counts")
	}
}

// Every moment within a second must give an id that is the run's beginning.
func TestIDIsTheBeginningAtAnyMoment(t *testing.T) {
	for name, fraction := range map[string]time.Duration{"at once": 0, "at the end of a second": time.Second - 1} {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			base := time.Now().Truncate(time.Second)
			ticks := 0
			options := f.WriterOptions()
			options.Now = func() time.Time { // a nanosecond passes with every look at the clock
				ticks++
				return base.Add(fraction + time.Duration(ticks))
			}
			w, err := repository.OpenWriter(t.Context(), m, options)
			if err != nil {
				t.Fatal(err)
			}
			if p := point(t, f, mustTake(t, w, "manual", sample()).Point); p.Quarantined != "" {
				t.Error(p.Quarantined)
			}
		})
	}
}

func TestBeginRefusesAClockThatIsWrong(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": 61 * time.Minute, "behind": -61 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			options := f.WriterOptions()
			options.Now = func() time.Time { return time.Now().Add(skew) }
			w, err := repository.OpenWriter(t.Context(), m, options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = take(t.Context(), w, repotest.Instance, "manual", sample())
			requireKind(t, err, fault.Refused)
			if l := listing(t, f); len(l.Points) != 0 {
				t.Errorf("points %v", l.Points)
			}
		})
	}
}
