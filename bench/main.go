// Command bench measures openim-dr side by side with what people use instead,
// in one run on one machine, by `make bench`: absolute times drift from machine
// to machine and from hour to hour, ratios of interleaved runs do not.
//
// It prints a table for people, writes bench/out/results.json for programs, and
// fails where a limit is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// options say what is measured and how often.
type options struct {
	binary string
	env    string
	out    string
	rounds int
	size   seed.Size
}

// parts are what can be measured alone.
var parts = map[string]func(context.Context, options) ([]result, error){
	"mysql": benchMySQL,
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/openim-dr", "the openim-dr to measure")
	flag.StringVar(&o.env, "env", ".testbed/env", "addresses of the testbed")
	flag.StringVar(&o.out, "out", "bench/out", "where results and what the peers write are left")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved runs of each; the median counts")
	flag.IntVar(&o.size.Rows, "rows", 4_700_000, "rows to seed")
	flag.Parse()
	o.size.Seed, o.size.Objects, o.size.Plain = 20261123, 20_000, true
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "error: bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, chosen []string) (err error) {
	for _, path := range []*string{&o.binary, &o.env, &o.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if len(chosen) == 0 {
		chosen = []string{"mysql"}
	}
	var all []result
	for _, name := range chosen {
		part, ok := parts[name]
		if !ok {
			return fmt.Errorf("there is no part %q", name)
		}
		results, err := part(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, results...)
	}
	printTable(os.Stdout, all)
	if err := writeResults(filepath.Join(o.out, "results.json"), all); err != nil {
		return err
	}
	if missed := slices.DeleteFunc(all, result.met); len(missed) > 0 {
		return errors.New("a limit is missed")
	}
	return nil
}
