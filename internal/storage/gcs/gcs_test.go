package gcs

import (
	"errors"
	"testing"
	"time"

	gcs "cloud.google.com/go/storage"
	"go.uber.org/goleak"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/storagetest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// emulated makes a bucket in the testbed's emulator.
func emulated(t *testing.T) string {
	t.Helper()
	env := testbed.Need(t)
	t.Setenv("STORAGE_EMULATOR_HOST", env.StorageEmulatorHost)
	return env.NewGCSBucket(t)
}

// open returns a store whose goroutines must be gone at the end of the test.
func open(t *testing.T, bucket, prefix string, opts Options) *Store {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s, err := Open(t.Context(), bucket, prefix, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		// The library leaves idle connections to their own time-out.
		goleak.VerifyNone(t, before,
			goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	})
	return s
}

func TestConformance(t *testing.T) {
	for name, prefix := range map[string]string{"with a prefix": "a/prefix", "whole bucket": ""} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Storage {
				return open(t, emulated(t), prefix, Options{ChunkSize: 1 << 20})
			})
		})
	}
}

// A retention policy is told by Stat, and by what a deletion answers.
func TestRetentionIsTold(t *testing.T) {
	s := open(t, emulated(t), "a/prefix", Options{})
	if _, err := storage.Put(t.Context(), s, "kept", []byte("content")); err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), "kept")
	if err != nil || !info.RetainedUntil.IsZero() {
		t.Errorf("without a policy: %+v, %v", info, err)
	}
	policy := gcs.BucketAttrsToUpdate{RetentionPolicy: &gcs.RetentionPolicy{RetentionPeriod: time.Hour}}
	if _, err := s.bucket.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	info, err = s.Stat(t.Context(), "kept")
	if err != nil || !info.RetainedUntil.Equal(info.Created.Add(time.Hour)) {
		t.Errorf("kept until %s, want an hour after %s; %v", info.RetainedUntil, info.Created, err)
	}
	if err := s.Delete(t.Context(), info); !errors.Is(err, storage.ErrProtected) {
		t.Errorf("deleted under retention: %v", err)
	}
}
