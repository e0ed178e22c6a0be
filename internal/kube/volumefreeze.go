package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
)

// frozen runs work while the volumes of a group are kept still, for as long as the
// settings allow, and says for how long they were. They are let go whatever has
// become of the freezing and of work, and even where ctx has ended; only a process
// that is killed cannot do it.
func (f *Freeze) frozen(ctx context.Context, facts []string, log *slog.Logger, work func(context.Context) error) (held time.Duration, err error) {
	if f == nil {
		return 0, work(ctx)
	}
	began := time.Now()
	defer func() {
		thawed := f.call(context.WithoutCancel(ctx), "thaw", f.After, facts, log)
		held, err = time.Since(began), errors.Join(err, thawed)
	}()
	if err := f.call(ctx, "freeze", f.Before, facts, log); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, f.Limit.Duration(), fmt.Errorf("the volumes must not stay frozen for longer than %s", f.Limit))
	defer cancel()
	return 0, work(limited)
}

// call runs one of the two commands within its time limit.
func (f *Freeze) call(ctx context.Context, what string, command, facts []string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.Timeout.Duration(), fmt.Errorf("it was not done after %s", f.Timeout))
	defer cancel()
	err := hook.Command(ctx, command, facts, log.With("command", what))
	if err == nil {
		return nil
	}
	e := fault.New(fault.Failed, what+" the volumes", "%w", err)
	if what == "thaw" {
		return e.Hint("they may be frozen still: let them go by hand, now")
	}
	return e.Hint("see what it printed, above; the command is freeze.before of the group's settings")
}
