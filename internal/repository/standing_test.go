package repository_test

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// What a no is relied upon for cannot be undone: things elsewhere are deleted.
func TestWhatMayYetBeAPointStands(t *testing.T) {
	memory := repotest.NewMemory()
	f := repotest.Over(t, memory)
	f.LeaseLength = 4 * time.Second
	take := func() string {
		point, err := f.TryCapture(t.Context(), t, "main", "sample", sample())
		if err != nil {
			t.Fatal(err)
		}
		return point
	}
	begin := func(stream string) (*repository.Draft, *repository.Lease) {
		w := f.Writer(t)
		ctx, lease, err := w.Acquire(t.Context(), repository.StreamLease(repotest.Instance, stream))
		if err != nil {
			t.Fatal(err)
		}
		draft, err := w.Begin(ctx, stream, []string{"main"})
		if err != nil {
			t.Fatal(err)
		}
		return draft, lease
	}
	dead, lease := begin("manual")
	lease.Release()
	unfenced := f.Open(t)
	if stands, err := unfenced.Standing(t.Context(), dead.Point()); err != nil || !stands {
		t.Errorf("a run that nobody has given up stands: %t (%v)", stands, err)
	}
	swept, forgotten, damaged := take(), take(), take() // the first fences the dead run off
	live, lease := begin("other")
	defer lease.Release()
	forget(t, f, memory, swept, forgotten)
	mustSweep(t, f, memory, swept)
	manifest, _ := repository.ManifestFiles(damaged)
	memory.Damage(manifest, []byte("{"))

	for name, tt := range map[string]struct {
		id   string
		want bool
	}{
		"a point that is forgotten":         {forgotten, true},
		"a point whose manifest is damaged": {damaged, true},
		"a run that is alive":               {live.Point(), true},
		"a run that was given up":           {dead.Point(), false},
		"a point that was swept":            {swept, false},
		"a run that never began":            {"20261127T000000Z-aaaa", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := f.Open(t).Standing(t.Context(), tt.id)
			if err != nil || got != tt.want {
				t.Errorf("got %t (%v), want %t", got, err, tt.want)
			}
		})
	}
}
