package restore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/restore"
)

// A storage goes wrong at every single call of a small backup and of a small
// restore, in every way. Invariants 1, 2 and 3: each run either ends well with
// an equal result, or fails with exit 1 or 3 and leaves no point.

var faults = []faulty.Fault{faulty.Fail, faulty.FailAfter, faulty.Truncate, faulty.Flip}

func TestBackupOverStorageThatFails(t *testing.T) {
	hits := tally{counts: map[string]int{}}
	base := newBase(t)
	t.Run("each", func(t *testing.T) {
		for _, fault := range faults {
			t.Run(string(fault), func(t *testing.T) {
				t.Parallel()
				for at := 1; at > 0; {
					at = backupWithFault(t, base, fault, at, &hits)
				}
			})
		}
	})
	hits.requirePhases(t, "record", "lease", "start", "key", "table", "details", "pack", "index", "packs list", "bucket list", "signature", "manifest")
}

func TestRestoreOverStorageThatFails(t *testing.T) {
	hits := tally{counts: map[string]int{}}
	base := newBase(t)
	t.Run("each", func(t *testing.T) {
		for _, fault := range faults {
			t.Run(string(fault), func(t *testing.T) {
				t.Parallel()
				for at := 1; at > 0; {
					at = restoreWithFault(t, base, fault, at, &hits)
				}
			})
		}
	})
	hits.requirePhases(t, "record", "key", "table", "pack", "index", "packs list", "bucket list", "signature", "manifest")
}

// backupWithFault takes a second point of a changed source while the storage
// goes wrong at call number at, and returns the next call to try; 0 at the end.
func backupWithFault(t *testing.T, base *base, kind faulty.Fault, at int, hits *tally) (next int) {
	synctest.Test(t, func(t *testing.T) {
		f, memory := base.copy()
		counted := len(points(t, f))
		changed := small()
		changed.Objects["a/b"] = "changed"
		store := faulty.New(memory, faulty.Plan{Fault: kind, At: at})
		f.Store = store
		result, err := backUp(t.Context(), f, changed)
		f.Store = memory
		if next = hits.take(store); next == 0 {
			return
		}
		where := fmt.Sprintf("%s (%v)", kind, store.Hits())
		if err != nil {
			requireExit(t, where, err)
			if got := len(points(t, f)); got != counted {
				t.Errorf("%s: failed with %v and left a point", where, err)
			}
		} else {
			requireWhole(t, f, where, result.Point, changed)
		}
		if _, err := backUp(t.Context(), f, changed); err != nil {
			t.Errorf("%s: the next run fails: %v", where, err)
		}
	})
	return next
}

func restoreWithFault(t *testing.T, base *base, kind faulty.Fault, at int, hits *tally) (next int) {
	synctest.Test(t, func(t *testing.T) {
		f, memory := base.copy()
		store := faulty.New(memory, faulty.Plan{Fault: kind, At: at})
		f.Store = store
		target := &repotest.Sample{Name: "main"}
		result, err := bringBack(t.Context(), f, "latest", target)
		if next = hits.take(store); next == 0 {
			return
		}
		where := fmt.Sprintf("%s (%v)", kind, store.Hits())
		if err != nil {
			requireExit(t, where, err)
			return
		}
		if !result.Equal {
			t.Errorf("%s: reported as done and not equal", where)
		}
		requireEqual(t, where, target, small())
	})
	return next
}

// base is a repository with one point, made once on the clock of a bubble: all
// bubbles begin at the same moment.
type base struct {
	fixture repotest.Fixture
	memory  *repotest.Memory
}

func newBase(t *testing.T, beside ...*repotest.Sample) *base {
	t.Helper()
	b := &base{memory: repotest.NewMemory()}
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, b.memory)
		mustBackUp(t, f, append(beside, small())...)
		b.fixture = *f
	})
	return b
}

// copy returns a copy of its own, a minute later.
func (b *base) copy() (*repotest.Fixture, *repotest.Memory) {
	time.Sleep(time.Minute)
	f, memory := b.fixture, b.memory.Clone()
	f.Store = memory
	return &f, memory
}

func small() *repotest.Sample {
	return &repotest.Sample{
		Name: "main", Entries: 2,
		Tables:  map[string]string{"openIM_v3/users": "1\tAnn\n2\tBob\n"},
		Objects: map[string]string{"a/b": "one", "a-c": strings.Repeat("two", 1000), "d": "three", "empty": ""},
	}
}

// backUp opens the repository and takes one point, as the command does.
func backUp(ctx context.Context, f *repotest.Fixture, sources ...*repotest.Sample) (*backup.Result, error) {
	return backUpTo(ctx, f, "manual", sources...)
}

func backUpTo(ctx context.Context, f *repotest.Fixture, stream string, sources ...*repotest.Sample) (*backup.Result, error) {
	w, err := repository.OpenWriter(ctx, f.Store, f.WriterOptions())
	if err != nil {
		return nil, err
	}
	o := backup.Options{Instance: repotest.Instance, Stream: stream, Show: progress.Discard, Log: slog.New(slog.DiscardHandler)}
	for _, s := range sources {
		o.Sources = append(o.Sources, backup.Source{Name: s.Name, Kind: repotest.SampleKind, FormatVersion: 1, Capturer: s})
	}
	return backup.Run(ctx, w, o)
}

func mustBackUp(t *testing.T, f *repotest.Fixture, sources ...*repotest.Sample) string {
	t.Helper()
	return mustBackUpTo(t, f, "manual", sources...)
}

func mustBackUpTo(t *testing.T, f *repotest.Fixture, stream string, sources ...*repotest.Sample) string {
	t.Helper()
	result, err := backUpTo(t.Context(), f, stream, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return result.Point
}

// request asks for everything that targets can take.
func request(f *repotest.Fixture, point string, targets ...*repotest.Sample) restore.Request {
	r := restore.Request{
		Choice: restore.Choice{Point: point}, Instance: repotest.Instance, Identities: []seal.Identity{f.Operator},
		Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
	}
	for _, s := range targets {
		r.Sources = append(r.Sources, restore.Source{Name: s.Name, Kind: repotest.SampleKind, Restorer: s})
	}
	return r
}

// bringBack opens the repository and restores, as the command does.
func bringBack(ctx context.Context, f *repotest.Fixture, point string, targets ...*repotest.Sample) (*restore.Result, error) {
	repo, err := repository.Open(ctx, f.Store, repository.Options{Trust: f.Trust})
	if err != nil {
		return nil, err
	}
	plan, err := restore.MakePlan(ctx, repo, request(f, point, targets...))
	if err != nil {
		return nil, err
	}
	return plan.Carry(ctx)
}

// points lists those that count.
func points(t *testing.T, f *repotest.Fixture) []*repository.Point {
	t.Helper()
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(listing.Points, func(p *repository.Point) bool { return !p.Eligible() })
}

func requireExit(t *testing.T, where string, err error) {
	t.Helper()
	if code := fault.KindOf(err).ExitCode(); code != 1 && code != 3 {
		t.Errorf("%s: exit %d, want 1 or 3: %v", where, code, err)
	}
}

// requireWhole verifies every file of a point and brings it back.
func requireWhole(t *testing.T, f *repotest.Fixture, where, id string, want *repotest.Sample) {
	t.Helper()
	repo := f.Open(t)
	listing, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point, err := listing.Find(id)
	if err != nil || !point.Eligible() {
		t.Fatalf("%s: point %s does not count: %v", where, id, err)
	}
	statuses, err := repo.Verify(t.Context(), point)
	if err := errors.Join(err, repository.RequireIntact(id, statuses)); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	target := &repotest.Sample{Name: "main"}
	if _, err := bringBack(t.Context(), f, id, target); err != nil {
		t.Errorf("%s: restore: %v", where, err)
	}
	requireEqual(t, where, target, want)
}

func requireEqual(t *testing.T, where string, got, want *repotest.Sample) {
	t.Helper()
	if diff := cmp.Diff(want.Tables, got.Tables) + cmp.Diff(want.Objects, got.Objects); diff != "" {
		t.Errorf("%s: what came back differs: %s", where, diff)
	}
}

// tally counts the calls that were hit, by what they do and to what. It is safe
// for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

// take counts the call that was hit, and returns the number of the one after
// it; 0 where the fault came too late for any call.
func (h *tally) take(store *faulty.Store) (next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range store.Hits() {
		h.counts[phase(c.Name)+": "+string(c.Kind)]++
		next = c.N + 1
	}
	return next
}

func phase(name string) string {
	switch {
	case strings.HasPrefix(name, "points/") && strings.HasSuffix(name, ".minisig"):
		return "signature"
	case strings.HasSuffix(name, "manifest.json"):
		return "manifest"
	case strings.HasSuffix(name, "media.json"):
		return "bucket list"
	case strings.HasSuffix(name, "details.jsonl.zst.age"):
		return "details"
	case strings.HasSuffix(name, ".packs.json"):
		return "packs list"
	}
	top, _, _ := strings.Cut(name, "/")
	return map[string]string{
		"repository": "record", "runs": "start", "keys": "key", "points": "table", "index": "index",
		"packs": "pack", "state": "state", "leases": "lease",
	}[top]
}

// requirePhases fails unless every phase was hit, and prints the summary.
func (h *tally) requirePhases(t *testing.T, phases ...string) {
	t.Helper()
	total := 0
	for _, key := range slices.Sorted(maps.Keys(h.counts)) {
		t.Logf("%5d × %s", h.counts[key], key)
		total += h.counts[key]
	}
	t.Logf("%5d faults in all", total)
	for _, phase := range phases {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(h.counts)), func(key string) bool { return strings.HasPrefix(key, phase+":") }) {
			t.Errorf("no fault hit the phase %q", phase)
		}
	}
}
