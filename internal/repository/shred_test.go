package repository_test

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// shred plans and carries out.
func shred(t *testing.T, f *repotest.Fixture, store storage.Storage, id string) (*repository.ShredResult, error) {
	t.Helper()
	repo, err := repository.Open(t.Context(), store, repository.Options{Trust: f.Trust})
	if err != nil {
		return nil, err
	}
	listing, err := repo.List(t.Context())
	if err != nil {
		return nil, err
	}
	p, err := listing.Find(id)
	if err != nil {
		return nil, err
	}
	plan, err := repository.PlanShred(t.Context(), repo, listing, p)
	if err != nil {
		return nil, err
	}
	return repository.ShredPoint(t.Context(), store, store, repo, f.Signer, plan, "ops", "erasure", time.Now())
}

func readsTable(t *testing.T, f *repotest.Fixture, id string) bool {
	t.Helper()
	return readTable(t, f.Open(t).Unlock(point(t, f, id), []seal.Identity{f.Operator})[0]) == nil
}

func TestShredDestroysOnePointAndNoOther(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first, second := mustTake(t, w, "manual", sample()), mustTake(t, w, "manual", sample())
	result, err := shred(t, f, m, first.Point)
	if err != nil {
		t.Fatal(err)
	}
	if result.Removed != 1 || len(result.Kept) != 1 || !slices.Equal(result.Kept[0].Points, []string{second.Point}) {
		t.Errorf("%+v: want the point key gone, and the packs' kept for the other point", result)
	}
	if readsTable(t, f, first.Point) || !readsTable(t, f, second.Point) {
		t.Error("the point is still readable, or the other one is not")
	}
	p := point(t, f, first.Point)
	if p.Eligible() || p.Shredded == nil || p.Shredded.By != "ops" || p.Shredded.Reason != "erasure" {
		t.Errorf("it still counts, or nobody knows who did it: %+v", p.Shredded)
	}
	// The last one that needs the packs takes their key along.
	if _, err := shred(t, f, m, second.Point); err != nil {
		t.Fatal(err)
	}
	if left := wrapsFor(m, f.Operator); len(left) != 1 || !strings.HasPrefix(left[0], "repository/") {
		t.Errorf("wraps are left: %v", left)
	}
}

// Interrupted at any call the point is whole and counts, or the record says what
// became of it; and the same again completes it.
func TestShredThatIsInterrupted(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	whole := m.Clone()
	counting := faulty.New(m.Clone(), faulty.Plan{})
	if _, err := shred(t, f, counting, id); err != nil {
		t.Fatal(err)
	}
	deletions := 0
	for at, call := range counting.Calls() {
		here := whole.Clone()
		f.Store = here
		if _, err := shred(t, f, faulty.New(here, faulty.Plan{Fault: faulty.Fail, At: at + 1, Times: -1, Err: syscall.EROFS}), id); err == nil {
			t.Fatalf("call %d fails, and the point is said to be shredded", at+1)
		}
		if call.Kind == faulty.Delete {
			deletions++
		}
		if p := point(t, f, id); p.Shredded == nil && !readsTable(t, f, id) {
			t.Fatalf("after call %d the keys are gone, and no record says why", at+1)
		}
		if _, err := shred(t, f, here, id); err != nil {
			t.Fatalf("again after call %d: %v", at+1, err)
		}
		if readsTable(t, f, id) || len(wrapsFor(here, f.Operator)) != 1 {
			t.Fatalf("again after call %d: it is not complete", at+1)
		}
	}
	if deletions < 2 {
		t.Errorf("%d deletions were interrupted", deletions)
	}
}

func TestShredIsRefused(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	held, other := mustTake(t, w, "manual", sample()).Point, mustTake(t, w, "manual", sample()).Point
	s := repository.State{Point: held, Change: repository.Hold, By: "auditor", Reason: "case 7", Time: time.Now()}
	if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, s); err != nil {
		t.Fatal(err)
	}
	_, err := shred(t, f, m, held)
	requireKind(t, err, fault.Refused)
	if !strings.Contains(err.Error(), "it is held by auditor: case 7") || !readsTable(t, f, held) {
		t.Errorf("%v", err)
	}
	for want, kind := range map[error]fault.Kind{storage.ErrProtected: fault.Failed, storage.ErrDenied: fault.Usage} {
		_, err := shred(t, f, undeletable{m, want}, other)
		requireKind(t, err, kind)
		if !strings.Contains(err.Error(), "can still read it") {
			t.Errorf("%v", err)
		}
	}
}

// A run that is on its way may yet need what it shares with the point.
func TestShredKeepsThePacksOfARunThatHasNotEnded(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	id := mustTake(t, w, "manual", sample()).Point
	run := begin(t, w, "manual")
	result, err := shred(t, f, m, id)
	if err != nil || len(result.Kept) != 1 || !slices.Equal(result.Kept[0].Runs, []string{run.Point()}) {
		t.Fatalf("%+v, %v: want the packs' key kept for run %s", result, err, run.Point())
	}
	second := mustTake(t, w, "manual", sample()).Point // and no run goes on with that one any more
	if _, err := shred(t, f, m, id); err != nil {
		t.Fatal(err)
	}
	if !readsTable(t, f, second) {
		t.Error("the later point is not readable")
	}
}

// Format 1 was made before anybody shredded: what a reader does not know of a
// point's states it takes for nothing.
func TestUnknownChangeOfAStateIsNothing(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	for _, change := range []repository.Change{repository.Hold, "melt"} {
		s := repository.State{Point: id, Change: change, Time: time.Now()}
		if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, s); err != nil {
			t.Fatal(err)
		}
	}
	if p := point(t, f, id); p.Held == nil || !p.Eligible() {
		t.Errorf("held %v, eligible %v", p.Held, p.Eligible())
	}
}

// retaining is a storage that keeps every object until some time.
type retaining struct {
	undeletable
	until time.Time
}

func (r retaining) Stat(ctx context.Context, name string) (storage.Info, error) {
	info, err := r.Storage.Stat(ctx, name)
	info.RetainedUntil = r.until
	return info, err
}

// The plan says how long the storage keeps what is to be destroyed, and so does the
// failure that comes of it.
func TestShredSaysHowLongTheStorageKeepsTheKeys(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	mustTake(t, f.Writer(t), "manual", sample())
	planned := func(store storage.Storage) *repository.ShredPlan {
		repo, err := repository.Open(t.Context(), store, repository.Options{Trust: f.Trust})
		if err != nil {
			t.Fatal(err)
		}
		all := listing(t, f)
		p, err := all.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := repository.PlanShred(t.Context(), repo, all, p)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	if plan := planned(m); plan.RetainedUntil != nil {
		t.Errorf("a storage without retention keeps it until %s", plan.RetainedUntil)
	}
	if plan := planned(retaining{undeletable{m, storage.ErrProtected}, time.Now().Add(-time.Hour)}); plan.RetainedUntil != nil {
		t.Errorf("a retention that has ended keeps it until %s", plan.RetainedUntil)
	}
	kept := retaining{undeletable{m, storage.ErrProtected}, time.Now().Add(30 * 24 * time.Hour)}
	if plan := planned(kept); plan.RetainedUntil == nil || !plan.RetainedUntil.Equal(kept.until) {
		t.Errorf("kept until %v, want %s", plan.RetainedUntil, kept.until)
	}
	_, err := shred(t, f, kept, id)
	requireKind(t, err, fault.Failed)
	if e, _ := fault.Outermost(err); !strings.Contains(e.Try, kept.until.UTC().Format(time.RFC3339)) {
		t.Errorf("the hint gives no date: %s", e.Try)
	}
}
