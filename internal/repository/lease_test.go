package repository_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

const leaseName = "test@manual"

func termPath(n int) string { return fmt.Sprintf("leases/%s/%012d.json", leaseName, n) }

// inBubble runs a test on a clock of its own: nothing waits.
func inBubble(t *testing.T, test func(t *testing.T, f *repotest.Fixture, m *repotest.Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, m := newFixture(t)
		test(t, f, m)
	})
}

func acquire(t *testing.T, w *repository.Writer) (context.Context, *repository.Lease) {
	t.Helper()
	ctx, lease, err := w.Acquire(t.Context(), leaseName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease.Release)
	return ctx, lease
}

// abandonedTerm is what a process leaves that was killed.
func abandonedTerm(t *testing.T, m *repotest.Memory, n int, seconds float64) {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"kind": "lease", "term": n, "holder": "x", "instance": "test", "host": "gone", "seconds": seconds, "released": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Plant(termPath(n), data)
}

func TestFreeLeaseIsTakenAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory) {
		w, began := f.Writer(t), time.Now()
		for range 3 { // released twice in between
			_, lease := acquire(t, w)
			lease.Release()
			lease.Release() // as often as one likes
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %s", took)
		}
	})
}

func TestLeaseIsRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		ctx, lease := acquire(t, f.Writer(t))
		time.Sleep(10 * repository.DefaultLeaseLength)
		if ctx.Err() != nil {
			t.Errorf("the work was ended: %v", context.Cause(ctx))
		}
		lease.Release()
		terms := 0
		for _, name := range m.Names() {
			if strings.HasPrefix(name, "leases/") {
				terms++
			}
		}
		if terms < 30 || terms > 50 {
			t.Errorf("%d terms in ten lengths, want four a length", terms)
		}
	})
}

// Invariant 8: one holds it at a time, and the other one is told so soon.
func TestLeaseThatIsAliveIsBusy(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory) {
		ctx, _ := acquire(t, f.Writer(t))
		began := time.Now()
		_, _, err := f.Writer(t).Acquire(t.Context(), leaseName)
		requireKind(t, err, fault.Busy)
		if took := time.Since(began); took > repository.DefaultLeaseLength {
			t.Errorf("it took %s to say so", took)
		}
		if ctx.Err() != nil {
			t.Errorf("the holder was disturbed: %v", context.Cause(ctx))
		}
	})
}

// Who waits is told for whom and how long, since a minute of silence looks like a fault.
func TestWhoWaitsForALeaseIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		var told []string
		options := f.WriterOptions()
		options.Waiting = func(instance, host string, longest time.Duration) {
			told = append(told, fmt.Sprintf("%s on %s: %s", instance, host, longest))
		}
		w, err := repository.OpenWriter(t.Context(), f.Store, options)
		if err != nil {
			t.Fatal(err)
		}
		abandonedTerm(t, m, 7, 60)
		acquire(t, w)
		if want := []string{"test on gone: 1m0s"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestStreamsDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory) {
		w := f.Writer(t)
		acquire(t, w)
		_, lease, err := w.Acquire(t.Context(), repository.StreamLease("test", "hourly"))
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
	})
}

func TestDeadLeaseIsTakenOverAfterItsFullLength(t *testing.T) {
	for name, length := range map[string]time.Duration{"as long as ours": repository.DefaultLeaseLength, "longer": 5 * time.Minute, "shorter": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
				abandonedTerm(t, m, 7, length.Seconds())
				began := time.Now()
				acquire(t, f.Writer(t))
				if took := time.Since(began); took < length || took > length*5/4 {
					t.Errorf("taken over after %s, want %s", took, length)
				}
				if m.Content(termPath(8)) == nil {
					t.Error("there is no next term")
				}
			})
		})
	}
}

func TestLeaseThatIsGivenBackWhileItIsWatched(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory) {
		_, held := acquire(t, f.Writer(t))
		began := time.Now()
		time.AfterFunc(9*time.Second, held.Release)
		acquire(t, f.Writer(t))
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s to notice", took)
		}
	})
}

func TestAtMostOneTakesADeadLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		abandonedTerm(t, m, 1, 60)
		type outcome struct {
			lease *repository.Lease
			err   error
		}
		outcomes := make(chan outcome)
		for range 4 {
			w := f.Writer(t)
			go func() {
				_, lease, err := w.Acquire(t.Context(), leaseName)
				outcomes <- outcome{lease, err}
			}()
		}
		winners := 0
		for range 4 {
			got := <-outcomes
			if got.err != nil {
				requireKind(t, got.err, fault.Busy)
				continue
			}
			winners++
			t.Cleanup(got.lease.Release)
		}
		if winners != 1 {
			t.Errorf("%d took it", winners)
		}
	})
}

// Invariant 8: losing the lease ends the work.
func TestLostLeaseEndsTheWork(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		ctx, _ := acquire(t, f.Writer(t))
		abandonedTerm(t, m, 2, 60) // somebody else took the next term
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), repository.ErrLeaseLost) {
			t.Errorf("it ended with %v", context.Cause(ctx))
		}
	})
}

// Invariants 8 and 9: who cannot renew stops before anybody may take over.
func TestLeaseThatCannotBeRenewedEndsTheWorkInTime(t *testing.T) {
	for name, kind := range map[string]faulty.Fault{"refused": faulty.Fail, "without an answer": faulty.Hang} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
				f.Store = faulty.New(m, faulty.Plan{Fault: kind, At: 20, Times: -1, Kinds: []faulty.Kind{faulty.Create}})
				ctx, lease := acquire(t, f.Writer(t))
				<-ctx.Done()
				if took := time.Since(lastTerm(t, m)); took >= repository.DefaultLeaseLength {
					t.Errorf("it took %s, and the lease is %s long", took, repository.DefaultLeaseLength)
				}
				if !errors.Is(context.Cause(ctx), repository.ErrLeaseLost) {
					t.Errorf("it ended with %v", context.Cause(ctx))
				}
				lease.Release()
			})
		})
	}
}

// lastTerm returns when the newest term was created.
func lastTerm(t *testing.T, m *repotest.Memory) (at time.Time) {
	t.Helper()
	err := m.List(t.Context(), "leases/", func(i storage.Info) error {
		at = i.Created
		return nil
	})
	if err != nil || at.IsZero() {
		t.Fatalf("no term: %v", err)
	}
	return at
}

func TestRenewalWhoseReplyIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		store := &lostReply{Memory: m, name: termPath(2)}
		f.Store = store
		ctx, _ := acquire(t, f.Writer(t))
		time.Sleep(3 * repository.DefaultLeaseLength)
		if !store.lost.Load() || ctx.Err() != nil {
			t.Errorf("lost %v, the work ended with %v", store.lost.Load(), context.Cause(ctx))
		}
	})
}

// A term that was damaged on its way is nobody's, and stops nobody for ever.
func TestDamagedTerm(t *testing.T) {
	t.Run("of a process that is gone", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			m.Plant(termPath(3), []byte(`{"kind":"lea`))
			began := time.Now()
			acquire(t, f.Writer(t))
			if took := time.Since(began); took < repository.DefaultLeaseLength {
				t.Errorf("taken after %s: somebody may have held it", took)
			}
		})
	})
	t.Run("of our own renewal", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			looking := faulty.New(m, faulty.Plan{})
			f.Store = looking
			f.Writer(t)
			at := len(looking.Calls()) + 6 // list, create, write, commit; create, write
			damaging := faulty.New(m, faulty.Plan{Fault: faulty.Truncate, At: at, Kinds: []faulty.Kind{faulty.Write}})
			f.Store = damaging
			ctx, _ := acquire(t, f.Writer(t))
			time.Sleep(3 * repository.DefaultLeaseLength)
			if !damaging.Reached() || damaging.Hits()[0].Name != termPath(2) {
				t.Fatalf("hit %v, want the first renewal", damaging.Hits())
			}
			if ctx.Err() != nil {
				t.Errorf("the work ended: %v", context.Cause(ctx))
			}
		})
	})
	t.Run("names that are no terms", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
			for _, name := range []string{"x.json", "99.json", "999999999999.txt", "00000000000x.json"} {
				m.Plant("leases/"+leaseName+"/"+name, []byte("nonsense"))
			}
			began := time.Now()
			acquire(t, f.Writer(t))
			if took := time.Since(began); took != 0 {
				t.Errorf("waited %s", took)
			}
		})
	})
}

// Invariant 8, the whole story: a holder is suspended past its lease, another
// process takes over, and the first one wakes and wants to commit.
func TestSuspendedHolderCannotCommit(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		abandonedTerm(t, m, 1, 60) // the last word of the suspended process
		suspended := begin(t, f.Writer(t), "manual")

		next, err := take(t.Context(), f.Writer(t), repotest.Instance, "manual", sample())
		if err != nil {
			t.Fatal(err)
		}
		_, err = suspended.Commit(t.Context())
		requireKind(t, err, fault.Busy)
		if l := listing(t, f); len(l.Points) != 1 || l.Points[0].Point != next.Point {
			t.Errorf("points %v", l.Points)
		}
	})
}

func TestWaitingForALeaseEndsWithTheContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *repotest.Fixture, m *repotest.Memory) {
		abandonedTerm(t, m, 1, 3600)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := f.Writer(t).Acquire(ctx, leaseName)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 6*time.Second {
			t.Errorf("got %v after %s, want the end of the context after 5s", err, took)
		}
	})
}
