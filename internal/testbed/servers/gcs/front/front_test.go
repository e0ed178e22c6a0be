package front

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"google.golang.org/api/googleapi"
)

// newBucket starts an emulator behind the front and makes a bucket through the
// real client.
func newBucket(t *testing.T, attributes *storage.BucketAttrs) (*storage.BucketHandle, *httptest.Server) {
	t.Helper()
	var front *Front
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { front.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	emulator, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, ExternalURL: server.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	front = New(emulator.HTTPHandler())
	t.Setenv("STORAGE_EMULATOR_HOST", server.URL)
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	bucket := client.Bucket("bucket")
	if err := bucket.Create(t.Context(), "project", attributes); err != nil {
		t.Fatal(err)
	}
	return bucket, server
}

func write(t *testing.T, object *storage.ObjectHandle, content []byte, prepare func(*storage.Writer)) error {
	t.Helper()
	w := object.NewWriter(t.Context())
	if prepare != nil {
		prepare(w)
	}
	_, err := w.Write(content)
	return errors.Join(err, w.Close())
}

// requireStatus wants an error with an HTTP status.
func requireStatus(t *testing.T, what string, err error, status int) {
	t.Helper()
	var answer *googleapi.Error
	if !errors.As(err, &answer) || answer.Code != status {
		t.Errorf("%s: %v, want status %d", what, err, status)
	}
}

func TestDeleteWantsTheGenerationThatWasSeen(t *testing.T) {
	bucket, _ := newBucket(t, nil)
	object := bucket.Object("a/b c")
	if err := write(t, object, []byte("content"), nil); err != nil {
		t.Fatal(err)
	}
	attributes, err := object.Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong := object.If(storage.Conditions{GenerationMatch: attributes.Generation + 1})
	requireStatus(t, "delete of another generation", wrong.Delete(t.Context()), http.StatusPreconditionFailed)
	if _, err := object.Attrs(t.Context()); err != nil {
		t.Errorf("the object is gone: %v", err)
	}
	if err := object.If(storage.Conditions{GenerationMatch: attributes.Generation}).Delete(t.Context()); err != nil {
		t.Errorf("delete of the right generation: %v", err)
	}
	if err := object.Delete(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("delete of what is gone: %v", err)
	}
}

func TestCreateOnlyWhereThereIsNone(t *testing.T) {
	bucket, _ := newBucket(t, nil)
	object := bucket.Object("once").If(storage.Conditions{DoesNotExist: true})
	for name, content := range map[string][]byte{"small": []byte("x"), "in chunks": bytes.Repeat([]byte("y"), 3<<20)} {
		t.Run(name, func(t *testing.T) {
			chunked := func(w *storage.Writer) { w.ChunkSize = 1 << 20 }
			object := bucket.Object(name).If(storage.Conditions{DoesNotExist: true})
			if err := write(t, object, content, chunked); err != nil {
				t.Fatal(err)
			}
			requireStatus(t, "second create", write(t, object, []byte("other"), chunked), http.StatusPreconditionFailed)
		})
	}
	requireStatus(t, "create with a wrong checksum", write(t, object, []byte("content"), func(w *storage.Writer) {
		w.CRC32C, w.SendCRC32C = 1, true
	}), http.StatusBadRequest)
	if _, err := bucket.Object("once").Attrs(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("an object with a wrong checksum is there: %v", err)
	}
}

func TestUploadThatIsGivenUpLeavesNothing(t *testing.T) {
	bucket, _ := newBucket(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w := bucket.Object("half").NewWriter(ctx)
	w.ChunkSize = 256 << 10
	if _, err := w.Write(bytes.Repeat([]byte("z"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); err == nil {
		t.Error("a cancelled upload was closed without an error")
	}
	if _, err := bucket.Object("half").Attrs(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("half an object is there: %v", err)
	}
}

func TestRetentionPolicyProtects(t *testing.T) {
	bucket, _ := newBucket(t, &storage.BucketAttrs{RetentionPolicy: &storage.RetentionPolicy{RetentionPeriod: time.Hour}})
	object := bucket.Object("kept")
	if err := write(t, object, []byte("content"), nil); err != nil {
		t.Fatal(err)
	}
	requireStatus(t, "delete under retention", object.Delete(t.Context()), http.StatusForbidden)
	kept, err := object.Attrs(t.Context())
	if err != nil || !kept.RetentionExpirationTime.Equal(kept.Created.Add(time.Hour)) {
		t.Errorf("kept until %v, %v; want an hour after it was made", kept, err)
	}
	r, err := object.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if content, err := io.ReadAll(r); err != nil || string(content) != "content" {
		t.Errorf("read %q, %v", content, err)
	}
	attributes, err := bucket.Attrs(t.Context())
	if err != nil || attributes.RetentionPolicy == nil || attributes.RetentionPolicy.RetentionPeriod != time.Hour {
		t.Errorf("the bucket's policy: %v, %v", attributes, err)
	}
}

func TestHoldKeepsFromDeletion(t *testing.T) {
	bucket, _ := newBucket(t, nil)
	object := bucket.Object("dir/held")
	if err := write(t, object, []byte("content"), nil); err != nil {
		t.Fatal(err)
	}
	before, err := object.Attrs(t.Context())
	if err != nil || before.TemporaryHold || before.Metageneration != 1 {
		t.Fatalf("a new object: %+v, %v", before, err)
	}
	seen := object.If(storage.Conditions{GenerationMatch: before.Generation, MetagenerationMatch: before.Metageneration})
	held, err := seen.Update(t.Context(), storage.ObjectAttrsToUpdate{TemporaryHold: true, Metadata: map[string]string{"who": "me"}})
	if err != nil || !held.TemporaryHold || held.Metadata["who"] != "me" || held.Generation != before.Generation || held.Metageneration != 2 {
		t.Errorf("a held object: %+v, %v", held, err)
	}
	if again, err := object.Attrs(t.Context()); err != nil || !again.TemporaryHold || again.Metageneration != 2 {
		t.Errorf("read again: %+v, %v", again, err)
	}
	_, err = seen.Update(t.Context(), storage.ObjectAttrsToUpdate{TemporaryHold: false})
	requireStatus(t, "an update of what has changed", err, http.StatusPreconditionFailed)
	requireStatus(t, "delete under a hold", object.Delete(t.Context()), http.StatusForbidden)
	if first, err := bucket.Objects(t.Context(), nil).Next(); err != nil || !first.TemporaryHold {
		t.Errorf("listed as %+v, %v", first, err)
	}
	if free, err := object.Update(t.Context(), storage.ObjectAttrsToUpdate{TemporaryHold: false}); err != nil || free.TemporaryHold || free.Metadata["who"] != "me" {
		t.Errorf("an object that was let go: %+v, %v", free, err)
	}
	if err := object.Delete(t.Context()); err != nil {
		t.Errorf("delete of what is not held any more: %v", err)
	}
}

func TestPermissions(t *testing.T) {
	bucket, server := newBucket(t, nil)
	wanted := []string{"storage.objects.create", "storage.objects.delete"}
	granted, err := bucket.IAM().TestPermissions(t.Context(), wanted)
	if err != nil || !slices.Equal(granted, wanted) {
		t.Errorf("granted %v, %v; want %v", granted, err, wanted)
	}
	r, err := http.Post(server.URL+"/testbed/b/bucket/permissions", "application/json", strings.NewReader(`["storage.objects.get"]`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if granted, err = bucket.IAM().TestPermissions(t.Context(), wanted); err != nil || len(granted) != 0 {
		t.Errorf("granted %v, %v; want none", granted, err)
	}
	requireStatus(t, "create without the right", write(t, bucket.Object("x"), []byte("x"), nil), http.StatusForbidden)
}

// Google sends a thousand objects at most, and what was asked for if that is less.
func TestPagesOfAListing(t *testing.T) {
	const objects = 1005
	bucket, server := newBucket(t, nil)
	for n := range objects {
		if err := write(t, bucket.Object(fmt.Sprintf("dir/%04d", n)), []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for asked, want := range map[int][]int{0: {1000, 5}, 5000: {1000, 5}, 400: {400, 400, 205}} {
		var pages []int
		names, token := map[string]bool{}, ""
		for more := true; more; more = token != "" {
			var page struct {
				Items         []struct{ Name string }
				NextPageToken string
			}
			url := fmt.Sprintf("%s/storage/v1/b/bucket/o?prefix=dir/&maxResults=%d&pageToken=%s", server.URL, asked, token)
			response, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(json.NewDecoder(response.Body).Decode(&page), response.Body.Close()); err != nil {
				t.Fatal(err)
			}
			pages, token = append(pages, len(page.Items)), page.NextPageToken
			for _, item := range page.Items {
				names[item.Name] = true
			}
		}
		if !slices.Equal(pages, want) || len(names) != objects {
			t.Errorf("asked for %d: pages of %v with %d objects, want %v", asked, pages, len(names), want)
		}
	}
	if err := bucket.Object("dir/0000").Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	it := bucket.Objects(t.Context(), &storage.Query{Prefix: "dir/"})
	if first, err := it.Next(); err != nil || first.Name != "dir/0001" {
		t.Errorf("after a change the first object is %v, %v", first, err)
	}
	response, err := http.Get(server.URL + "/storage/v1/b/bucket/o?pageToken=!")
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("a token that nobody has given: %v, %v", response, err)
	}
}
