// Command testbed starts and stops the servers that tests and the demo use.
//
//	testbed up          start what is not running
//	testbed down        stop everything of this checkout
//	testbed env         print addresses and credentials
//	testbed with CMD…   run a command with the testbed up; a testbed that was
//	                    not up before is taken down after
//	testbed node VERB   the same verbs for a whole Kubernetes node, which stands
//	                    beside the testbed's servers and uses none of them
//	testbed node load FILE
//	                    load an archive of images into the node
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

const usage = "usage: testbed [node] up | down | env | with COMMAND [ARGUMENT…]; testbed node load FILE"

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
	if args[0] != "node" {
		return drive(ctx, tb, args)
	}
	if len(args) == 3 && args[1] == "load" {
		return tb.Node().Load(ctx, args[2])
	}
	return drive(ctx, tb.Node(), args[1:])
}

// servers are what is started and stopped as one.
type servers interface {
	Up(ctx context.Context) error
	Down(ctx context.Context) error
	Running(ctx context.Context) bool
	Env() (string, error)
}

func drive(ctx context.Context, s servers, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "up" && len(rest) == 0:
		return s.Up(ctx)
	case verb == "down" && len(rest) == 0:
		return s.Down(ctx)
	case verb == "env" && len(rest) == 0:
		env, err := s.Env()
		fmt.Print(env)
		return err
	case verb == "with" && len(rest) > 0:
		return with(ctx, s, rest)
	default:
		return errors.New(usage)
	}
}

// commandEnded says that the command of "with" ended by a code of its own.
type commandEnded struct{ code int }

func (e *commandEnded) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// with runs a command with the servers up and leaves them as they were.
func with(ctx context.Context, s servers, command []string) (err error) {
	if !s.Running(ctx) {
		defer func() {
			// A command that was interrupted gets its servers taken down too.
			err = errors.Join(err, s.Down(context.WithoutCancel(ctx)))
		}()
		if err := s.Up(ctx); err != nil {
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
