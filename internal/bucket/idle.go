package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// idleError is why an idleGuard ended its context. It does not wrap
// context.Canceled, lest a stalled server be taken for a cancelled command.
type idleError struct{ after time.Duration }

func (e *idleError) Error() string { return fmt.Sprintf("nothing moved for %s", e.after) }

// idleGuard ends its context when a body stalls. Invariant 9: every wait ends,
// also one for a server that keeps the connection open and says nothing.
type idleGuard struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	after  time.Duration
}

// guardIdle returns a context that ends when nothing is read for as long as the
// server may think and then be silent. The caller must stop the guard.
func (s *Source) guardIdle(ctx context.Context) (context.Context, *idleGuard) {
	after := s.options.patience.header + s.options.patience.idle
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(after, func() { cancel(&idleError{after}) })
	return ctx, &idleGuard{cancel, timer, after}
}

func (g *idleGuard) stop() {
	g.timer.Stop()
	g.cancel(nil)
}

// idleReader reads a body under guard. Time that its user spends between two
// reads is not the server's fault and does not count.
type idleReader struct {
	ctx   context.Context // of the guard; only its cause is read
	guard *idleGuard
	body  io.Reader
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.guard.timer.Reset(r.guard.after)
	n, err := r.body.Read(p)
	r.guard.timer.Stop()
	return n, idleCause(r.ctx, err)
}

// sentReader is a body that is sent under guard: what counts is the time between
// two reads, in which the server takes what was read, and the one after the last
// in which it answers.
type sentReader struct {
	guard *idleGuard
	body  io.Reader
}

func (r *sentReader) Read(p []byte) (int, error) {
	r.guard.timer.Stop()
	defer r.guard.timer.Reset(r.guard.after)
	return r.body.Read(p)
}

// idleCause replaces an error that is only the echo of a guard that has ended
// ctx.
func idleCause(ctx context.Context, err error) error {
	var idle *idleError
	if err != nil && errors.As(context.Cause(ctx), &idle) {
		return idle
	}
	return err
}
