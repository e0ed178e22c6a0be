package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// createOnly is a bucket under a retention policy whose writer may create, read
// and do nothing else.
type createOnly struct {
	*repotest.Memory
	t *testing.T
}

func (c *createOnly) Delete(_ context.Context, seen storage.Info) error {
	c.t.Errorf("%s is deleted", seen.Name)
	return storage.ErrDenied
}

func (c *createOnly) Create(ctx context.Context, name string) (storage.Upload, error) {
	u, err := c.Memory.Create(ctx, name)
	return &createOnlyUpload{Upload: u, of: c, name: name}, err
}

type createOnlyUpload struct {
	storage.Upload
	of   *createOnly
	name string
}

func (u *createOnlyUpload) Commit() (storage.Info, error) {
	info, err := u.Upload.Commit()
	if errors.Is(err, storage.ErrExist) {
		u.of.t.Errorf("%s is written twice, with different content", u.name)
	}
	return info, err
}

// Invariant 10: nothing is ever overwritten.
func TestAWholeRunOnlyCreates(t *testing.T) {
	memory := repotest.NewMemory()
	f := repotest.Over(t, &createOnly{memory, t})
	w := f.Writer(t)
	before := map[string][]byte{}
	for i := range 3 {
		begin(t, w, "manual") // killed
		s := sample()
		s.Objects["a/b"] = fmt.Sprint("changed ", i)
		requireRestores(t, f, mustTake(t, w, "manual", s).Point, s)
		for name, content := range before {
			if !bytes.Equal(memory.Content(name), content) {
				t.Errorf("%s was changed or removed by a later run", name)
			}
		}
		for _, name := range memory.Names() {
			before[name] = memory.Content(name)
		}
	}
}

// What people decide about points, drills, checks and plans of a prune only create,
// too: whoever may not delete can do all of it.
func TestEverythingButSweepingOnlyCreates(t *testing.T) {
	memory := repotest.NewMemory()
	memory.Plant(repository.ProbeDir+strings.Repeat("a", 26)+"/turn", []byte("first")) // left by who tried the storage
	store := &createOnly{memory, t}
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 3)
	point := listing(t, f).Points[1]
	f.AppendProof(t, repotest.Proof(time.Now(), repotest.Taken(point, "main")))
	for _, change := range []repository.Change{repository.Hold, repository.Unhold, repository.Forget, repository.Undelete, repository.Forget} {
		s := repository.State{Point: ids[0], Change: change, By: "pruner", Reason: "audit", Time: time.Now()}
		if _, err := repository.AppendState(t.Context(), store, f.Open(t), f.Signer, s); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		if _, err := repository.AppendLog(t.Context(), store, f.Open(t), f.Signer, repository.LogEntry{
			Time: s.Time, By: s.By, Tool: "test", Action: repository.LogAction(change), Reason: s.Reason, Points: []string{s.Point},
		}); err != nil {
			t.Fatalf("log %s: %v", change, err)
		}
	}
	plan, err := repository.PlanSweep(t.Context(), store, sweepOptions(f, ids[0]))
	if err != nil || plan.Files == 0 {
		t.Errorf("planned %+v, %v", plan, err)
	}
	requireWhole(t, f, ids...)
	requireFindings(t, audit(t, store, f.Trust))
}

// refusing is a storage that lets nobody delete, for a reason.
type refusing struct {
	*repotest.Memory
	why error // nil: it does
}

func (r *refusing) Delete(ctx context.Context, seen storage.Info) error {
	_, err := r.Stat(ctx, seen.Name)
	there := !errors.Is(err, storage.ErrNotExist)
	// The right is judged first, a retention policy when the object was found.
	if r.why != nil && (there || errors.Is(r.why, storage.ErrDenied)) {
		return fmt.Errorf("delete %q: %w", seen.Name, r.why)
	}
	return r.Memory.Delete(ctx, seen)
}

// What a retention policy keeps is counted, is no error, and goes with a later sweep.
func TestSweepUnderARetentionPolicy(t *testing.T) {
	store := &refusing{repotest.NewMemory(), storage.ErrProtected}
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 3)
	forget(t, f, store, ids[:2]...)
	plan, err := repository.PlanSweep(t.Context(), store, sweepOptions(f, ids[:2]...))
	if err != nil {
		t.Fatal(err)
	}
	before := store.Names()
	for range 2 {
		if got := mustSweep(t, f, store, ids[:2]...); got.Files != 0 || len(got.Points) != 0 || got.Protected == 0 {
			t.Errorf("swept %+v", got)
		}
		for _, name := range before {
			if store.Content(name) == nil {
				t.Errorf("%s is gone", name)
			}
		}
		requireWhole(t, f, ids...)
		requireFindings(t, audit(t, store, f.Trust))
	}
	store.why = nil
	if got := mustSweep(t, f, store, ids[:2]...); got.Files != plan.Files || got.Protected != 0 {
		t.Errorf("when the policy has ended, swept %+v of %+v", got, plan)
	}
	requireWhole(t, f, ids[2])
	requireFindings(t, audit(t, store, f.Trust))
}

// Whoever may not delete does not begin: what is announced as being swept nobody can
// take back.
func TestSweepWithoutTheRightChangesNothing(t *testing.T) {
	store := &refusing{repotest.NewMemory(), storage.ErrDenied}
	f := repotest.Over(t, store)
	ids := takePoints(t, f.Writer(t), 2)
	begin(t, f.Writer(t), "manual") // killed
	forget(t, f, store, ids[0])
	before := store.Names()
	result, err := repository.Sweep(t.Context(), store, f.Signer, sweepOptions(f, ids[0]))
	requireKind(t, err, fault.Usage)
	if !errors.Is(err, storage.ErrDenied) || result.Files != 0 {
		t.Errorf("swept %+v, %v", result, err)
	}
	if after := store.Names(); !slices.Equal(before, after) {
		t.Errorf("it leaves\n%v\nof\n%v", after, before)
	}
}

// Invariant 4: plain files hold counts, codes and configured names.
func TestNoMarkerInThePlain(t *testing.T) {
	f := repotest.New(t)
	s := &repotest.Sample{
		Name:    "main",
		Tables:  map[string]string{"openIM_v3/users": "MARKER-ROW\tMARKER-VALUE\n" + strings.Repeat("MARKER-ROW", 100)},
		Objects: map[string]string{"MARKER-KEY/1": "MARKER-CONTENT", "MARKER-KEY/2": strings.Repeat("MARKER-CONTENT ", 1000)},
	}
	s.Gone = 1
	mustTake(t, f.Writer(t), "manual", s)
	repotest.RequireSealed(t, f.Dir(), []string{"MARKER", "AGE-SECRET-KEY", f.Operator.Secret(), "somebody"})
}
