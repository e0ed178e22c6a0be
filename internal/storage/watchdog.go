package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idleError is why a watchdog has ended an attempt.
type idleError struct{ after time.Duration }

func (e *idleError) Error() string { return fmt.Sprintf("nothing moved for %s", e.after) }

// watchdog ends its context when a guarded call makes no progress. Invariant 9:
// every wait ends, also one for a server that keeps the connection open and
// says nothing.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

// watch returns a watchdog on guard. The caller must stop it.
func watch(ctx context.Context, idle time.Duration) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	stalled := func() { cancel(&idleError{idle}) }
	return &watchdog{ctx: ctx, cancel: cancel, timer: time.AfterFunc(idle, stalled), idle: idle}
}

// guard starts the time anew; rest suspends it until the next guard.
func (w *watchdog) guard() { w.timer.Reset(w.idle) }
func (w *watchdog) rest()  { w.timer.Stop() }

// stop ends the watch and releases the context.
func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain replaces an error that is only the echo of ctx having been ended for
// idleness. The echo itself is not wrapped, lest a stalled server be taken for
// a cancelled command.
func explain(ctx context.Context, err error) error {
	var idle *idleError
	if err == nil || !errors.As(context.Cause(ctx), &idle) {
		return err
	}
	return fmt.Errorf("%w: %v", idle, err) //nolint:errorlint // see above
}
