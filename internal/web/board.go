package web

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Bounds of what a Board keeps, so that its memory has one: some 250 bytes for a point,
// 5 MiB for all of them.
const (
	MostPoints   = 20_000
	MostDrills   = 50
	MostCaptures = 50 // of each source
	MostRuns     = 20 // of each schedule
)

// Unknown is the state where nobody can tell.
const Unknown = "unknown"

// staleAfter is how old a look may be before it says nothing of the present: a few of
// the daemon's intervals.
const staleAfter = 20 * time.Minute

// Board keeps what is shown. It is safe for concurrent use.
type Board struct {
	// Activity is what runs now.
	Activity *Activity

	hub *hub

	mu   sync.Mutex
	view view
}

// view is what a Board keeps. It is replaced, and never changed.
type view struct {
	report *status.Report // of the last look that saw anything
	failed error          // why the look after it saw nothing
	seen   *Seen
	runs   map[string][]Run // by schedule, the newest first
}

// NewBoard returns one that knows nothing yet. Close ends its streams of events.
func NewBoard() *Board {
	b := &Board{hub: newHub(), view: view{seen: &Seen{}}}
	b.Activity = &Activity{tell: b.hub.publish}
	return b
}

// Close ends every stream of events.
func (b *Board) Close() { b.hub.close() }

func (b *Board) current() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.view
}

func (b *Board) change(change func(*view)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.view)
}

// Report takes what a look has found.
func (b *Board) Report(_ context.Context, r *status.Report) {
	b.change(func(v *view) { v.report, v.failed = r, nil })
	b.hub.publish(statusEvent(r.State, r.Time, len(r.Reasons)))
}

// Failed takes why a look has found nothing.
func (b *Board) Failed(err error) {
	b.change(func(v *view) { v.failed = err })
	b.hub.publish(statusEvent(Unknown, time.Now().UTC(), 1))
}

// Saw takes what a repository holds.
func (b *Board) Saw(s *Seen) { b.change(func(v *view) { v.seen = s }) }

// Runs takes the last runs of each schedule, the newest first.
func (b *Board) Runs(runs map[string][]repository.ScheduleRun) {
	all := make(map[string][]Run, len(runs))
	for schedule, list := range runs {
		for _, r := range list[:min(len(list), MostRuns)] {
			if r.Result != repository.ScheduleNew {
				all[schedule] = append(all[schedule], runOf(r))
			}
		}
	}
	b.change(func(v *view) { v.runs = all })
}

// state is how things stand now, and, where that is not known, why not.
func (v view) state(now time.Time) (state, why string) {
	switch {
	case v.failed != nil:
		return Unknown, "how things stand cannot be seen: " + fault.OneLine(v.failed.Error())
	case v.report == nil:
		return Unknown, "the repository is being looked at for the first time"
	case now.Sub(v.report.Time) > staleAfter:
		return Unknown, "nobody has looked since " + quantity.UTC(v.report.Time)
	default:
		return v.report.State, ""
	}
}

// recent are the last runs of all schedules, the newest first.
func (v view) recent() []Run {
	var all []Run
	for _, runs := range v.runs {
		all = append(all, runs...)
	}
	slices.SortFunc(all, func(a, b Run) int { return b.Ended.Compare(a.Ended) })
	return all
}
