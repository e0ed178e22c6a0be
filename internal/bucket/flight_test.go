package bucket

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// However many objects wait, no more bytes are on their way than there is room for,
// and an object that is larger than that goes alone.
func TestFlightIsBounded(t *testing.T) {
	t.Parallel()
	f := newFlight(0)
	var under atomic.Int64
	var most int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 200 {
		size := int64(i%20) << 20 // up to 19 MiB
		all.Go(func() {
			land, err := f.depart(t.Context(), size)
			if err != nil {
				t.Error(err)
				return
			}
			now := under.Add(size)
			mu.Lock()
			most = max(most, now)
			mu.Unlock()
			time.Sleep(100 * time.Microsecond) // in which others depart that must not
			under.Add(-size)
			land()
		})
	}
	all.Wait()
	if most > 19<<20 {
		t.Errorf("%d MiB were on their way at once, want the largest object alone at most", most>>20)
	}
	if most <= leastFlight {
		t.Errorf("only %d MiB were on their way at once: nothing was tried", most>>20)
	}
}

// Invariant 9: nobody waits for room whose restore has ended.
func TestFlightEndsWithItsRestore(t *testing.T) {
	t.Parallel()
	f := newFlight(0)
	if _, err := f.depart(t.Context(), leastFlight); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.depart(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of its restore", err)
	}
}

// Invariant 9: who waits for room holds nothing that somebody on the way may wait for.
func TestWhoWaitsForRoomHoldsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const memory = 1 << 20
		u := newUploader(nil, "b", nil, memory, 0)
		land, err := u.flight.depart(t.Context(), leastFlight)
		if err != nil {
			t.Fatal(err)
		}
		defer land()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- (&restorer{uploader: u}).uploadOne(ctx, job{entry: repository.IndexEntry{Key: "k", Size: 100}})
		}()
		synctest.Wait()
		if !u.budget.TryAcquire(memory) {
			t.Error("it waits for room with memory in its hands")
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of its restore", err)
		}
	})
}
