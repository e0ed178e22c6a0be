package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// NewGCSBucket makes an empty bucket in the Google Cloud Storage emulator. The
// real client finds the emulator by STORAGE_EMULATOR_HOST, which a test sets to
// StorageEmulatorHost.
func (e *Env) NewGCSBucket(t testing.TB) string {
	t.Helper()
	name := unique("-")
	body := fmt.Sprintf(`{"name": %q}`, name)
	if err := e.gcs(t.Context(), http.MethodPost, "/b?project=testbed", body, nil); err != nil {
		t.Fatalf("make GCS bucket: %v", err)
	}
	t.Cleanup(func() {
		if err := e.removeGCSBucket(cleanupContext(t), name); err != nil {
			t.Errorf("remove GCS bucket %s: %v", name, err)
		}
	})
	return name
}

// RetainGCSBucket gives a bucket a retention policy: nothing in it can be deleted
// that is younger.
func (e *Env) RetainGCSBucket(t testing.TB, bucket string, period time.Duration) {
	t.Helper()
	body := fmt.Sprintf(`{"retentionPolicy": {"retentionPeriod": "%d"}}`, int64(period/time.Second))
	if err := e.gcs(t.Context(), http.MethodPatch, "/b/"+bucket, body, nil); err != nil {
		t.Fatalf("give GCS bucket %s a retention policy: %v", bucket, err)
	}
}

// LimitGCSBucket takes from everybody the permissions on a bucket that are not in a
// list, until the end of the test; nil gives all of them back.
func (e *Env) LimitGCSBucket(t testing.TB, bucket string, permissions []string) {
	t.Helper()
	if err := e.limitGCSBucket(t.Context(), bucket, permissions); err != nil {
		t.Fatalf("limit GCS bucket: %v", err)
	}
	t.Cleanup(func() {
		if err := e.limitGCSBucket(cleanupContext(t), bucket, nil); err != nil {
			t.Errorf("give the permissions on GCS bucket %s back: %v", bucket, err)
		}
	})
}

func (e *Env) limitGCSBucket(ctx context.Context, bucket string, permissions []string) error {
	list, err := json.Marshal(permissions)
	if err != nil {
		return err
	}
	return e.call(ctx, http.MethodPost, "/testbed/b/"+bucket+"/permissions", string(list), nil)
}

// removeGCSBucket empties and removes a bucket, with what is retained or held.
func (e *Env) removeGCSBucket(ctx context.Context, bucket string) error {
	path := "/b/" + bucket
	if err := e.gcs(ctx, http.MethodPatch, path, `{"retentionPolicy": null}`, nil); err != nil {
		return err
	}
	for {
		var page struct {
			Items []struct {
				Name          string
				TemporaryHold bool
			}
			NextPageToken string
		}
		if err := e.gcs(ctx, http.MethodGet, path+"/o?maxResults=1000", "", &page); err != nil {
			return err
		}
		for _, object := range page.Items {
			at := path + "/o/" + url.PathEscape(object.Name)
			if object.TemporaryHold {
				if err := e.gcs(ctx, http.MethodPatch, at, `{"temporaryHold": false}`, nil); err != nil {
					return err
				}
			}
			if err := e.gcs(ctx, http.MethodDelete, at, "", nil); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return e.gcs(ctx, http.MethodDelete, path, "", nil)
		}
	}
}

// gcs calls a method of the JSON API. A bucket or object that is gone already is
// no error: the test removed it itself.
func (e *Env) gcs(ctx context.Context, method, path, body string, answer any) error {
	return e.call(ctx, method, "/storage/v1"+path, body, answer)
}

func (e *Env) call(ctx context.Context, method, path, body string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, e.StorageEmulatorHost+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil
	case response.StatusCode >= http.StatusBadRequest:
		text, _ := io.ReadAll(response.Body) // best effort: the status tells most of it
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	case answer == nil:
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
