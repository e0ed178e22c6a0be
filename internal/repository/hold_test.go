package repository_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// holdable is a storage whose objects can be held.
type holdable struct {
	*repotest.Memory
	why error // of every hold; nil: none is refused

	mu      sync.Mutex
	held    map[string]bool
	foreign map[string]bool // held by somebody else
}

func newHoldable() *holdable {
	return &holdable{Memory: repotest.NewMemory(), held: map[string]bool{}, foreign: map[string]bool{}}
}

func (h *holdable) SetHold(ctx context.Context, name string, held bool) (bool, error) {
	if _, err := h.Stat(ctx, name); err != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why != nil {
		return false, fmt.Errorf("hold %q: %w", name, h.why)
	}
	if h.foreign[name] || h.held[name] == held {
		return false, nil
	}
	h.held[name] = held
	return true, nil
}

func (h *holdable) Delete(ctx context.Context, seen storage.Info) error {
	h.mu.Lock()
	held := h.held[seen.Name] || h.foreign[seen.Name]
	h.mu.Unlock()
	if held {
		return fmt.Errorf("delete %q: %w", seen.Name, storage.ErrProtected)
	}
	return h.Memory.Delete(ctx, seen)
}

// holds names what is held, sorted.
func (h *holdable) holds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name, held := range h.held {
		if held {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func holder(t *testing.T, f *repotest.Fixture, store storage.Storage) *repository.Pruner {
	t.Helper()
	return &repository.Pruner{Store: store, Repo: f.Open(t), Signer: f.Signer, Instance: repotest.Instance, Tool: "test", By: "pruner", ObjectHolds: true}
}

// decideHold records a hold or its end, and has the files follow.
func decideHold(t *testing.T, p *repository.Pruner, point string, held bool) *repository.ObjectHolds {
	t.Helper()
	s := repository.State{Point: point, Change: repository.Hold, By: "pruner", Reason: "audit", Time: time.Now()}
	if !held {
		s.Change = repository.Unhold
	}
	if _, err := p.Record(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	planned, err := p.PlanObjectHolds(t.Context(), point, held)
	if err != nil {
		t.Fatal(err)
	}
	done, err := p.SetObjectHolds(t.Context(), point, held, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if done.Files != planned.Files || done.Needed != planned.Needed || done.Requests != planned.Requests || done.Requests != 2*done.Files {
		t.Errorf("done %+v, planned %+v", done, planned)
	}
	return done
}

// Whatever is held and let go in whatever order: held is what the points need that are
// held, and nothing else.
func TestHoldsAreCounted(t *testing.T) {
	store := newHoldable()
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 4)
	p := holder(t, f, store)
	needs := map[string][]string{}
	for _, id := range ids {
		decideHold(t, p, id, true)
		needs[id] = store.holds()
		for _, part := range []string{"points/" + id + "/manifest.json", "points/" + id + "/manifest.json.minisig", "points/" + id + "/main/", "packs/", "index/", "keys/", "repository/"} {
			if !slices.ContainsFunc(needs[id], func(name string) bool { return strings.HasPrefix(name, part) }) {
				t.Errorf("nothing is held of %s", part)
			}
		}
		if done := decideHold(t, p, id, false); len(store.holds()) > 0 || done.Needed != 0 {
			t.Fatalf("held after all: %v", store.holds())
		}
	}
	const seed = 7
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, seed))
	held := map[string]bool{}
	for range 25 {
		id := ids[chance.IntN(len(ids))]
		held[id] = !held[id]
		decideHold(t, p, id, held[id])
		want := map[string]bool{}
		for other, is := range held {
			for _, name := range needs[other] {
				if is {
					want[name] = true
				}
			}
		}
		if got := store.holds(); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%v are held, and of the files %v", held, got)
		}
	}
}

// The record stays where the right to hold files is lacking, and the files follow when
// it is repeated.
func TestHoldWithoutTheRight(t *testing.T) {
	store := newHoldable()
	store.why = storage.ErrDenied
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 2)
	p := holder(t, f, store)
	if _, err := p.Record(t.Context(), repository.State{Point: ids[0], Change: repository.Hold, By: "pruner", Reason: "audit", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	_, err := p.SetObjectHolds(t.Context(), ids[0], true, progress.Discard)
	requireKind(t, err, fault.Usage)
	if point := listing(t, f).Points[0]; point.Held == nil {
		t.Error("the record of the hold is gone")
	}
	store.why = nil
	if done, err := p.SetObjectHolds(t.Context(), ids[0], true, progress.Discard); err != nil || done.Changed != done.Files || done.Files == 0 {
		t.Errorf("done %+v, %v", done, err)
	}

	f = repotest.Over(t, repotest.NewMemory())
	_, err = holder(t, f, repotest.NewMemory()).SetObjectHolds(t.Context(), ids[0], true, progress.Discard)
	requireKind(t, err, fault.Usage) // no storage of that kind
}

// What another held point needs and cannot be found out is not let go.
func TestNothingIsLetGoThatNobodyKnowsOf(t *testing.T) {
	store := newHoldable()
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 2)
	p := holder(t, f, store)
	decideHold(t, p, ids[0], true)
	decideHold(t, p, ids[1], true)
	before := store.holds()
	for _, name := range store.Names() {
		if strings.HasPrefix(name, "points/"+ids[1]+"/") && strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, "manifest.json") {
			store.Damage(name, []byte("{}"))
		}
	}
	_, err := p.SetObjectHolds(t.Context(), ids[0], false, progress.Discard)
	requireKind(t, err, fault.Refused)
	if got := store.holds(); !slices.Equal(got, before) {
		t.Errorf("held are %v of %v", got, before)
	}
}

// A hold that has ended by its date holds no sweep up; what somebody else holds does.
func TestSweepLetsGoOfWhatNothingNeeds(t *testing.T) {
	store := newHoldable()
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 3)
	p := holder(t, f, store)
	decideHold(t, p, ids[0], true)
	// What a date does, the record does here, and the files know nothing of it.
	if _, err := p.Record(t.Context(), repository.State{Point: ids[0], Change: repository.Unhold, By: "pruner", Reason: "audit", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	forget(t, f, store, ids[0])
	foreign := "points/" + ids[0] + "/manifest.json"
	store.held[foreign], store.foreign[foreign] = false, true
	if got, err := p.Sweep(t.Context(), ids[:1], progress.Discard); err != nil || got.Protected != 1 || len(got.Points) != 0 {
		t.Fatalf("swept %+v, %v", got, err)
	}
	requireWhole(t, f, ids...)
	store.foreign[foreign] = false
	if got, err := p.Sweep(t.Context(), ids[:1], progress.Discard); err != nil || got.Protected != 0 || !slices.Equal(got.Points, ids[:1]) {
		t.Fatalf("swept %+v, %v", got, err)
	}
	requireWhole(t, f, ids[1:]...)
	requireFindings(t, audit(t, store, f.Trust))
}
