package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/status"
)

// change changes what is known, and has it told.
func (t *Teller) change(f func()) {
	t.mu.Lock()
	f()
	t.mu.Unlock()
	t.nudge()
}

// Report takes how things stand.
func (t *Teller) Report(_ context.Context, r *status.Report) {
	t.change(func() {
		t.report = r
		maps.DeleteFunc(t.failed, func(name string, _ Concern) bool {
			return !slices.ContainsFunc(r.Schedules, func(s status.Schedule) bool {
				return name == about("schedule", s.Schedule) || name == shrink+s.Schedule
			})
		})
		delete(t.alone, aboutRepository)
	})
}

// RunEnded takes how a run of a schedule has ended, for good.
func (t *Teller) RunEnded(run repository.ScheduleRun, err error, next time.Time) {
	t.change(func() {
		about := about("schedule", run.Schedule)
		delete(t.failed, about)
		if err == nil {
			delete(t.failed, shrink+run.Schedule)
		} else {
			t.failed[about] = failure(about, run, err, next)
		}
		if errors.Is(err, source.ErrShrunk) {
			c := t.failed[about]
			c.About, c.Event = shrink+run.Schedule, notify.Shrink
			t.failed[c.About] = c
		}
		if run.Missed > 0 {
			c := Concern{
				About: "schedule.passed/" + run.Schedule, Event: notify.Missed, Severity: status.Warning, Occurrence: strconv.Itoa(run.Number) + "@" + run.Due.UTC().Format(time.RFC3339),
				Text: fmt.Sprintf("schedule %s was due %s while no daemon was there", run.Schedule, quantity.Count(run.Missed, "time", "times")),
				Try:  "see why no daemon ran: events and logs of its pods",
			}
			t.happened[c.About] = c
		}
	})
}

// shrink and the name of a schedule are the concern that its runs are refused since a
// source has lost more than it may. It is over when one of them has ended well: whatever
// else fails until then, nobody has accepted it, and nothing has come back.
const shrink = "shrink/"

// shrunkBefore is that concern by what was told, as an earlier daemon may have done: the
// report says whether a run has ended well since, and does not say why one was refused.
func (t *Teller) shrunkBefore() map[string]Concern {
	all := map[string]Concern{}
	for _, book := range t.told {
		for name, notice := range book {
			schedule, is := strings.CutPrefix(name, shrink)
			if !is || !t.failsSince(schedule, notice.Since) {
				continue
			}
			all[name] = Concern{
				About: name, Event: notify.Shrink, Severity: notice.Severity,
				Text: fmt.Sprintf("a run of schedule %s was refused because a source has lost more than it may, and none has ended well since", schedule),
				Try:  "find out what deleted it; to accept it once: openim-dr backup --accept-shrink NAME",
			}
		}
	}
	return all
}

// failsSince reports whether there is such a schedule, and no run of it has ended well
// since some time.
func (t *Teller) failsSince(schedule string, since time.Time) bool {
	return t.report != nil && slices.ContainsFunc(t.report.Schedules, func(s status.Schedule) bool {
		return s.Schedule == schedule && (s.Result != repository.ScheduleOK || s.Ended == nil || s.Ended.Before(since))
	})
}

// failure is the concern of a run that has failed for good.
func failure(about string, run repository.ScheduleRun, err error, next time.Time) Concern {
	c := Concern{
		About: about, Event: notify.Failure, Severity: status.Warning, Why: err.Error(),
		Text: fmt.Sprintf("the run of schedule %s that was due at %s has failed (%s) after %s", run.Schedule, quantity.UTC(run.Due), run.Result, quantity.Count(run.Attempts, "attempt", "attempts")),
	}
	if !next.IsZero() {
		c.Text += "; it is due next at " + quantity.UTC(next)
	}
	if e, ok := fault.Outermost(err); ok {
		c.Try = e.Try
	}
	return c
}

// Happened takes something that has happened and does not last: of all that are about
// the same the last one counts.
func (t *Teller) Happened(c Concern) {
	t.change(func() { t.happened[c.About] = c })
}

// aboutRepository is the concern that nothing can be seen. Every daemon tells it, since
// none can lead then, and what was told cannot be kept.
const aboutRepository = "repository"

// Blind takes since when, and why, nobody can see how things stand.
func (t *Teller) Blind(since time.Time, err error) {
	t.change(func() {
		t.alone[aboutRepository] = Concern{
			About: aboutRepository, Event: notify.Failure, Severity: status.Critical, Why: err.Error(),
			Text: fmt.Sprintf("the repository cannot be read since %s, so nobody knows how things stand, and no schedule runs", quantity.UTC(since)), Try: "openim-dr doctor",
		}
	})
}
