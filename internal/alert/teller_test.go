package alert_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/alert"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// book is a record that several daemons keep one after the other.
type book struct {
	mu      sync.Mutex
	records []repository.Notices
}

func (b *book) Last(context.Context) (*repository.Notices, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) == 0 {
		return new(repository.Notices), nil
	}
	last := b.records[len(b.records)-1]
	return &last, nil
}

func (b *book) Append(_ context.Context, n repository.Notices) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.Number != len(b.records)+1 {
		return storage.ErrExist
	}
	b.records = append(b.records, n)
	return nil
}

// desk is a teller at work, with receivers that write down what they are told.
type desk struct {
	*alert.Teller

	rules []alert.Rule

	mu    sync.Mutex
	got   []string // "RECEIVER: TITLE", without what all titles have in common
	texts []string
	fail  error
}

// newDesk starts a teller that leads, until the test ends.
func newDesk(t *testing.T, b *book, rules ...alert.Rule) *desk {
	t.Helper()
	d := &desk{rules: rules}
	for i := range d.rules {
		if d.rules[i].RemindAfter == 0 {
			d.rules[i].RemindAfter = 24 * time.Hour
		}
	}
	d.Teller = alert.New(func() (string, []alert.Rule) { return "prod", d.rules }, d.put, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	if b != nil {
		d.Lead(b)
	}
	return d
}

func (d *desk) put(receiver string, l notify.Letter, done func(error)) {
	d.mu.Lock()
	err := d.fail
	d.got = append(d.got, receiver+": "+strings.TrimPrefix(l.Title, "openim-dr prod: "))
	d.texts = append(d.texts, l.Text)
	d.mu.Unlock()
	done(err)
}

// require waits until nothing goes on any more, and compares what was told since the
// last time.
func (d *desk) require(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.got)
	if diff := cmp.Diff(want, d.got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
	d.got = nil
}

func report(reasons ...status.Reason) *status.Report {
	return &status.Report{
		State: status.Critical, Instance: "prod", Reasons: reasons, Streams: []status.Stream{{Stream: "nightly", Seq: 41, Head: "abcd"}},
		Schedules: []status.Schedule{{Schedule: "nightly"}},
	}
}

var (
	atRisk   = status.Reason{Severity: status.Warning, Code: status.RPOAtRisk, Subject: "main", Text: "it will be too old"}
	breached = status.Reason{Severity: status.Critical, Code: status.RPOBreached, Subject: "main", Text: "it is too old"}
	overdue  = status.Reason{Severity: status.Warning, Code: status.ProofOverdue, Subject: "main", Text: "no drill for long"}
	rule321  = status.Reason{Severity: status.Warning, Code: status.RuleNotMet, Text: "3-2-1 is not met"}
)

// What lasts is told when it appears, when it becomes worse, once a day, and when it is
// over; and never in between, however often it is seen.
func TestConcernsThatLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book), alert.Rule{Receiver: "oncall"})
		look := func(r *status.Report) {
			for range 12 { // an hour
				d.Report(t.Context(), r)
				time.Sleep(5 * time.Minute)
			}
		}
		look(report(rule321))
		d.require(t, "advice")
		look(report(atRisk))
		d.require(t, "at risk", "oncall: warning: rpo/main")
		look(report(breached, overdue))
		d.require(t, "breached", "oncall: now critical: rpo/main", "oncall: warning: proof/main")
		for range 22 {
			look(report(breached, overdue))
		}
		d.require(t, "for most of a day")
		look(report(breached, overdue))
		look(report(breached, overdue))
		d.require(t, "after a day", "oncall: still critical: rpo/main", "oncall: still warning: proof/main")
		look(report(overdue))
		d.require(t, "met again", "oncall: over: rpo/main")
		look(report(breached))
		d.require(t, "once more", "oncall: critical: rpo/main", "oncall: over: proof/main")
	})
}

// A message says what, since when, what to do and where every stream ends.
func TestTextOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book), alert.Rule{Receiver: "oncall"})
		d.Report(t.Context(), report(breached))
		synctest.Wait()
		want := `it is too old
Since: 2000-01-01 00:00:00Z
What to do: See why its last run has failed or was missed, and take a point: ` + "`openim-dr backup`" + `.
Instance: prod
Heads of streams, as openim-dr check --expect-head takes them:
nightly=41:abcd
`
		if diff := cmp.Diff([]string{want}, d.texts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func run(number int) repository.ScheduleRun {
	return repository.ScheduleRun{Schedule: "nightly", Number: number, Due: time.Now().UTC(), Attempts: 3, Result: "refused"}
}

var scheduleFailed = status.Reason{Severity: status.Warning, Code: status.ScheduleFailed, Subject: "nightly", Text: "the last run has failed"}

// A failed run is told at once, with why and what to do, and once; that the schedule
// ends well again is told with the next look.
func TestFailedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book), alert.Rule{Receiver: "oncall"})
		d.Report(t.Context(), report())
		d.require(t, "all is well")
		err := fault.New(fault.Refused, "back up bucket media", "too much %w", source.ErrShrunk).Hint("find out why")
		d.RunEnded(run(7), err, time.Time{})
		d.require(t, "a run has failed", "oncall: warning: schedule/nightly", "oncall: warning: shrink/nightly")
		if !strings.Contains(d.texts[0], "Why: back up bucket media: too much is missing\n") || !strings.Contains(d.texts[0], "What to do: find out why\n") {
			t.Errorf("it says\n%s", d.texts[0])
		}
		d.Report(t.Context(), report()) // a look that began before
		d.Report(t.Context(), report(scheduleFailed))
		d.RunEnded(run(8), errors.New("no answer"), time.Time{})
		d.require(t, "it has failed again")
		d.RunEnded(run(9), nil, time.Time{})
		d.require(t, "before anybody has looked")
		d.Report(t.Context(), endedWell())
		d.require(t, "it ended well", "oncall: over: schedule/nightly", "oncall: over: shrink/nightly")
		missed := run(10)
		missed.Missed = 3
		d.RunEnded(missed, nil, time.Time{})
		d.Report(t.Context(), report())
		d.require(t, "due times without a daemon", "oncall: warning: schedule.passed/nightly")
	})
}

// endedWell is the report after a run that has ended well just now.
func endedWell() *status.Report {
	r, now := report(), time.Now().UTC()
	r.Schedules[0].Ended, r.Schedules[0].Result = &now, repository.ScheduleOK
	return r
}

// A source that has shrunk is one thing, however many runs are refused and which daemon
// leads, until a run ends well: it was accepted, or what was missing has come back.
func TestShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(book)
		rule := alert.Rule{Receiver: "oncall", On: []notify.Event{notify.Shrink, notify.Recovery}}
		first, second := newDesk(t, b, rule), newDesk(t, nil, rule)
		shrunk := fault.New(fault.Refused, "back up bucket media", "too much %w", source.ErrShrunk)
		before := endedWell()
		first.Report(t.Context(), before)
		second.Report(t.Context(), before)
		time.Sleep(time.Hour)
		for number := range 3 {
			first.RunEnded(run(number), shrunk, time.Time{})
			first.Report(t.Context(), report(scheduleFailed))
		}
		first.require(t, "three runs", "oncall: warning: shrink/nightly")
		first.Follow(t.Context())
		second.Lead(b)
		second.require(t, "a daemon that has looked before")
		second.Report(t.Context(), report(scheduleFailed))
		second.require(t, "the same daemon after a look")
		time.Sleep(24 * time.Hour)
		second.RunEnded(run(4), errors.New("no answer"), time.Time{})
		second.Report(t.Context(), report(scheduleFailed))
		second.require(t, "a day later", "oncall: still warning: shrink/nightly")
		second.RunEnded(run(5), nil, time.Time{})
		second.require(t, "before anybody has looked")
		second.Report(t.Context(), endedWell())
		second.require(t, "it was accepted", "oncall: over: shrink/nightly")
	})
}

// The next daemon repeats nothing, knows what is over, and tells what it has not told
// (at least once). One that does not lead tells nothing.
func TestTheNextDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(book)
		first, second := newDesk(t, b, alert.Rule{Receiver: "oncall"}), newDesk(t, nil, alert.Rule{Receiver: "oncall"})
		first.Report(t.Context(), report(breached, overdue))
		second.Report(t.Context(), report(breached, overdue))
		drift := alert.Concern{About: "drift/cluster", Event: notify.Drift, Severity: status.Warning, Occurrence: "20260101T000000Z-abcd"}
		first.Happened(drift)
		first.require(t, "the first daemon", "oncall: critical: rpo/main", "oncall: warning: drift/cluster", "oncall: warning: proof/main")
		first.Follow(t.Context())
		time.Sleep(time.Hour)
		second.Lead(b)
		second.Happened(drift)
		second.Report(t.Context(), report(overdue, scheduleFailed))
		second.require(t, "the second daemon", "oncall: over: rpo/main", "oncall: warning: schedule/nightly")
		if !slices.ContainsFunc(second.texts, func(text string) bool { return strings.Contains(text, "Since: 2000-01-01 00:00:00Z") }) {
			t.Errorf("it does not know since when:\n%s", second.texts)
		}
		drift.Occurrence = "20260101T010000Z-abcd"
		second.Happened(drift)
		second.require(t, "another drift", "oncall: warning: drift/cluster")
		first.Report(t.Context(), report())
		first.require(t, "the first one")
	})
}

// What could not be sent is sent later, though not at once, and is not lost.
func TestSendingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book), alert.Rule{Receiver: "oncall"})
		d.fail = errors.New("no answer")
		d.Report(t.Context(), report(breached))
		d.Report(t.Context(), report(breached))
		d.require(t, "at first", "oncall: critical: rpo/main")
		time.Sleep(time.Minute)
		d.Report(t.Context(), report(breached))
		d.require(t, "soon after")
		time.Sleep(5 * time.Minute)
		d.mu.Lock()
		d.fail = nil
		d.mu.Unlock()
		d.Report(t.Context(), report(breached))
		d.require(t, "later", "oncall: critical: rpo/main")
		time.Sleep(time.Hour)
		d.Report(t.Context(), report(breached))
		d.require(t, "when it was sent")
	})
}

// Each receiver is told what it wants to know.
func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book),
			alert.Rule{Receiver: "proofs", On: []notify.Event{notify.Proof}}, alert.Rule{Receiver: "night", MinSeverity: status.Critical},
			alert.Rule{Receiver: "objectives", On: []notify.Event{notify.Objective, notify.Recovery}})
		d.Report(t.Context(), report(breached, overdue))
		d.require(t, "two concerns", "night: critical: rpo/main", "objectives: critical: rpo/main", "proofs: warning: proof/main")
		d.Report(t.Context(), report(atRisk))
		d.require(t, "better", "night: over: rpo/main")
		d.Report(t.Context(), report(breached))
		d.require(t, "worse again", "night: critical: rpo/main", "objectives: now critical: rpo/main")
		d.Report(t.Context(), report())
		d.require(t, "well", "night: over: rpo/main", "objectives: over: rpo/main")
		d.Report(t.Context(), report(overdue))
		d.require(t, "another proof is overdue", "proofs: warning: proof/main")
	})
}

// A repository that cannot be read keeps anybody from leading: every daemon tells it.
func TestBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, alert.Rule{Receiver: "oncall"})
		since := time.Now()
		for range 10 {
			d.Blind(since, errors.New("no answer"))
			time.Sleep(5 * time.Minute)
		}
		d.require(t, "an outage", "oncall: critical: repository")
		d.Report(t.Context(), report(breached))
		d.require(t, "its end", "oncall: over: repository")
	})
}

// What is wrong with the daemon itself is told as what its report says: a configuration
// that is not right once, however the error changes, and when it is mended.
func TestConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, new(book), alert.Rule{Receiver: "oncall"})
		wrong := func(why string) *status.Report {
			return report(status.Reason{Severity: status.Warning, Code: status.DaemonConfiguration, Text: "configuration: " + why})
		}
		d.Report(t.Context(), wrong("line 3: it is required"))
		d.require(t, "not right", "oncall: warning: configuration")
		if !strings.Contains(d.texts[0], "line 3: it is required") || !strings.Contains(d.texts[0], "openim-dr config check") {
			t.Errorf("it says\n%s", d.texts[0])
		}
		d.Report(t.Context(), wrong("line 5: it is required"))
		d.require(t, "still not right")
		d.Report(t.Context(), report())
		d.require(t, "right", "oncall: over: configuration")
	})
}
