// Command openim-dr takes recovery points of an OpenIM deployment and brings
// them back. One file per verb: flags, wiring and output, nothing else.
package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"syscall"

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
	if err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Corrupt {
		err = fault.New(fault.Failed, verb.Name(), "it was stopped: %w", context.Cause(ctx)).
			Hint("%s", cmp.Or(a.goOn, "run it again"))
	}
	return a.out.finish(err)
}
