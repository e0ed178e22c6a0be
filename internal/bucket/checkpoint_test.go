package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// A first mirror that is killed after every fifth of its way goes on from its
// checkpoints, and fetches nothing again that one of them has named. The third run
// dies before its first checkpoint.
//
// What is fetched twice is counted, not guessed: how much is on its way while a
// checkpoint is being written depends on the machine, how much of what has come to
// the index no checkpoint names does not.
func TestKilledMirrorGoesOn(t *testing.T) {
	t.Parallel()
	const scale, workers = 32, 4
	objects, size, sizes := int64(1200), int64(20<<10), pace{packSize: defaultPace.packSize / scale, leastPack: defaultPace.leastPack / scale, checkpoint: defaultPace.checkpoint / scale}
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		objects, sizes = scale*objects, defaultPace
	}
	s := newStand(t, Options{Workers: workers})
	for i := range objects {
		s.put(object{key: fmt.Sprintf("openim/data/hash/%05d", i*7919%100003), content: noise(uint64(i), int(size))})
	}
	wire := s.throughWire(Options{Workers: workers})
	s.source.pace = sizes
	total := objects * size
	named := int64(0)
	for fifth := range int64(4) {
		ctx, kill := context.WithCancel(t.Context())
		wire.after(total*(fifth+1)/5, kill)
		if fifth == 2 {
			wire.after(wire.bytes.Load()+1, kill)
		}
		watched := &watched{Capturer: s.source}
		if _, err := s.TryCapture(ctx, t, "media", Kind, watched); err == nil {
			t.Fatalf("after %d of %d bytes the mirror was not killed", wire.bytes.Load(), total)
		}
		kill()
		before := named
		named = s.namedByCheckpoints()
		// What was named before stands first in the listing, and comes first.
		fresh := max(watched.indexed.Load()-before, 0)
		lost, most := fresh-(named-before), unnamed(sizes, fresh*size, size)
		if lost > most {
			t.Errorf("run %d: of %d objects in its index no checkpoint names %d, more than %d", fifth+1, fresh, lost, most)
		}
		t.Logf("run %d: %d objects in its index, %d of them lost, at most %d", fifth+1, fresh, lost, most)
	}
	wire.after(0, nil)
	killed := wire.bytes.Load()
	from := s.capture()
	// Requests of the run before may have ended after it.
	want, stragglers := (objects-named)*size, workers*size
	if got := wire.bytes.Load() - killed; got < want || got > want+stragglers {
		t.Errorf("the last run fetched %d bytes, want the %d that no checkpoint names", got, want)
	}
	t.Logf("fetched %d bytes %.3f times", total, float64(wire.bytes.Load())/float64(total))
	bucket, plan := s.restore(from)
	if compared := s.compare(from, plan); !compared.Equal() {
		t.Errorf("restored into %s: %v", bucket, compared.Differences)
	}
	var captured Captured
	if err := from.Captured(&captured); err != nil || captured.Buckets[0].Objects != objects {
		t.Errorf("captured %+v, %v", captured, err)
	}
}

// unnamed is how many objects at most a run has in its index that no checkpoint
// names: those of the checkpoints that wait for their packs, and of the one that
// is not due yet.
func unnamed(p pace, fetched, size int64) int64 {
	each := (p.between(fetched) + size - 1) / size
	return (pendingCheckpoints+1)*each - 1
}

// namedByCheckpoints counts the objects that the newest checkpoint names.
func (s *stand) namedByCheckpoints() (most int64) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir(), "runs", "*", "checkpoint-*.json"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range files {
		var checkpoint repository.Checkpoint
		var said repository.Progress
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &checkpoint) != nil || json.Unmarshal([]byte(checkpoint.Progress), &said) != nil {
			s.Fatalf("%s is no checkpoint (%v)", file, err)
		}
		named := int64(0)
		for _, layer := range said.Buckets[0].Layers {
			for _, segment := range layer {
				named += segment.Entries
			}
		}
		most = max(most, named) // none names less than one before it
	}
	return most
}

// watched counts what a capture has put into its index.
type watched struct {
	source.Capturer
	indexed atomic.Int64
}

func (w *watched) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	return w.Capturer.Capture(ctx, draft, w)
}

func (w *watched) Task(string, progress.Unit, int64) progress.Task { return w }
func (w *watched) Add(n int64)                                     { w.indexed.Add(n) }
func (w *watched) SetTotal(int64)                                  {}
func (w *watched) Done()                                           {}
