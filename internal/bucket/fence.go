package bucket

import (
	"context"
	"time"

	"github.com/openim-dr/openim-dr/internal/source"
)

const (
	// fenceTime is how long a restore writes before it asks again whether it is still
	// the one that does.
	fenceTime = 10 * time.Second
	// fenceShare is the share of its time that takes its place where it is longer: each
	// answer is a record of the journal, of which there are some hundreds at most.
	fenceShare = 100
)

// fence is asked before every write of a restore, and asks the attempt's own now and
// then (invariant 8). Of those who wait for an answer none writes meanwhile. It is
// safe for concurrent use.
type fence struct {
	attempt     source.Attempt
	now         func() time.Time
	turn        chan struct{} // held by whoever asks: a lock whose wait ends with the context
	began, last time.Time
}

// newFence begins with an answer that was had just now.
func newFence(attempt source.Attempt, now func() time.Time) *fence {
	return &fence{attempt: attempt, now: now, turn: make(chan struct{}, 1), began: now(), last: now()}
}

// wallClock goes on while a machine sleeps, other than Go's own reckoning of time.
func wallClock() time.Time { return time.Now().Round(0) }

// pass fails where another process goes on with the restore by now.
func (f *fence) pass(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now := f.now()
	if since := now.Sub(f.last); since >= 0 && since < max(fenceTime, now.Sub(f.began)/fenceShare) { // else somebody has set the clock
		return nil
	}
	if err := f.attempt.Hold(ctx); err != nil {
		return err
	}
	f.last = f.now()
	return nil
}
