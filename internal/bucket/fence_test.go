package bucket

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func TestHowOftenTheFenceIsAsked(t *testing.T) {
	asked, at := 0, time.Unix(1_000_000_000, 0)
	attempt := source.Attempt{Fence: func(context.Context) error { asked++; return nil }}
	f := newFence(attempt, func() time.Time { return at })
	after := func(d time.Duration) int {
		t.Helper()
		at = at.Add(d)
		before := asked
		for range 3 {
			if err := f.pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return asked - before
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {9 * time.Second, 0}, {time.Second, 1}, {9 * time.Second, 0}, {time.Hour, 1}, {-time.Minute, 1}, {time.Second, 0}, {time.Minute, 1}} {
		if got := after(step.after); got != step.want {
			t.Errorf("%v later it is asked %d times, want %d", step.after, got, step.want)
		}
	}
	before := asked
	for range 24 * 60 * 60 {
		after(time.Second)
	}
	if n := asked - before; n < 100 || n > 1000 {
		t.Errorf("in a day it is asked %d times", n)
	}
}

// Invariant 8: a process that was suspended in the midst of a batch finds, before it
// writes anything more, that another one has gone on.
func TestSuspendedUploadStops(t *testing.T) {
	onEachServer(t, Options{Workers: 2}, func(s *stand) {
		s.put(zoo()...)
		from := s.capture()
		target := testbed.NewBucketAt(s, s.client)
		var suspended atomic.Int64 // seconds
		s.source.now = func() time.Time { return wallClock().Add(time.Duration(suspended.Load()) * time.Second) }
		goesOn := errors.New("another process goes on")
		attempt := source.Attempt{ID: "r", Fence: func(context.Context) error {
			if suspended.Load() > 0 {
				return goesOn
			}
			return nil
		}}
		plan, err := s.source.Plan(s.Context(), from, source.Selection{Rename: map[string]string{s.bucket: target}, Attempt: attempt})
		if err != nil {
			s.Fatal(err)
		}
		_, err = s.source.Restore(s.Context(), from, plan, sleeping{&suspended})
		if !errors.Is(err, goesOn) {
			s.Errorf("got %v", err)
		}
		if got, all := len(s.content(target)), len(s.content(s.bucket)); got == 0 || got > all-3 {
			s.Errorf("%d of %d objects were written", got, all)
		}
	})
}

// sleeping is asleep for an hour when the first object is there.
type sleeping struct{ seconds *atomic.Int64 }

func (s sleeping) Task(string, progress.Unit, int64) progress.Task { return s }
func (s sleeping) SetTotal(int64)                                  {}
func (s sleeping) Done()                                           {}
func (s sleeping) Add(int64)                                       { s.seconds.Store(3600) }
