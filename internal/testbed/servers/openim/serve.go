package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// How often things are written, and how large objects are.
const (
	rowInterval    = 50 * time.Millisecond
	objectInterval = 500 * time.Millisecond
	objectSize     = 20_000
	patience       = time.Second // before the next try
)

// serve answers probes, and writes what it is told to until ctx ends. It is ready
// when its stores are.
func serve(ctx context.Context, s *stores, write []string) error {
	var ready atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: ":10002", Handler: mux, ReadHeaderTimeout: time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	defer server.Close()

	for s.migrate(ctx) != nil && pause(ctx, patience) {
	}
	ready.Store(true)
	ended := make(chan error, 1)
	go func() { ended <- s.work(ctx, write) }()
	select {
	case err := <-failed:
		return err
	case err := <-ended:
		return err
	}
}

// work writes until ctx ends. What was not acknowledged is not in the journal.
func (s *stores) work(ctx context.Context, write []string) error {
	next, interval := s.send, rowInterval
	switch {
	case len(write) == 0:
		<-ctx.Done()
		return nil
	case write[0] == "objects":
		next, interval = func(ctx context.Context) (entry, error) { return s.put(ctx, objectSize) }, objectInterval
	case write[0] != "rows":
		return errors.New(usage)
	}
	j, err := openJournal(s.journal)
	if err != nil {
		return err
	}
	for pause(ctx, interval) {
		e, err := next(ctx)
		if err != nil {
			fmt.Fprintf(os.Stderr, "openim: write: %v\n", err)
			pause(ctx, patience)
			continue
		}
		if err := j.add(e); err != nil {
			return err
		}
	}
	return nil
}

// fill writes objects as fast as it can.
func fill(ctx context.Context, s *stores, count, size int) error {
	j, err := openJournal(s.journal)
	if err != nil {
		return err
	}
	for range count {
		e, err := s.put(ctx, size)
		if err != nil {
			return err
		}
		if err := j.add(e); err != nil {
			return err
		}
	}
	return nil
}

// pause says whether time has passed, rather than that ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
