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

// removeGCSBucket empties and removes a bucket, retained objects included.
func (e *Env) removeGCSBucket(ctx context.Context, bucket string) error {
	path := "/b/" + bucket
	if err := e.gcs(ctx, http.MethodPatch, path, `{"retentionPolicy": null}`, nil); err != nil {
		return err
	}
	for {
		var page struct {
			Items         []struct{ Name string }
			NextPageToken string
		}
		if err := e.gcs(ctx, http.MethodGet, path+"/o?maxResults=1000", "", &page); err != nil {
			return err
		}
		for _, object := range page.Items {
			if err := e.gcs(ctx, http.MethodDelete, path+"/o/"+url.PathEscape(object.Name), "", nil); err != nil {
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
	request, err := http.NewRequestWithContext(ctx, method, e.StorageEmulatorHost+"/storage/v1"+path, strings.NewReader(body))
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
