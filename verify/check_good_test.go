package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/storage/gcs"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

const goodPoints = 50

// history is what some months leave: points of four streams that share much of
// their bucket, incomplete ones, runs that failed, and points that were swept.
func history(t *testing.T, store storage.Storage) (*repotest.Fixture, []string) {
	t.Helper()
	f := repotest.Over(t, store)
	w := f.Writer(t)
	streams := []string{"nightly", "hourly", "manual", "rollback"}
	samples := map[string]*repotest.Sample{}
	var points []string
	for i := range goodPoints {
		stream := streams[i%len(streams)]
		s := samples[stream]
		if s == nil {
			s = &repotest.Sample{Name: "of-" + stream, Tables: map[string]string{"a/b": "1\tone\n"}, Objects: map[string]string{}, Member: 10, Pack: 200}
			samples[stream] = s
		}
		s.Objects[fmt.Sprintf("key-%03d", i)] = strings.Repeat(fmt.Sprint(i), 1+i)
		s.Gone = int64(i % 7 / 6)
		if i%11 == 10 {
			fail(t, w, stream, s)
		}
		points = append(points, takePoint(t, w, stream, backup.Source{Name: s.Name, Kind: repotest.SampleKind, FormatVersion: 1, Capturer: s}))
	}
	return f, points
}

// fail begins a point that never is one.
func fail(t *testing.T, w *repository.Writer, stream string, s *repotest.Sample) {
	t.Helper()
	draft, err := w.Begin(t.Context(), stream, []string{s.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer draft.Abandon()
	if err := s.Capture(t.Context(), draft.Source(s.Name, repotest.SampleKind, 1), progress.Discard); err != nil {
		t.Fatal(err)
	}
}

// No good repository is suspected, neither as a whole nor point by point, and
// what failed runs have left is told from it. In the real emulator, whose
// listings have checksums.
func TestNoFalseAlarm(t *testing.T) {
	env := testbed.Need(t)
	t.Setenv("STORAGE_EMULATOR_HOST", env.StorageEmulatorHost)
	store, err := gcs.Open(t.Context(), env.NewGCSBucket(t), "good", gcs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f, points := history(t, store)
	for i, change := range []repository.Change{repository.Hold, repository.Forget, repository.Sweeping} {
		if _, err := repository.AppendState(t.Context(), store, f.Open(t), f.Signer, repository.State{
			Point: points[i], Change: change, By: "ops", Reason: "a test", Time: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, share := range []string{"", "1/30", "all"} {
		result, err := runCheck(t, store, f.Trust, share, "")
		if err != nil || result.Points != goodPoints || !result.Checksums {
			t.Fatalf("share %q: %d points, %v\n%s", share, result.Points, err, findingsText(result))
		}
		if result.Counts[repository.Unreferenced] == 0 || len(result.Counts) != 1 {
			t.Errorf("share %q: %v; four runs have failed", share, result.Counts)
		}
		if share == "all" && result.Read.Bytes < result.Bytes/2 {
			t.Errorf("%d of %d bytes were read", result.Read.Bytes, result.Bytes)
		}
	}
	for _, point := range points {
		result, err := runCheck(t, store, f.Trust, "", point)
		if err != nil || result.Points != 1 || len(result.Findings) > 0 {
			t.Errorf("point %s: %v\n%s", point, err, findingsText(result))
		}
	}
}

// A storage that fails is no damage, and no success either; bytes that change on
// their way once are neither. Whatever call it is.
func TestCheckOfAStorageThatFails(t *testing.T) {
	memory := repotest.NewMemory()
	f := repotest.Over(t, memory)
	w := f.Writer(t)
	for range 2 {
		takePoint(t, w, "manual", sampleSource("notes"))
	}
	if _, err := w.Begin(t.Context(), "nightly", nil); err != nil {
		t.Fatal(err)
	}
	counting := faulty.New(memory, faulty.Plan{})
	if _, err := runCheck(t, counting, f.Trust, "all", ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fault faulty.Fault
		exit  int
	}{{faulty.Fail, 1}, {faulty.Flip, 0}, {faulty.Truncate, 0}} {
		for _, call := range counting.Calls() {
			if !tt.fault.Applies(call.Kind) {
				continue
			}
			store := faulty.New(memory, faulty.Plan{Fault: tt.fault, At: call.N})
			result, err := runCheck(t, store, f.Trust, "all", "")
			harmless := len(result.Counts) == 0 && (err == nil) == (tt.exit == 0) && result.Finished == (tt.exit == 0)
			if store.Reached() && (!harmless || err != nil && fault.KindOf(err).ExitCode() != tt.exit) {
				t.Errorf("%s in call %d, %s %s: %v\n%s", tt.fault, call.N, call.Kind, call.Name, err, findingsText(result))
			}
		}
	}
}
