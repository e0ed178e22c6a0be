package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	// firstRetry and longestRetry are how long a run waits after its first failure,
	// and at most; in between it is twice as long each time.
	firstRetry   = time.Minute
	longestRetry = 15 * time.Minute
	// noteAttempts bounds how often a run is tried to be noted, a retryPause apart. One
	// that is not noted is made up for by the next leader.
	noteAttempts = 5
	retryPause   = 10 * time.Second
	// longestSleep bounds a wait that goes by the clock on the wall, which may be set
	// meanwhile.
	longestSleep = time.Minute
	// clockTolerance is how far in the future the last run may have been due before
	// its record is taken for one of a clock that was wrong.
	clockTolerance = time.Hour
)

// Ledger keeps how runs of schedules ended. It is safe for concurrent use.
type Ledger interface {
	// Last returns the newest record, or nil.
	Last(ctx context.Context, schedule string) (*repository.ScheduleRun, error)
	// Append fails with storage.ErrExist where the number is taken.
	Append(ctx context.Context, run repository.ScheduleRun) error
}

// runner runs one schedule, one turn after the other. Its fields are its loop's own.
type runner struct {
	Schedule

	ledger  Ledger
	log     *slog.Logger
	metrics *Metrics
	health  *Health
	ended   func(Outcome)

	last   time.Time // when the last run was due
	number int       // of its record
	run    string    // what the run that goes on is called in logs
}

// loop takes turns until planning ends; a job that runs then is let go on until
// working ends.
func (r *runner) loop(planning, working context.Context) {
	if !r.recall(planning) {
		return
	}
	makeUp, whence := r.CatchUp, missed
	for {
		now := time.Now()
		t := r.next(r.last, now, makeUp)
		r.tellPassed(t, whence)
		if t.due.IsZero() {
			return
		}
		r.metrics.next(r.Name, t.due)
		if sleepUntil(planning, t.due.Add(r.jitter())) != nil {
			return
		}
		if !t.due.After(now) {
			r.metrics.late(r.Name, whence)
		}
		run, err := r.take(working, t, whence)
		if working.Err() != nil {
			return // whoever leads next makes up for it
		}
		r.note(working, run)
		if r.ended != nil {
			r.ended(Outcome{Run: run, Err: err, Next: r.Next(run.Ended)})
		}
		r.last, makeUp, whence = t.due, r.Queue, overrun
	}
}

// Reasons for which a due time has no run.
const (
	missed  = "missed"  // no daemon was there
	overrun = "overrun" // the run before was still going on
)

// part is what the schedule is called among the parts of a daemon.
func (r *runner) part() string { return schedulePart + r.Name }

func (r *runner) tellPassed(t turn, whence string) {
	if t.passed > 0 {
		r.log.Warn("schedule: due times have passed without a run", "schedule", r.Name, "count", t.passed, "why", whence)
		r.metrics.passed(r.Name, whence, t.passed)
	}
}

func (r *runner) jitter() time.Duration {
	if r.Jitter <= 0 {
		return 0
	}
	return mathrand.N(r.Jitter) // nobody gains by guessing it
}

// recall finds out when the schedule last had a run. One that never had begins now,
// and that is noted: what it misses from now on counts.
func (r *runner) recall(ctx context.Context) bool {
	for {
		run, err := r.ledger.Last(ctx, r.Name)
		if err == nil && run == nil {
			now := time.Now().UTC()
			run = &repository.ScheduleRun{Schedule: r.Name, Number: 1, Due: now, Started: now, Ended: now, Result: repository.ScheduleNew}
			err = r.ledger.Append(ctx, *run)
		}
		if r.health.Set(r.part(), err); err == nil {
			r.remember(run, time.Now())
			return true
		}
		if ctx.Err() == nil {
			r.log.Warn("schedule: its last run cannot be read", "schedule", r.Name, "error", err)
		}
		if pause(ctx, retryPause) != nil {
			return false
		}
	}
}

func (r *runner) remember(run *repository.ScheduleRun, now time.Time) {
	r.number, r.last = run.Number, now
	switch {
	case run.Due.IsZero(): // it is damaged
	case run.Due.After(now.Add(clockTolerance)):
		r.log.Warn("schedule: its last run was due in the future, so a clock was or is wrong", "schedule", r.Name, "due", run.Due)
	default:
		r.last = run.Due
		r.metrics.remember(*run)
	}
}

// take runs the job, and again where that may help.
func (r *runner) take(ctx context.Context, t turn, whence string) (repository.ScheduleRun, error) {
	r.run = rand.Text()[:runIDLength]
	ctx, log := context.WithValue(ctx, runKey{}, r.run), r.runLog()
	run := repository.ScheduleRun{Schedule: r.Name, Number: r.number + 1, Due: t.due, Started: time.Now().UTC()}
	if whence == missed {
		run.Missed = t.passed
	} else {
		run.Overrun = t.passed
	}
	giveUp := run.Started.Add(r.RetryFor)
	following := r.Next(run.Started)
	if !following.IsZero() && following.Before(giveUp) {
		giveUp = following
	}
	end := r.metrics.begin(r.Name, following)
	defer end()
	for {
		run.Attempts++
		began := time.Now()
		log.Info("schedule: run begins", "due", t.due, "attempt", run.Attempts)
		err := r.Job(ctx)
		run.Ended, run.Result = time.Now().UTC(), ResultOf(err)
		r.metrics.attempt(run, run.Ended.Sub(began))
		if err == nil {
			log.Info("schedule: run ended well", "seconds", run.Ended.Sub(run.Started).Seconds())
			return run, nil
		}
		if ctx.Err() != nil { // somebody's wish, or another daemon leads: nothing to mend
			log.Warn("schedule: run was stopped", "error", err)
			return run, err
		}
		again := run.Ended.Add(retryDelay(run.Attempts))
		if !mayHelp(err) || !again.Before(giveUp) {
			log.Error("schedule: run failed", "error", err, "hint", hintOf(err), "next", r.Next(run.Ended))
			return run, err
		}
		log.Warn("schedule: run failed, and is tried again", "error", err, "hint", hintOf(err), "at", again.Truncate(time.Second))
		if sleepUntil(ctx, again) != nil {
			return run, err
		}
	}
}

// runIDLength is how many letters tell runs apart: 40 bits of chance.
const runIDLength = 8

// runKey is that of the id of a run in the context of its job.
type runKey struct{}

// RunID is what the run of a job is called in logs, by the context of the job; empty
// where it is no run of a schedule.
func RunID(ctx context.Context) string {
	id, _ := ctx.Value(runKey{}).(string)
	return id
}

// runLog is for what concerns the run that goes on.
func (r *runner) runLog() *slog.Logger { return r.log.With("schedule", r.Name, "run", r.run) }

func hintOf(err error) string {
	if e, ok := fault.Outermost(err); ok {
		return e.Try
	}
	return ""
}

// ResultOf is the result of a run: ok, or the code of the failure.
func ResultOf(err error) string {
	if err == nil {
		return repository.ScheduleOK
	}
	return fault.KindOf(err).String()
}

// mayHelp reports whether a job that failed so may succeed unchanged.
func mayHelp(err error) bool {
	var last *final
	kind := fault.KindOf(err)
	return !errors.As(err, &last) && (kind == fault.Failed || kind == fault.Busy)
}

func retryDelay(attempts int) time.Duration {
	delay := firstRetry
	for range attempts - 1 {
		delay = min(2*delay, longestRetry)
	}
	return delay
}

// note keeps how a run ended.
func (r *runner) note(ctx context.Context, run repository.ScheduleRun) {
	for attempt := range noteAttempts {
		if attempt > 0 && pause(ctx, retryPause) != nil {
			return
		}
		err := r.ledger.Append(ctx, run)
		switch r.health.Set(r.part(), err); {
		case err == nil:
			r.number = run.Number
			r.runLog().Debug("schedule: run is noted", "number", run.Number, "result", run.Result)
			return
		case errors.Is(err, storage.ErrExist):
			// Another daemon has noted one, or a record is damaged.
			run.Number++
		}
		r.runLog().Warn("schedule: how the run ended cannot be noted", "error", err)
	}
}

// sleepUntil waits for a time on the wall, or returns why ctx has ended.
func sleepUntil(ctx context.Context, due time.Time) error {
	due = due.Round(0) // without the monotonic reading, which a clock that is set leaves alone
	for {
		left := due.Sub(time.Now().Round(0))
		if left <= 0 {
			return ctx.Err()
		}
		if err := pause(ctx, min(left, longestSleep)); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
