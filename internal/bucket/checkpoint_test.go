package bucket

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// A first mirror that is killed after every fifth of its way goes on from its
// checkpoints: in the end it has fetched hardly more than there is. The third
// run dies before its first checkpoint.
func TestKilledMirrorGoesOn(t *testing.T) {
	t.Parallel()
	const scale = 32
	// Fetching goes on while a checkpoint is being written: at full size that is
	// nothing, at a fraction of it a slow disk shows. Without checkpoints the
	// mirror would fetch three times what there is.
	share := 1.25
	objects, size, sizes := 1200, 20<<10, pace{packSize: defaultPace.packSize / scale, leastPack: defaultPace.leastPack / scale, checkpoint: defaultPace.checkpoint / scale}
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		objects, sizes, share = scale*objects, defaultPace, 1.1
	}
	s := newStand(t, Options{Workers: 4})
	for i := range objects {
		s.put(object{key: fmt.Sprintf("openim/data/hash/%05d", i*7919%100003), content: noise(uint64(i), size)})
	}
	wire := s.throughWire(Options{Workers: 4})
	s.source.pace = sizes
	total := int64(objects * size)
	for fifth := range int64(4) {
		ctx, kill := context.WithCancel(t.Context())
		wire.after(total*(fifth+1)/5, kill)
		if fifth == 2 {
			wire.after(wire.bytes.Load()+1, kill)
		}
		if _, err := s.TryCapture(ctx, t, "media", Kind, s.source); err == nil {
			t.Fatalf("after %d of %d bytes the mirror was not killed", wire.bytes.Load(), total)
		}
		kill()
	}
	wire.after(0, nil)
	from := s.capture()
	if got := float64(wire.bytes.Load()) / float64(total); got > share {
		t.Errorf("fetched %d bytes %.2f times, more than %.2f times", total, got, share)
	}
	bucket, plan := s.restore(from)
	if compared := s.compare(from, plan); !compared.Equal() {
		t.Errorf("restored into %s: %v", bucket, compared.Differences)
	}
	var captured Captured
	if err := from.Captured(&captured); err != nil || captured.Buckets[0].Objects != int64(objects) {
		t.Errorf("captured %+v, %v", captured, err)
	}
}
