package retention

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// life is a repository that is backed up each hour and pruned each day for months, as
// far as decisions go.
type life struct {
	points []Point
	policy Policy
	now    time.Time
}

// TestPruningGoesOnForYears misses prunes and ends them in the middle, and leaves hours
// without points: no later prune is refused for that, and points do not pile up.
func TestPruningGoesOnForYears(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		l := &life{now: time.Date(2026, 11, 1, 0, 30, 0, 0, time.UTC), policy: Policy{
			Last: draw("last", 5), Hourly: 1 + draw("hourly", 19), Daily: draw("daily", 30), Weekly: draw("weekly", 8),
			Grace: time.Duration(1+draw("grace", 6)) * 24 * time.Hour, MaxDeleteShare: DefaultMaxDeleteShare,
		}}
		// The first prune is somebody's to look at, and not missed here.
		l.backUp(24)
		l.prune(t, rapid.Bool().Draw(t, "the first in part"))
		missed := 0
		for range 20 + draw("days", 60) {
			l.backUp(24 - max(0, draw("hours without", 60)-40))
			switch what := rapid.SampledFrom([]string{"prune", "prune", "prune", "prune in part", "miss"}).Draw(t, "today"); what {
			case "miss":
				missed++
			default:
				l.prune(t, what == "prune in part")
			}
		}
		l.backUp(24)
		l.prune(t, false)
		p := l.policy
		if kept, most := l.left(), p.Last+p.Hourly+p.Daily+p.Weekly+1; kept > most {
			t.Fatalf("%d points are kept, and the policy keeps %d; %d prunes were missed", kept, most, missed)
		}
	})
}

// backUp lets a day pass, in the course of which so many hours leave a point.
func (l *life) backUp(hours int) {
	for hour := range 24 {
		if l.now = l.now.Add(time.Hour); hour < hours {
			l.points = append(l.points, Point{
				ID: fmt.Sprint(l.now.Unix()), Instance: "prod", Time: l.now, Seen: l.now, Bytes: 100, Complete: true,
				Sources: []Source{{Name: "main", Complete: true}},
			})
		}
	}
}

// prune does what was decided, or the first half of it.
func (l *life) prune(t *rapid.T, half bool) {
	plan, err := decideSafely(l.points, "prod", Order{Policy: l.policy}, l.now)
	if err != nil {
		t.Fatalf("at %s: %v", l.now, err)
	}
	forget, swept := plan.Forget, map[string]bool{}
	if half {
		forget = forget[:len(forget)/2]
	}
	for _, id := range plan.Sweep {
		swept[id] = !half
	}
	now := map[string]bool{}
	for _, id := range forget {
		now[id] = true
	}
	var left []Point
	for _, p := range l.points {
		if now[p.ID] {
			p.Forgotten = &Forgotten{By: "pruner", Reason: byPolicy + "no rule keeps it", At: l.now}
		}
		if !swept[p.ID] {
			left = append(left, p)
		}
	}
	l.points = left
}

func (l *life) left() (kept int) {
	for i := range l.points {
		if l.points[i].Forgotten == nil {
			kept++
		}
	}
	return kept
}
