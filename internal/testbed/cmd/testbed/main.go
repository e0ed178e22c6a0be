// Command testbed starts and stops the servers that tests and the demo use.
//
//	testbed up          start what is not running
//	testbed down        stop everything of this checkout
//	testbed env         print addresses and credentials
//	testbed with CMD…   run a command with the testbed up; a testbed that was
//	                    not up before is taken down after
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed/starter"
)

const usage = "usage: testbed up | down | env | with COMMAND [ARGUMENT…]"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	var ended *commandEnded
	switch {
	case err == nil:
	case errors.As(err, &ended):
		os.Exit(ended.code)
	default:
		report(err)
		os.Exit(1)
	}
}

func report(err error) {
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	var described *fault.Error
	if errors.As(err, &described) && described.Try != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", described.Try)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	tb, err := starter.Open(".", os.Stderr)
	if err != nil {
		return err
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "up" && len(rest) == 0:
		return tb.Up(ctx)
	case verb == "down" && len(rest) == 0:
		return tb.Down(ctx)
	case verb == "env" && len(rest) == 0:
		env, err := tb.Env()
		fmt.Print(env)
		return err
	case verb == "with" && len(rest) > 0:
		return with(ctx, tb, rest)
	default:
		return errors.New(usage)
	}
}

// commandEnded says that the command of "with" ended by a code of its own.
type commandEnded struct{ code int }

func (e *commandEnded) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// with runs a command with the testbed up and leaves the testbed as it was.
func with(ctx context.Context, tb *starter.Testbed, command []string) (err error) {
	if !tb.Running(ctx) {
		defer func() {
			// A command that was interrupted gets its testbed taken down too.
			err = errors.Join(err, tb.Down(context.WithoutCancel(ctx)))
		}()
		if err := tb.Up(ctx); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return &commandEnded{exit.ExitCode()}
	}
	return err
}
