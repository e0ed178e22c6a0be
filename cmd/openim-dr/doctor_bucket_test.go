package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const day = 24 * time.Hour

// asRecommended is a bucket at which there is nothing to improve.
func asRecommended() *storage.Bucket {
	return &storage.Bucket{
		Service: storage.GCS, Name: "backups", Prefix: "prod/",
		UniformAccess:         storage.Known(true),
		PublicAccessPrevented: storage.Known(true),
		Retention:             storage.Known(storage.Retention{Period: 30 * day, Locked: true}),
		SoftDelete:            storage.Known(7 * day),
		Versioning:            storage.Known(false),
		DefaultHold:           storage.Known(false),
		ObjectRetention:       storage.Known(false),
		EncryptionKey:         storage.Known(""),
		Location:              storage.Known(storage.Geography{Name: "EUR4", Several: true}),
		Lifecycle:             storage.Known[[]storage.LifecycleRule](nil),
		Rights:                storage.Known(writerRights),
	}
}

// amazon is such a bucket of S3.
func amazon() *storage.Bucket {
	return &storage.Bucket{
		Service: storage.S3, Name: "backups", Prefix: "prod/", Endpoint: "https://s3.example:7070",
		PublicAccessPrevented: storage.Known(true),
		Retention:             storage.Known(storage.Retention{Period: 30 * day, Locked: true}),
		Versioning:            storage.Known(true),
		Location:              storage.Known(storage.Geography{Name: "us-east-1"}),
		Lifecycle:             storage.Known[[]storage.LifecycleRule](nil),
		Rights:                storage.Unknown[[]string](storage.ErrNotSaid),
	}
}

func deletesAll(when string) storage.LifecycleRule {
	return storage.LifecycleRule{Deletes: true, When: when}
}

func TestBucketIsJudged(t *testing.T) {
	const update = "gcloud storage buckets update gs://backups "
	const s3 = " --bucket backups --endpoint-url https://s3.example:7070"
	rules := func(r ...storage.LifecycleRule) func(*storage.Bucket) {
		return func(b *storage.Bucket) { b.Lifecycle = storage.Known(r) }
	}
	tests := map[string]struct {
		bucket    *storage.Bucket
		change    func(*storage.Bucket)
		elsewhere bool
		// want is "severity check: a part of the evidence: a part of the remedy" of
		// every finding that is not ok.
		want []string
	}{
		"as recommended": {asRecommended(), func(*storage.Bucket) {}, false, nil},
		"access lists": {asRecommended(), func(b *storage.Bucket) { b.UniformAccess = storage.Known(false) }, false,
			[]string{"warning storage.uniformAccess: access lists: " + update + "--uniform-bucket-level-access"}},
		"may be opened": {asRecommended(), func(b *storage.Bucket) { b.PublicAccessPrevented = storage.Known(false) }, false,
			[]string{"warning storage.publicAccess: public: " + update + "--public-access-prevention"}},
		"no retention": {asRecommended(), func(b *storage.Bucket) { b.Retention = storage.Known(storage.Retention{}) }, false,
			[]string{"warning storage.retention: no retention policy: " + update + "--retention-period=30d"}},
		"a retention of a day": {asRecommended(), func(b *storage.Bucket) { b.Retention = storage.Known(storage.Retention{Period: day, Locked: true}) }, false,
			[]string{"warning storage.retention: protected for 1d: " + update + "--retention-period=30d"}},
		"a retention without a lock": {asRecommended(), func(b *storage.Bucket) { b.Retention = storage.Known(storage.Retention{Period: 30 * day}) }, false,
			[]string{"info storage.retention: not locked: nobody can take back: " + update + "--lock-retention-period"}},
		"no soft delete": {asRecommended(), func(b *storage.Bucket) { b.SoftDelete = storage.Known(time.Duration(0)) }, false,
			[]string{"warning storage.softDelete: gone at once: " + update + "--soft-delete-duration=7d"}},
		"soft delete of a day": {asRecommended(), func(b *storage.Bucket) { b.SoftDelete = storage.Known(day) }, false,
			[]string{"warning storage.softDelete: for 1d only: " + update + "--soft-delete-duration=7d"}},
		"versions": {asRecommended(), func(b *storage.Bucket) { b.Versioning = storage.Known(true) }, false,
			[]string{"warning storage.versioning: what is pruned stays: " + update + "--no-versioning"}},
		"a default hold": {asRecommended(), func(b *storage.Bucket) { b.DefaultHold = storage.Known(true) }, false,
			[]string{"warning storage.defaultHold: nothing can ever be pruned: " + update + "--no-default-event-based-hold"}},
		"retention of single objects": {asRecommended(), func(b *storage.Bucket) { b.ObjectRetention = storage.Known(true) }, false,
			[]string{"info storage.objectRetention: retention of their own: gcloud storage buckets get-iam-policy gs://backups"}},
		"a key of somebody's own": {asRecommended(), func(b *storage.Bucket) { b.EncryptionKey = storage.Known("projects/p/k") }, false,
			[]string{"warning storage.encryptionKey: projects/p/k: " + update + "--clear-default-encryption-key"}},
		"one region": {asRecommended(), func(b *storage.Bucket) { b.Location = storage.Known(storage.Geography{Name: "EUROPE-WEST4"}) }, false,
			[]string{"warning storage.location: in one region (EUROPE-WEST4): gcloud storage buckets create gs://NAME --location=eur4"}},
		"one region, and copies": {asRecommended(), func(b *storage.Bucket) { b.Location = storage.Known(storage.Geography{Name: "EUROPE-WEST4"}) }, true, nil},
		"two regions of choice": {asRecommended(), func(b *storage.Bucket) {
			b.Location = storage.Known(storage.Geography{Name: "EU", Regions: []string{"EUROPE-WEST1", "EUROPE-WEST4"}, Several: true})
		}, false, nil},

		"a rule deletes": {asRecommended(), rules(deletesAll("at an age of 30 days")), false,
			[]string{"error storage.lifecycle: a rule deletes files of the repository at an age of 30 days: --lifecycle-file=rules.json"}},
		"a rule deletes below a part of the prefix": {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Prefixes: []string{"other/", "pro"}}), false,
			[]string{`error storage.lifecycle: at once, below ["other/" "pro"]: ` + update}},
		"a rule deletes below packs": {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Prefixes: []string{"prod/packs/"}}), false,
			[]string{"error storage.lifecycle: deletes: " + update}},
		"a rule deletes what ends like a pack": {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Suffixes: []string{".tar.age"}}), false,
			[]string{"error storage.lifecycle: deletes: " + update}},
		"a rule deletes what ends in an e": {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Suffixes: []string{"e"}}), false,
			[]string{"error storage.lifecycle: deletes: " + update}},
		"a rule deletes in another prefix":     {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Prefixes: []string{"production-logs/"}}), false, nil},
		"a rule deletes what ends otherwise":   {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Suffixes: []string{".log", ".tmp"}}), false, nil},
		"a rule deletes what was deleted":      {asRecommended(), rules(storage.LifecycleRule{Deletes: true, Spares: "noncurrent"}), false, nil},
		"a rule ends uploads":                  {asRecommended(), rules(storage.LifecycleRule{When: "at an age of 7 days"}), false, nil},
		"a rule moves to a class that is slow": {asRecommended(), rules(storage.LifecycleRule{Class: "ARCHIVE", When: "at an age of 30 days"}), false, []string{"info storage.lifecycle: to ARCHIVE at an age of 30 days: if that is not wanted"}},
		"two rules, and each has its own line": {asRecommended(), rules(deletesAll(""), storage.LifecycleRule{Class: "NEARLINE"}), false, []string{"error storage.lifecycle: deletes: take it out", "info storage.lifecycle: NEARLINE: take it out"}},
		"a rule deletes, and the prefix is all": {asRecommended(), func(b *storage.Bucket) {
			b.Prefix = ""
			rules(storage.LifecycleRule{Deletes: true, Prefixes: []string{"packs/"}})(b)
		}, false, []string{"error storage.lifecycle: deletes: take it out"}},

		"the identity may delete": {asRecommended(), func(b *storage.Bucket) {
			b.Rights = storage.Known(append([]string{"storage.objects.delete"}, writerRights...))
		}, false,
			[]string{"warning storage.appendOnly: has storage.objects.delete too: get-iam-policy gs://backups"}},
		"the identity may change the policy": {asRecommended(), func(b *storage.Bucket) {
			b.Rights = storage.Known([]string{"storage.buckets.update", "storage.buckets.setIamPolicy"})
		}, false, []string{"warning storage.appendOnly: has storage.buckets.update and storage.buckets.setIamPolicy too: let prune run with another"}},
		"the identity lacks a right": {asRecommended(), func(b *storage.Bucket) { b.Rights = storage.Known(writerRights[1:]) }, false,
			[]string{"info storage.appendOnly: has not storage.objects.create on the whole bucket: grant it"}},
		"the rights cannot be asked for": {asRecommended(), func(b *storage.Bucket) { b.Rights = storage.Unknown[[]string](errors.New("timeout")) }, false,
			[]string{"info storage.appendOnly: may do could not be seen: get-iam-policy gs://backups"}},

		"S3 as recommended, in one place": {amazon(), func(*storage.Bucket) {}, true,
			[]string{"info storage.appendOnly: S3 has no question for: s3:PutObject"}},
		"S3 without anything": {amazon(), func(b *storage.Bucket) {
			b.PublicAccessPrevented, b.Versioning = storage.Known(false), storage.Known(false)
			b.Retention = storage.Known(storage.Retention{})
		}, false, []string{
			"warning storage.publicAccess: public: aws s3api put-public-access-block" + s3 + " --public-access-block-configuration BlockPublicAcls=true,",
			`warning storage.retention: no retention policy: aws s3api put-object-lock-configuration` + s3 + ` --object-lock-configuration '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":30}}}'`,
			"info storage.versioning: no Object Lock: aws s3api put-bucket-versioning" + s3 + " --versioning-configuration Status=Enabled",
			"warning storage.location: in one region (us-east-1): copies",
			"info storage.appendOnly: S3 has no question: policy",
		}},
		"S3 in the mode that an administrator can end": {amazon(), func(b *storage.Bucket) { b.Retention = storage.Known(storage.Retention{Period: 14 * day}) }, true, []string{
			`info storage.retention: not locked: {"Mode":"COMPLIANCE","Days":14}`,
			"info storage.appendOnly: S3 has no question: policy",
		}},
		"S3 moves to where nothing can be read": {amazon(), rules(storage.LifecycleRule{Class: "DEEP_ARCHIVE", Unreadable: true}), true, []string{
			"error storage.lifecycle: asked back: aws s3api put-bucket-lifecycle-configuration" + s3,
			"info storage.appendOnly: S3 has no question: policy",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.change(tt.bucket)
			requireFindings(t, judgeBucket(tt.bucket, tt.elsewhere), tt.want)
		})
	}
}

// requireFindings compares all findings that are not ok with what is wanted.
func requireFindings(t *testing.T, got []source.Finding, want []string) {
	t.Helper()
	var bad []source.Finding
	for _, f := range got {
		if f.Severity != source.OK {
			bad = append(bad, f)
		} else if f.Remedy != "" || f.Evidence == "" {
			t.Errorf("what is fine says %+v", f)
		}
	}
	for i, f := range bad {
		if i >= len(want) {
			t.Errorf("also found: %+v", f)
			continue
		}
		parts := strings.SplitN(want[i], ": ", 3)
		if parts[0] != string(f.Severity)+" "+f.Check || !strings.Contains(f.Evidence, parts[1]) || !strings.Contains(f.Remedy, parts[2]) {
			t.Errorf("found %+v\nwant %s", f, want[i])
		}
	}
	if len(bad) < len(want) {
		t.Errorf("not found: %q", want[len(bad):])
	}
}

// What could not be seen is no fault, and is said once for each reason.
func TestSettingsThatAreNotSeen(t *testing.T) {
	const lifecycle, access = "versioning, location and lifecycle could not be seen: ", "public access prevention and retention policy could not be seen: "
	b := amazon()
	b.PublicAccessPrevented = storage.Unknown[bool](storage.ErrNotSaid)
	b.Retention = storage.Unknown[storage.Retention](storage.ErrNotSaid)
	b.Versioning = storage.Unknown[bool](storage.ErrDenied)
	b.Location = storage.Unknown[storage.Geography](storage.ErrDenied)
	b.Lifecycle = storage.Unknown[[]storage.LifecycleRule](storage.ErrDenied)
	got := judgeBucket(b, false)
	want := []source.Finding{
		advice(source.Info, "storage.settings", access+"the service does not say",
			"ask whoever runs the service"),
		advice(source.Info, "storage.settings", lifecycle+"this identity may not read the settings of the bucket, which a writer has no need to",
			"an administrator sees them with: aws s3api get-bucket-versioning --bucket backups --endpoint-url https://s3.example:7070; aws s3api get-bucket-location --bucket backups --endpoint-url https://s3.example:7070; aws s3api get-bucket-lifecycle-configuration --bucket backups --endpoint-url https://s3.example:7070"),
	}
	if diff := cmp.Diff(want, got[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range got {
		if f.Severity.Bad() {
			t.Errorf("what was not seen is a fault: %+v", f)
		}
	}
}

func TestVolumeIsJudged(t *testing.T) {
	roomy := storage.Volume{FreeBytes: 50 << 30, Bytes: 100 << 30, FreeFiles: 1000, Files: 2000}
	tests := map[string]struct {
		change    func(*storage.Volume)
		err       error
		elsewhere bool
		want      []string
	}{
		"as recommended":   {func(*storage.Volume) {}, nil, true, nil},
		"on one machine":   {func(*storage.Volume) {}, nil, false, []string{"warning storage.location: lost with its machine: copies"}},
		"others may write": {func(v *storage.Volume) { v.OthersWrite = true }, nil, true, []string{"warning storage.access: users other than the owner: chmod 700 '/b k'"}},
		"nearly full":      {func(v *storage.Volume) { v.FreeBytes = 9 << 30 }, nil, true, []string{"warning storage.space: 9.0 GiB of 100 GiB are free: prune --plan"}},
		"few files":        {func(v *storage.Volume) { v.FreeFiles = 199 }, nil, true, []string{"warning storage.space: 199 of 2,000 files can be made: enlarge"}},
		"no bound":         {func(v *storage.Volume) { v.FreeFiles, v.Files = 0, 0 }, nil, true, nil},
		"not seen":         {func(*storage.Volume) {}, storage.ErrNotSaid, true, []string{"info storage.space: could not be seen: df -h '/b k'"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := roomy
			tt.change(&v)
			requireFindings(t, judgeVolume("/b k", &v, tt.err, tt.elsewhere), tt.want)
		})
	}
}
