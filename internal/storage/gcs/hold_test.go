package gcs

import (
	"errors"
	"testing"

	gcs "cloud.google.com/go/storage"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// What is held cannot be deleted until it is let go; what somebody else holds is left
// alone.
func TestHold(t *testing.T) {
	bucket := emulated(t)
	s := storage.Retry(open(t, bucket, "prod", Options{}), storage.Policy{})
	holder, ok := s.(storage.Holder)
	if !ok {
		t.Fatal("the wrapper of repetitions hides the ability to hold")
	}
	info, err := storage.Put(t.Context(), s, "a/file", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	set := func(held, wantChanged bool) {
		t.Helper()
		if changed, err := holder.SetHold(t.Context(), "a/file", held); err != nil || changed != wantChanged {
			t.Errorf("set the hold to %v: changed %v, %v; want %v", held, changed, err, wantChanged)
		}
	}
	set(false, false)
	set(true, true)
	set(true, false)
	if err := s.Delete(t.Context(), info); !errors.Is(err, storage.ErrProtected) {
		t.Errorf("delete under a hold: %v", err)
	}
	set(false, true)
	set(false, false)

	client, err := gcs.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Bucket(bucket).Object("prod/a/file").Update(t.Context(), gcs.ObjectAttrsToUpdate{TemporaryHold: true}); err != nil {
		t.Fatal(err)
	}
	set(true, false)
	set(false, false)
	if err := s.Delete(t.Context(), info); !errors.Is(err, storage.ErrProtected) {
		t.Errorf("delete under somebody else's hold: %v", err)
	}
	if _, err := holder.SetHold(t.Context(), "a/none", true); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("hold what is not there: %v", err)
	}
	testbed.Need(t).LimitGCSBucket(t, bucket, []string{"storage.objects.get", "storage.objects.create", "storage.objects.list", "storage.objects.delete"})
	other, err := storage.Put(t.Context(), s, "a/other", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.SetHold(t.Context(), other.Name, true); !errors.Is(err, storage.ErrDenied) {
		t.Errorf("hold without the right: %v", err)
	}
}
