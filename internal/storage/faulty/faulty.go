// Package faulty wraps a storage driver so that chosen calls go wrong. It
// counts and records every call, whether or not it injects anything: a run
// without a fault yields the sequence from which a test draws the moments for
// the runs with one.
//
// Truncate and Flip damage the bytes of a Write above the wrapped driver, like
// bad memory would: the driver computes its checksum over the damaged bytes and
// finds nothing wrong. Whoever produced the bytes must notice, by comparing
// what Commit returns with a size and a checksum of its own (Info.Check).
package faulty

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Store is a storage with faults. It is safe for concurrent use; which call is
// the n-th is then up to chance.
type Store struct {
	inner storage.Storage
	plan  Plan

	mu    sync.Mutex
	calls []Call
	hits  []Call
}

var _ storage.Storage = (*Store)(nil)

// New wraps s.
func New(s storage.Storage, plan Plan) *Store { return &Store{inner: s, plan: plan} }

// Calls returns the calls made so far.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Hits returns the calls in which the fault was injected.
func (s *Store) Hits() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hits)
}

// Reached reports whether the planned fault has been injected. A test fails
// where it was not: it has shown nothing.
func (s *Store) Reached() bool { return s.plan.Fault == None || len(s.Hits()) > 0 }

// URL is that of the wrapped storage.
func (s *Store) URL() string { return s.inner.URL() }

// enter counts a call.
func (s *Store) enter(kind Kind, name string) Call {
	s.mu.Lock()
	c := Call{N: len(s.calls) + 1, Kind: kind, Name: name}
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	if s.plan.Before != nil {
		s.plan.Before(c)
	}
	return c
}

// strike says which of the faults that the caller is ready for hits the call.
func (s *Store) strike(c Call, ready ...Fault) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(ready, s.plan.Fault) || !s.plan.hits(c, len(s.hits)) {
		return None
	}
	s.hits = append(s.hits, c)
	return s.plan.Fault
}

// around makes a call that moves no bytes.
func (s *Store) around(ctx context.Context, kind Kind, name string, do func() error) error {
	struck := s.strike(s.enter(kind, name), Fail, FailAfter, Hang)
	switch struck {
	case Fail:
		return s.plan.err()
	case Hang:
		return hang(ctx)
	}
	err := do()
	if err == nil && struck == FailAfter {
		return s.plan.err()
	}
	return err
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Stat describes one object.
func (s *Store) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = s.around(ctx, Stat, name, func() (err error) {
		info, err = s.inner.Stat(ctx, name)
		return err
	})
	if err != nil {
		return storage.Info{}, err
	}
	return info, nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, seen storage.Info) error {
	return s.around(ctx, Delete, seen.Name, func() error { return s.inner.Delete(ctx, seen) })
}

// List lists.
func (s *Store) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	struck := s.strike(s.enter(List, prefix), Fail, FailAfter, Hang)
	switch struck {
	case Fail:
		return s.plan.err()
	case Hang:
		return hang(ctx)
	}
	err := s.inner.List(ctx, prefix, func(info storage.Info) error {
		if err := fn(info); err != nil {
			return err
		}
		if struck == FailAfter {
			return s.plan.err()
		}
		return nil
	})
	if err == nil && struck == FailAfter { // there was no object
		return s.plan.err()
	}
	return err
}

// Dirs lists directories.
func (s *Store) Dirs(ctx context.Context, dir string, span storage.Span) (names []string, err error) {
	err = s.around(ctx, List, dir, func() (err error) {
		names, err = s.inner.Dirs(ctx, dir, span)
		return err
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// Open reads an object.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := s.around(ctx, Open, name, func() (err error) {
		body, err = s.inner.Open(ctx, name, offset, length)
		return err
	})
	if err != nil {
		if body != nil {
			_ = body.Close() // nothing was read
		}
		return nil, err
	}
	return &reader{ctx: ctx, store: s, body: body, name: name}, nil
}

// Create starts an upload.
func (s *Store) Create(ctx context.Context, name string) (storage.Upload, error) {
	var inner storage.Upload
	err := s.around(ctx, Create, name, func() (err error) {
		inner, err = s.inner.Create(ctx, name)
		return err
	})
	if err != nil {
		if inner != nil {
			inner.Abort()
		}
		return nil, err
	}
	return &upload{ctx: ctx, store: s, inner: inner, name: name}, nil
}
