package gcs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	gcs "cloud.google.com/go/storage"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// settings are a bucket's as Google writes them down,
// https://cloud.google.com/storage/docs/json_api/v1/buckets#resource. The testbed's
// emulator keeps neither access prevention nor soft delete nor lifecycle nor a second
// region, so that these settings have to come from a server of the test's own; what
// the emulator does keep is tested below.
const settings = `{
  "kind": "storage#bucket", "id": "backups", "name": "backups", "projectNumber": "1", "generation": "1", "metageneration": "3",
  "location": "EU", "locationType": "dual-region", "customPlacementConfig": {"dataLocations": ["EUROPE-WEST1", "EUROPE-WEST4"]},
  "storageClass": "STANDARD", "rpo": "DEFAULT", "timeCreated": "2026-11-01T00:00:00.000Z",
  "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": true, "lockedTime": "2027-01-30T00:00:00.000Z"}},
  "retentionPolicy": {"retentionPeriod": "2592000", "effectiveTime": "2026-11-01T00:00:00.000Z", "isLocked": true},
  "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026-11-01T00:00:00.000Z"},
  "versioning": {"enabled": true}, "defaultEventBasedHold": true, "objectRetention": {"mode": "Enabled"},
  "encryption": {"defaultKmsKeyName": "projects/p/locations/eu/keyRings/r/cryptoKeys/k"},
  "lifecycle": {"rule": [
    {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["prod/packs/"], "matchesSuffix": [".age"]}},
    {"action": {"type": "Delete"}, "condition": {"age": 0, "createdBefore": "2026-11-01"}},
    {"action": {"type": "Delete"}, "condition": {"isLive": false, "daysSinceNoncurrentTime": 7}},
    {"action": {"type": "Delete"}, "condition": {"numNewerVersions": 2}},
    {"action": {"type": "Delete"}, "condition": {"noncurrentTimeBefore": "2026-11-01"}},
    {"action": {"type": "Delete"}, "condition": {"daysSinceCustomTime": 7}},
    {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"}, "condition": {"age": 90, "isLive": true, "matchesStorageClass": ["STANDARD", "NEARLINE"]}},
    {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}
  ]}
}`

// answering is a store whose service describes its bucket so.
func answering(t *testing.T, bucket string) *Store {
	t.Helper()
	answers := map[string]string{
		"/storage/v1/b/backups":                     bucket,
		"/storage/v1/b/backups/o":                   `{"kind": "storage#objects"}`,
		"/storage/v1/b/backups/iam/testPermissions": `{"kind": "storage#testIamPermissionsResponse", "permissions": ["storage.objects.create"]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, known := answers[r.URL.Path]
		if !known || r.Method != http.MethodGet {
			t.Errorf("the service is asked %s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("STORAGE_EMULATOR_HOST", server.URL)
	s, err := Open(t.Context(), "backups", "prod", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSettingsAsGoogleWritesThem(t *testing.T) {
	const noncurrent, custom = "it is about versions that were deleted or replaced", "it is about objects with a custom time, which these have not"
	want := &storage.Bucket{
		Service: storage.GCS, Name: "backups", Prefix: "prod/",
		UniformAccess:         storage.Known(true),
		PublicAccessPrevented: storage.Known(true),
		Retention:             storage.Known(storage.Retention{Period: 30 * 24 * time.Hour, Locked: true}),
		SoftDelete:            storage.Known(7 * 24 * time.Hour),
		Versioning:            storage.Known(true),
		DefaultHold:           storage.Known(true),
		ObjectRetention:       storage.Known(true),
		EncryptionKey:         storage.Known("projects/p/locations/eu/keyRings/r/cryptoKeys/k"),
		Location:              storage.Known(storage.Geography{Name: "EU", Regions: []string{"EUROPE-WEST1", "EUROPE-WEST4"}, Several: true}),
		Lifecycle: storage.Known([]storage.LifecycleRule{
			{Deletes: true, When: "at an age of 30 days", Prefixes: []string{"prod/packs/"}, Suffixes: []string{".age"}},
			{Deletes: true, When: "at once, if created before 2026-11-01"},
			{Deletes: true, When: "if noncurrent, if noncurrent for 7 days", Spares: noncurrent},
			{Deletes: true, When: "if there are 2 newer versions", Spares: noncurrent},
			{Deletes: true, When: "if noncurrent before 2026-11-01", Spares: noncurrent},
			{Deletes: true, When: "by a time that their owner has set", Spares: custom},
			{Class: "COLDLINE", When: "at an age of 90 days, if of class STANDARD or NEARLINE"},
			{When: "at an age of 7 days"},
		}),
		Rights: storage.Known([]string{"storage.objects.create"}),
	}
	if diff := cmp.Diff(want, answering(t, settings).InspectBucket(t.Context())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is off is left out of the resource, but for what Google always sends.
func TestSettingsThatAreLeftOut(t *testing.T) {
	want := &storage.Bucket{
		Service: storage.GCS, Name: "backups", Prefix: "prod/",
		UniformAccess:         storage.Known(false),
		PublicAccessPrevented: storage.Unknown[bool](storage.ErrNotSaid),
		Retention:             storage.Known(storage.Retention{}),
		SoftDelete:            storage.Unknown[time.Duration](storage.ErrNotSaid),
		Versioning:            storage.Known(false),
		DefaultHold:           storage.Known(false),
		ObjectRetention:       storage.Known(false),
		EncryptionKey:         storage.Known(""),
		Location:              storage.Unknown[storage.Geography](storage.ErrNotSaid),
		Lifecycle:             storage.Known[[]storage.LifecycleRule](nil),
		Rights:                storage.Known([]string{"storage.objects.create"}),
	}
	same := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })
	if diff := cmp.Diff(want, answering(t, `{"kind": "storage#bucket", "name": "backups", "location": "EU"}`).InspectBucket(t.Context()), same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	inherited := answering(t, `{"kind": "storage#bucket", "name": "backups", "locationType": "region", "location": "EUROPE-WEST4",
		"iamConfiguration": {"publicAccessPrevention": "inherited"}, "softDeletePolicy": {"retentionDurationSeconds": "0"}}`).InspectBucket(t.Context())
	if f := inherited.PublicAccessPrevented; !f.Seen || f.Value {
		t.Errorf("public access prevention that is inherited is %+v", f)
	}
	if f := inherited.SoftDelete; !f.Seen || f.Value != 0 {
		t.Errorf("soft delete that is off is %+v", f)
	}
	if f := inherited.Location; !f.Seen || f.Value.Several || f.Value.Name != "EUROPE-WEST4" {
		t.Errorf("one region is %+v", f)
	}
}

// An administrator sees the retention policy, a writer its own rights
// alone, and both without leaving anything behind.
func TestWhoSeesTheBucket(t *testing.T) {
	bucket := emulated(t)
	env := testbed.Need(t)
	client, err := gcs.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Bucket(bucket).Update(t.Context(), gcs.BucketAttrsToUpdate{RetentionPolicy: &gcs.RetentionPolicy{RetentionPeriod: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	s := open(t, bucket, "prod", Options{})
	if got := s.InspectBucket(t.Context()).Retention; got != storage.Known(storage.Retention{Period: time.Hour}) {
		t.Errorf("a policy is seen as %+v", got)
	}
	if granted := s.InspectBucket(t.Context()).Rights; !granted.Seen || !slices.Contains(granted.Value, "storage.objects.delete") {
		t.Errorf("an administrator's rights are %+v", granted)
	}
	writer := []string{"storage.objects.create", "storage.objects.get", "storage.objects.list"}
	env.LimitGCSBucket(t, bucket, writer)
	b := s.InspectBucket(t.Context())
	if diff := cmp.Diff(storage.Known(writer), b.Rights); diff != "" {
		t.Errorf("a writer's rights (-want +got):\n%s", diff)
	}
	for what, why := range map[string]error{"uniform access": b.UniformAccess.Unseen, "retention": b.Retention.Unseen, "lifecycle": b.Lifecycle.Unseen, "location": b.Location.Unseen} {
		if !errors.Is(why, storage.ErrDenied) {
			t.Errorf("a writer does not see %s because: %v", what, why)
		}
	}
	env.LimitGCSBucket(t, bucket, nil)
	if err := s.List(context.WithoutCancel(t.Context()), "", func(i storage.Info) error { return errors.New(i.Name) }); err != nil {
		t.Errorf("looking leaves %v behind", err)
	}
}
