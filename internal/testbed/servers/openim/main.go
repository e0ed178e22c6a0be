// Command openim stands in for OpenIM in tests: it writes messages into MySQL and
// objects into a bucket, as OpenIM's servers do, and keeps a journal of what was
// acknowledged, by which it is told afterwards whether anything is lost.
//
//	openim serve [rows|objects]  serve, and write all the time
//	openim fill COUNT SIZE       write so many objects of so many bytes, and end
//	openim audit TIME            look for all that was acknowledged before a time
//
// Where its stores are is said by its environment: MYSQL_ADDRESS, MYSQL_PASSWORD,
// S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY, and JOURNAL, a directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const usage = "usage: openim serve [rows|objects] | fill COUNT SIZE | audit TIME"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "openim: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	s, err := openStores(os.Getenv)
	if err != nil {
		return err
	}
	defer s.close()
	switch {
	case args[0] == "serve" && len(args) <= 2:
		return serve(ctx, s, args[1:])
	case args[0] == "fill" && len(args) == 3:
		count, err1 := strconv.Atoi(args[1])
		size, err2 := strconv.Atoi(args[2])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return fill(ctx, s, count, size)
	case args[0] == "audit" && len(args) == 2:
		before, err := time.Parse(time.RFC3339Nano, args[1])
		if err != nil {
			return err
		}
		return audit(ctx, s, before)
	default:
		return errors.New(usage)
	}
}
