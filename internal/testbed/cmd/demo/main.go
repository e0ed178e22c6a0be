// Command demo is what a newcomer runs first, by `make demo`: it seeds an
// OpenIM-like deployment on the real servers of the testbed, backs it up into
// a directory and into Google Cloud Storage's emulator, destroys it, restores
// it with openim-dr, and shows by other means than openim-dr's own that all of
// it came back. Then come a plan of what a prune would keep, a copy, and at the end a
// drill and its report.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

func main() {
	binary := flag.String("binary", "bin/openim-dr", "the openim-dr to show")
	env := flag.String("env", ".testbed/env", "addresses of the testbed's servers")
	out := flag.String("out", ".demo", "where keys, configuration and repository are left")
	rows := flag.Int("rows", seed.Demo().Rows, "rows to seed")
	objects := flag.Int("objects", seed.Demo().Objects, "objects to seed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	size := seed.Demo()
	size.Rows, size.Objects = *rows, *objects
	if err := run(ctx, *binary, *env, *out, size); err != nil {
		fmt.Fprintf(os.Stderr, "\nerror: demo: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, env, out string, size seed.Size) error {
	dir, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	program, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	servers, err := connect(ctx, env)
	if err != nil {
		return err
	}
	defer servers.close()
	d := &demo{tool: tool{program, dir, servers.environment}, servers: servers, size: size}
	return d.play(ctx)
}
