package repository_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

func sweepOptions(f *repotest.Fixture, points ...string) repository.SweepOptions {
	return repository.SweepOptions{
		Options: repository.Options{Trust: f.Trust}, Instance: repotest.Instance, Tool: "test", By: "pruner", Points: points, Show: progress.Discard,
	}
}

// forget records that points are forgotten.
func forget(t *testing.T, f *repotest.Fixture, m storage.ReadWriter, points ...string) {
	t.Helper()
	for _, id := range points {
		if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{Point: id, Change: repository.Forget, By: "pruner", Reason: "old", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

func mustSweep(t *testing.T, f *repotest.Fixture, store storage.Storage, points ...string) *repository.SweepResult {
	t.Helper()
	result, err := repository.Sweep(t.Context(), store, f.Signer, sweepOptions(f, points...))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// samples differ in what they hold, so that later points need packs of earlier ones
// and some of their own.
func sampleNumber(n int) *repotest.Sample {
	s := sample()
	s.Objects = maps.Clone(s.Objects)
	s.Objects["only"] = strings.Repeat(string(rune('a'+n)), 100)
	return s
}

// requireWhole reads all that every point needs which is there.
func requireWhole(t *testing.T, f *repotest.Fixture, want ...string) {
	t.Helper()
	repo := f.Open(t)
	var ids []string
	for _, p := range listing(t, f).Points {
		ids = append(ids, p.Point)
		statuses, err := repo.Verify(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statuses {
			if s.Damage != repository.Intact {
				t.Errorf("point %s: %s is %s", p.Point, s.Path, s.Damage)
			}
		}
		if err := repo.Unlock(p, []seal.Identity{f.Operator})[0].CheckKeys(t.Context()); err != nil {
			t.Errorf("point %s: %v", p.Point, err)
		}
	}
	if want != nil && !slices.Equal(ids, want) {
		t.Errorf("there are points %v, want %v", ids, want)
	}
}

// harmless removes findings of what no point needs: a crash leaves that.
func harmless(found []repository.Finding) []repository.Finding {
	return slices.DeleteFunc(found, func(f repository.Finding) bool { return f.Kind == repository.Unreferenced })
}

func takePoints(t *testing.T, w *repository.Writer, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, mustTake(t, w, "manual", sampleNumber(i)).Point)
	}
	return ids
}

func TestSweepDeletesWhatNothingNeeds(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 3)
	forget(t, f, m, ids[:2]...)
	plan, err := repository.PlanSweep(t.Context(), m, sweepOptions(f, ids[:2]...))
	if err != nil {
		t.Fatal(err)
	}
	before := len(m.Names())
	result := mustSweep(t, f, m, ids[:2]...)
	if result.Files != plan.Files || result.Bytes != plan.Bytes || !slices.Equal(result.Points, ids[:2]) {
		t.Errorf("swept %+v, planned %+v", result, plan)
	}
	// Two records of sweeping and an entry of the log have come, each with its signature.
	if after := len(m.Names()); int64(before-after+6) != result.Files {
		t.Errorf("%d files before and %d after, and %d deleted", before, after, result.Files)
	}
	for _, name := range m.Names() {
		if !strings.HasPrefix(name, "state/") && (strings.Contains(name, ids[0]) || strings.Contains(name, ids[1])) {
			t.Errorf("%s is left", name)
		}
	}
	requireWhole(t, f, ids[2])
	requireFindings(t, audit(t, m, f.Trust))
	if again := mustSweep(t, f, m); again.Files != 0 {
		t.Errorf("a second sweep deletes %+v", again)
	}
}

// Wherever a sweep is cut off, what is kept stays whole, and the next sweep
// completes it.
func TestSweepThatIsInterrupted(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 4)
	forget(t, f, m, ids[0], ids[2])
	whole := m.Clone()
	counting := faulty.New(m.Clone(), faulty.Plan{})
	mustSweep(t, f, counting, ids[0], ids[2])
	hit := map[faulty.Kind]int{}
	for at := range counting.Calls() {
		here := whole.Clone()
		f.Store = here
		broken := faulty.New(here, faulty.Plan{Fault: faulty.Fail, At: at + 1, Times: -1, Err: syscall.EROFS})
		if _, err := repository.Sweep(t.Context(), broken, f.Signer, sweepOptions(f, ids[0], ids[2])); err == nil {
			t.Fatalf("call %d fails, and the sweep says that it is done", at+1)
		}
		hit[broken.Hits()[0].Kind]++
		requireFindings(t, harmless(audit(t, here, f.Trust)))
		mustSweep(t, f, here, ids[0], ids[2])
		requireWhole(t, f, ids[1], ids[3])
		requireFindings(t, harmless(audit(t, here, f.Trust)))
		if t.Failed() {
			t.Fatalf("after call %d (%s)", at+1, broken.Hits()[0].Kind)
		}
	}
	for _, kind := range []faulty.Kind{faulty.List, faulty.Open, faulty.Commit, faulty.Delete} {
		if hit[kind] == 0 {
			t.Errorf("no %s was interrupted: %v", kind, hit)
		}
	}
}

// A writer that stops before any of its steps, and wakes when what it builds on has
// been forgotten and swept, either ends with an error or makes a point that is
// whole.
func TestSweepWhileAWriterIsSuspended(t *testing.T) {
	run := func(t *testing.T, at int) (calls int, ended error) {
		f, m := newFixture(t)
		ids := takePoints(t, f.Writer(t), 2)
		suspended := faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
			if c.N != at {
				return
			}
			// Meanwhile its lease was taken over, as far as anybody can see.
			mustTake(t, f.Writer(t), "nightly", sampleNumber(7))
			forget(t, f, m, ids...)
			free(t, m)
			mustSweep(t, f, m, ids...)
			requireWhole(t, f)
		}})
		o := f.WriterOptions()
		w, err := repository.OpenWriter(t.Context(), suspended, o)
		if err == nil {
			_, err = take(t.Context(), w, repotest.Instance, "manual", sampleNumber(8))
		}
		requireWhole(t, f)
		requireFindings(t, harmless(audit(t, m, f.Trust)))
		return len(suspended.Calls()), err
	}
	calls, err := run(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	ended, failed, step := 0, 0, 8
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		step = 1
	}
	first := rand.IntN(step)
	t.Logf("woken at every %d. of %d calls, from number %d on", step, calls, first+1)
	for at := first; at < calls; at += step {
		_, err := run(t, at+1)
		if err != nil {
			failed++
		} else {
			ended++
		}
		if t.Failed() {
			t.Fatalf("woken at call %d of %d: %v", at+1, calls, err)
		}
	}
	if ended == 0 || failed == 0 {
		t.Errorf("%d runs ended well and %d did not, want some of both", ended, failed)
	}
}

// free gives every lease back that is held.
func free(t *testing.T, m *repotest.Memory) {
	t.Helper()
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "leases/") && strings.Contains(name, "@manual/") {
			m.Damage(name, nil)
		}
	}
}

// A run that was suspended before anybody could see it, and wakes when another has
// taken a point of its stream, gives up: it would be a second one after the same.
func TestRunThatWasOvertakenBeforeItsStart(t *testing.T) {
	f, m := newFixture(t)
	takePoints(t, f.Writer(t), 1)
	overtaken := faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
		if c.Kind == faulty.Create && strings.HasPrefix(c.Name, "runs/") {
			mustTake(t, f.Writer(t), "manual", sample())
		}
	}})
	w, err := repository.OpenWriter(t.Context(), overtaken, f.WriterOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Begin(t.Context(), "manual", []string{"main"})
	requireKind(t, err, fault.Busy)
}

// What a live run builds on waits, and nothing that it has written goes.
func TestSweepLeavesWhatALiveRunNeeds(t *testing.T) {
	f, m := newFixture(t)
	f.LeaseLength = time.Second // is renewed so often that an observer sees it soon
	w := f.Writer(t)
	ids := takePoints(t, w, 2)
	ctx, lease, err := w.Acquire(t.Context(), repository.StreamLease(repotest.Instance, "manual"))
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	draft, err := w.Begin(ctx, "manual", []string{"main"})
	if err != nil {
		t.Fatal(err)
	}
	s := sampleNumber(3)
	if err := s.Capture(ctx, draft.Source(s.Name, repotest.SampleKind, 1), progress.Discard); err != nil {
		t.Fatal(err)
	}
	forget(t, f, m, ids...)
	plan, err := repository.PlanSweep(t.Context(), m, sweepOptions(f, ids...))
	if err != nil || !slices.Equal(plan.Waiting, ids[1:]) || !slices.Equal(plan.Points, ids[:1]) {
		t.Errorf("planned %+v, %v: want that %s waits", plan, err, ids[1])
	}
	result, err := repository.Sweep(t.Context(), m, f.Signer, sweepOptions(f, ids...))
	if err != nil || !slices.Equal(result.Points, ids[:1]) {
		t.Errorf("swept %+v, %v: want %s alone", result, err, ids[0])
	}
	made, err := draft.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	requireWhole(t, f, ids[1], made.Point)
	requireFindings(t, harmless(audit(t, m, f.Trust)))
}

// Two sweeps at once take nothing from each other.
func TestTwoSweepsAtOnce(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 4)
	forget(t, f, m, ids[:3]...)
	var sweeps sync.WaitGroup
	for range 2 {
		sweeps.Go(func() {
			_, err := repository.Sweep(t.Context(), m, f.Signer, sweepOptions(f, ids[:3]...))
			if err != nil && fault.KindOf(err) != fault.Busy {
				t.Errorf("sweep beside another: %v", err)
			}
		})
	}
	sweeps.Wait()
	mustSweep(t, f, m, slices.DeleteFunc(ids[:3:3], func(id string) bool {
		return !slices.ContainsFunc(listing(t, f).Points, func(p *repository.Point) bool { return p.Point == id })
	})...)
	requireWhole(t, f, ids[3])
	requireFindings(t, audit(t, m, f.Trust))
}

// A stream whose last point was swept goes on with the next number.
func TestStreamGoesOnAfterItsHeadWasSwept(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	ids := takePoints(t, w, 2)
	kept := mustTake(t, w, "nightly", sample())
	forget(t, f, m, ids...)
	mustSweep(t, f, m, ids...)
	next := mustTake(t, w, "manual", sample())
	if next.Seq != 3 || next.Previous == nil || next.Previous.Point != ids[1] {
		t.Errorf("the point after is number %d, after %+v; want number 3 after %s", next.Seq, next.Previous, ids[1])
	}
	requireWhole(t, f, kept.Point, next.Point)
	requireFindings(t, audit(t, m, f.Trust))
}

func TestSweepIsRefused(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, ids []string)
		kind  fault.Kind
	}{
		"a point that is not forgotten": {func(*testing.T, *repotest.Fixture, *repotest.Memory, []string) {}, fault.Refused},
		"a held point": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, ids []string) {
			forget(t, f, m, ids[0])
			if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{Point: ids[0], Change: repository.Hold, By: "alice", Reason: "audit", Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}, fault.Refused},
		"a kept point whose list of a bucket is damaged": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, ids []string) {
			forget(t, f, m, ids[0])
			for _, file := range point(t, f, ids[1]).Files {
				if strings.HasSuffix(file.Path, ".json") {
					m.Damage(file.Path, []byte("{}"))
				}
			}
		}, fault.Refused},
		"a kept point whose manifest is damaged": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, ids []string) {
			forget(t, f, m, ids[0])
			m.Damage("points/"+ids[1]+"/manifest.json", []byte("{"))
		}, fault.Refused},
		"no right to delete": {func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, ids []string) {
			forget(t, f, m, ids[0])
		}, fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			ids := takePoints(t, f.Writer(t), 3)
			tt.spoil(t, f, m, ids)
			before := len(m.Names())
			var store storage.Storage = m
			if tt.kind == fault.Usage {
				store = undeletable{m, storage.ErrDenied}
			}
			_, err := repository.Sweep(t.Context(), store, f.Signer, sweepOptions(f, ids[0]))
			requireKind(t, err, tt.kind)
			if after := len(m.Names()); after < before {
				t.Errorf("%d files are left of %d", after, before)
			}
		})
	}
}

// What the storage's own retention keeps stays whole, and is swept when that ends.
func TestSweepWhereDeletionIsForbidden(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 2)
	forget(t, f, m, ids[0])
	result, err := repository.Sweep(t.Context(), undeletable{m, storage.ErrProtected}, f.Signer, sweepOptions(f, ids[0]))
	if err != nil || result.Protected == 0 || len(result.Points) > 0 {
		t.Errorf("%+v, %v: want the files reported that the storage keeps", result, err)
	}
	requireWhole(t, f, ids...)
	requireFindings(t, audit(t, m, f.Trust))
	mustSweep(t, f, m, ids[0])
	requireWhole(t, f, ids[1])
}

// Terms of leases that are not the newest go when they are old, and so does what a
// crash has left of an entry of the log.
func TestSweepClearsOldTerms(t *testing.T) {
	f, m := newFixture(t)
	takePoints(t, f.Writer(t), 2)
	m.Plant("log/20261101T000000Z-abcd.json.minisig", []byte("x"))
	var old []string
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "leases/") || strings.HasPrefix(name, "log/") {
			old = append(old, name)
		}
	}
	newest := old[len(old)-2] // before the log
	mustSweep(t, f, m)
	if names := m.Names(); !slices.Contains(names, old[0]) {
		t.Errorf("a young term is gone")
	}
	for _, name := range old {
		m.Age(name, -24*8)
	}
	mustSweep(t, f, m)
	for _, name := range old {
		if here := slices.Contains(m.Names(), name); here != (name == newest) {
			t.Errorf("%s is there: %v, want the newest term alone", name, here)
		}
	}
	mustTake(t, f.Writer(t), "manual", sample())
}
