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
	rclone string
	env    string
	out    string
	rounds int
	size   seed.Size
}

// parts are what can be measured alone.
var parts = map[string]func(context.Context, options) ([]result, error){
	"mysql":        benchMySQL,
	"mysql-memory": benchMemory,
	"buckets":      benchBuckets,
	"million":      benchMillion,
	"verify":       benchVerify,
	"drill":        benchDrill,
	"plan":         benchPlan,
	"kube":         benchKube,
	"idle":         benchIdle,
	"kills":        benchKills,
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/openim-dr", "the openim-dr to measure")
	flag.StringVar(&o.rclone, "rclone", "bin/rclone", "the rclone to measure against")
	flag.StringVar(&o.env, "env", ".testbed/env", "addresses of the testbed")
	flag.StringVar(&o.out, "out", "bench/out", "where results and what the peers write are left")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved runs of each; the median counts")
	flag.IntVar(&o.size.Rows, "rows", 4_700_000, "rows to seed")
	flag.IntVar(&o.size.Objects, "objects", 20_000, "objects to seed")
	flag.Parse()
	// Sizes are log-normal: half of the objects have less than 4.7 kB, all
	// together about 700 MB.
	o.size.Seed, o.size.MaxObject, o.size.MidObject, o.size.Plain = 20261123, 20_000_000, 4_700, true
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "error: bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, chosen []string) (err error) {
	for _, path := range []*string{&o.binary, &o.rclone, &o.env, &o.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if slices.Equal(chosen, []string{planOnce}) {
		return benchPlanOnce(ctx, o)
	}
	if len(chosen) == 0 {
		chosen = []string{"mysql", "buckets", "verify", "drill", "plan", "kube", "idle"}
	}
	var all []result
	var failed error // what was measured until then is reported
	for _, name := range chosen {
		part, ok := parts[name]
		if !ok {
			return fmt.Errorf("there is no part %q", name)
		}
		results, err := part(ctx, o)
		all = append(all, results...)
		if failed = err; err != nil {
			failed = fmt.Errorf("%s: %w", name, err)
			break
		}
	}
	printTable(os.Stdout, all)
	if err := errors.Join(failed, writeResults(filepath.Join(o.out, "results.json"), all)); err != nil {
		return err
	}
	if missed := slices.DeleteFunc(all, result.met); len(missed) > 0 {
		return errors.New("a limit is missed")
	}
	return nil
}
