package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"time"
)

// defaultGrace is how long a command has after SIGTERM, and what it left behind
// has after its end.
const defaultGrace = 5 * time.Second

// Command runs a command as hooks are run, with variables of its own (NAME=value)
// instead of a hook's facts. What it prints goes to log.
func Command(ctx context.Context, command, variables []string, log *slog.Logger) error {
	return run(ctx, command, variables, defaultGrace, log)
}

// run runs a command in a process group of its own, without standard input. When
// ctx ends the whole group gets SIGTERM, and a while later SIGKILL. Whatever is
// left of the group when the command has ended gets SIGKILL too: nothing that a
// hook started outlives it, unless it takes a session of its own.
func run(ctx context.Context, command, variables []string, grace time.Duration, log *slog.Logger) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = environment(variables)
	output := newLines(log)
	cmd.Stdout, cmd.Stderr = output, output
	inGroup(cmd)
	cmd.Cancel = func() error { return terminate(cmd) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	err := cmd.Wait()
	kill(cmd)
	output.end()
	return ended(ctx, cmd, err)
}

// ended says how a command ended.
func ended(ctx context.Context, cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil // in the second case something else still held its output
	case ctx.Err() != nil:
		return fmt.Errorf("it was ended: %w", context.Cause(ctx))
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Errorf("it ended with exit code %d", exit.ExitCode())
	default:
		return fmt.Errorf("it ended: %w", err)
	}
}
