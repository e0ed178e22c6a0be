// Command openim-dr takes recovery points of an OpenIM deployment and brings
// them back. One file per verb: flags, wiring and output, nothing else.
package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones of the configuration, on machines that have none

	"github.com/openim-dr/openim-dr/internal/fault"
)

func main() { os.Exit(newApp(os.Stdin, os.Stdout, os.Stderr).execute(os.Args[1:])) }

// execute runs one command line and returns the exit code.
func (a *app) execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the second one has its usual effect, and ends the
	// process at once.
	context.AfterFunc(ctx, stop)

	root := newRoot(a)
	root.SetArgs(args)
	verb, err := root.ExecuteContextC(ctx)
	a.out.json = a.common.output == "json" // also where the command line could not be read to its end
	a.offerInit(err)
	return a.out.finish(orStopped(ctx, verb.Name(), err, a.goOn))
}

// errStopped is why a verb failed that somebody stopped.
var errStopped = errors.New("it was stopped")

// wasStopped reports whether a verb failed because somebody stopped it.
func wasStopped(ctx context.Context, err error) bool {
	return errors.Is(err, errStopped) || err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Corrupt
}

// orStopped returns err, or that the verb was stopped, with what to do then: to
// go on, or, where that is not it, to run it again.
func orStopped(ctx context.Context, verb string, err error, goOn string) error {
	if !wasStopped(ctx, err) || errors.Is(err, errStopped) {
		return err
	}
	return fault.New(fault.Failed, verb, "%w: %w", errStopped, context.Cause(ctx)).Hint("%s", cmp.Or(goOn, "run it again"))
}
