package gcs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	gcs "cloud.google.com/go/storage"
	"go.uber.org/goleak"
	"google.golang.org/api/option"

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

// refusals answers what the service refuses since the object exists in the way that
// it refuses to replace it. The emulator judges the condition first, as Google may or
// may not: see isTaken.
type refusals struct{ reason, message string }

func (r refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusPreconditionFailed || request.Method == http.MethodDelete {
		return response, err
	}
	response.Body.Close()
	body := fmt.Sprintf(`{"error": {"code": 403, "message": %q, "errors": [{"domain": "global", "reason": %q, "message": %q}]}}`, r.message, r.reason, r.message)
	response.StatusCode, response.Status = http.StatusForbidden, "403 Forbidden"
	response.ContentLength, response.Body = int64(len(body)), io.NopCloser(strings.NewReader(body))
	response.Header.Set("Content-Type", "application/json; charset=UTF-8")
	return response, nil
}

// Whoever may only create is told of what exists in words of replacing, and that is
// no lack of a right.
func TestWhatExistsIsFoundWithoutTheRightToReplace(t *testing.T) {
	for name, transport := range map[string]refusals{
		"for want of a right":   {"forbidden", "writer does not have storage.objects.delete access to the Google Cloud Storage object."},
		"by a retention policy": {"retentionPolicyNotMet", "Object 'b/o' is subject to bucket's retention policy and cannot be deleted or overwritten until 2027-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := emulated(t)
			s := open(t, bucket, "prod", Options{Client: []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: transport})}})
			for what, size := range map[string]int{"small": 10, "chunks": 9 << 20} {
				content := bytes.Repeat([]byte("x"), size)
				for range 2 {
					if _, err := storage.Put(t.Context(), s, what, content); err != nil {
						t.Errorf("%s: the same again: %v", what, err)
					}
				}
				if _, err := storage.Put(t.Context(), s, what, append(content, 'y')); !errors.Is(err, storage.ErrExist) {
					t.Errorf("%s: other content: %v", what, err)
				}
			}
		})
	}
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
