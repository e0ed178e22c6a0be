package repository_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/storage/gcs"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// manyPoints is what a list has to be quick with (see `make bench-points`), which it is
// only if it does not ask for each.
const manyPoints = 200

// A list of points that are known asks for none of them, over the emulator of Google's
// storage.
func TestListOfManyPointsAsksForNoneAgain(t *testing.T) {
	env := testbed.Need(t)
	t.Setenv("STORAGE_EMULATOR_HOST", env.StorageEmulatorHost)
	store, err := gcs.Open(t.Context(), env.NewGCSBucket(t), "many", gcs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := repotest.Over(t, store)
	plantMany(t, f, store)
	cache := t.TempDir()
	for _, asked := range []func(calls int) bool{
		func(calls int) bool { return calls > 2*manyPoints },
		func(calls int) bool { return calls < 20 },
	} {
		counted := faulty.New(store, faulty.Plan{})
		if points := len(listWith(t, f, counted, cache).Points); points != manyPoints {
			t.Fatalf("%d points, want %d", points, manyPoints)
		}
		if calls := len(counted.Calls()); !asked(calls) {
			t.Errorf("the storage was called %d times", calls)
		}
	}
}

// plantMany writes the manifests of many points, which is all that a list reads.
func plantMany(t *testing.T, f *repotest.Fixture, store storage.ReadWriter) {
	t.Helper()
	m := mustTake(t, f.Writer(t), "nightly", sample())
	data, err := storage.Get(t.Context(), store, "points/"+m.Point+"/manifest.json", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i := 1; i < manyPoints; i++ {
		group.Go(func() error {
			var v map[string]any
			if err := json.Unmarshal(data, &v); err != nil {
				return err
			}
			at := m.Started.Add(time.Duration(-i) * time.Second)
			id := at.Format("20060102T150405Z") + "-abcd"
			path := fmt.Sprintf("points/%s/manifest.json", id)
			v["point"], v["path"], v["started"] = id, path, at
			changed, err := json.Marshal(v)
			if err != nil {
				return err
			}
			signature, err := f.Signer.Sign(changed, path)
			if err != nil {
				return err
			}
			if _, err := storage.Put(ctx, store, path+".minisig", signature); err != nil {
				return err
			}
			_, err = storage.Put(ctx, store, path, changed)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
