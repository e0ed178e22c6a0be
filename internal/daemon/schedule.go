package daemon

import (
	"context"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Timetable says when a schedule is due: the first time after another, and the zero
// time for never.
type Timetable interface {
	Next(after time.Time) time.Time
}

// Schedule is a job and when it is to be run.
type Schedule struct {
	Name string
	Timetable
	// Definition tells two schedules of a name apart: one that stays as it was is not
	// disturbed by a change of the others.
	Definition string
	// CatchUp runs the job once where due times have passed while no daemon was
	// there. Queue does so where they have passed while the job was running.
	CatchUp, Queue bool
	// Jitter is how much later than it is due a run may begin, by chance, so that
	// many daemons do not all begin at once.
	Jitter time.Duration
	// RetryFor is for how long after its beginning a run that failed is tried again,
	// though never when the next one is due.
	RetryFor time.Duration
	Job      Job
}

// Job does what a schedule is for. It is tried again where the kind of its error says
// that it may succeed unchanged, unless that is Final.
type Job func(ctx context.Context) error

// Outcome is how a run has ended, after all its attempts.
type Outcome struct {
	Run  repository.ScheduleRun
	Err  error     // of the last attempt; nil where it ended well
	Next time.Time // when the schedule is due next
}

// Final is an error after which a job is not tried again.
func Final(err error) error { return &final{err} }

type final struct{ error }

func (f *final) Unwrap() error { return f.error }

// mostPassed bounds what is counted of due times that have passed.
const mostPassed = 100_000

// turn is a run that is to come.
type turn struct {
	due    time.Time // zero: never
	passed int       // due times before it for which there is no run
}

// next is the turn after a run that was due at some time: the next due time to come,
// or, where some have passed and are made up for, the last of these.
func (s *Schedule) next(last, now time.Time, makeUp bool) turn {
	t := turn{due: s.Next(last)}
	for !t.due.IsZero() && !t.due.After(now) {
		following := s.Next(t.due)
		if makeUp && (following.IsZero() || following.After(now)) {
			return t
		}
		if t.passed++; t.passed == mostPassed {
			return turn{due: s.Next(now), passed: t.passed}
		}
		t.due = following
	}
	return t
}
