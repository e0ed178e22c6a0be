package gcs

import (
	"context"
	"fmt"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// rights are asked for: what a writer needs, and then what it should not have.
// Asking takes no right,
// https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions.
var rights = []string{
	"storage.objects.create", "storage.objects.get", "storage.objects.list",
	"storage.objects.delete", "storage.objects.update", "storage.objects.setRetention", "storage.objects.overrideUnlockedRetention",
	"storage.buckets.update", "storage.buckets.delete", "storage.buckets.setIamPolicy",
}

var _ storage.BucketInspector = (*Store)(nil)

// InspectBucket asks how the bucket is set up, which takes storage.buckets.get, and
// what the caller may do.
func (s *Store) InspectBucket(ctx context.Context) *storage.Bucket {
	b := &storage.Bucket{Service: storage.GCS, Name: s.bucketName, Prefix: s.prefix}
	granted, err := s.bucket.IAM().TestPermissions(ctx, rights)
	if err = s.mapError("ask for the rights in", s.bucketName, err); err != nil {
		b.Rights = storage.Unknown[[]string](err)
	} else {
		b.Rights = storage.Known(granted)
	}
	attrs, err := s.bucket.Attrs(ctx)
	if err = s.mapError("look at the settings of", s.bucketName, err); err != nil {
		hide(b, err)
		return b
	}
	show(b, attrs)
	return b
}

// hide says of every setting why it could not be seen.
func hide(b *storage.Bucket, why error) {
	b.UniformAccess = storage.Unknown[bool](why)
	b.PublicAccessPrevented = storage.Unknown[bool](why)
	b.Retention = storage.Unknown[storage.Retention](why)
	b.SoftDelete = storage.Unknown[time.Duration](why)
	b.Versioning = storage.Unknown[bool](why)
	b.DefaultHold = storage.Unknown[bool](why)
	b.ObjectRetention = storage.Unknown[bool](why)
	b.EncryptionKey = storage.Unknown[string](why)
	b.Location = storage.Unknown[storage.Geography](why)
	b.Lifecycle = storage.Unknown[[]storage.LifecycleRule](why)
}

// show translates the resource,
// https://cloud.google.com/storage/docs/json_api/v1/buckets#resource. What is off
// is left out of it, with three exceptions that Google always sends.
func show(b *storage.Bucket, attrs *gcs.BucketAttrs) {
	b.UniformAccess = storage.Known(attrs.UniformBucketLevelAccess.Enabled)
	b.PublicAccessPrevented = storage.Known(attrs.PublicAccessPrevention == gcs.PublicAccessPreventionEnforced)
	if attrs.PublicAccessPrevention == gcs.PublicAccessPreventionUnknown {
		b.PublicAccessPrevented = storage.Unknown[bool](storage.ErrNotSaid)
	}
	b.Retention = storage.Known(storage.Retention{})
	if p := attrs.RetentionPolicy; p != nil {
		b.Retention = storage.Known(storage.Retention{Period: p.RetentionPeriod, Locked: p.IsLocked})
	}
	b.SoftDelete = storage.Unknown[time.Duration](storage.ErrNotSaid)
	if p := attrs.SoftDeletePolicy; p != nil {
		b.SoftDelete = storage.Known(p.RetentionDuration)
	}
	b.Versioning = storage.Known(attrs.VersioningEnabled)
	b.DefaultHold = storage.Known(attrs.DefaultEventBasedHold)
	b.ObjectRetention = storage.Known(attrs.ObjectRetentionMode == "Enabled")
	b.EncryptionKey = storage.Known("")
	if e := attrs.Encryption; e != nil {
		b.EncryptionKey = storage.Known(e.DefaultKMSKeyName)
	}
	b.Location = location(attrs)
	var rules []storage.LifecycleRule
	for _, r := range attrs.Lifecycle.Rules {
		rules = append(rules, lifecycleRule(r))
	}
	b.Lifecycle = storage.Known(rules)
}

func location(attrs *gcs.BucketAttrs) storage.Fact[storage.Geography] {
	if attrs.LocationType == "" || attrs.Location == "" {
		return storage.Unknown[storage.Geography](storage.ErrNotSaid)
	}
	l := storage.Geography{Name: attrs.Location, Several: attrs.LocationType == "dual-region" || attrs.LocationType == "multi-region"}
	if p := attrs.CustomPlacementConfig; p != nil {
		l.Regions = p.DataLocations
	}
	return storage.Known(l)
}

// lifecycleRule translates a rule,
// https://cloud.google.com/storage/docs/lifecycle. All its conditions have to hold.
func lifecycleRule(r gcs.LifecycleRule) storage.LifecycleRule {
	c := r.Condition
	rule := storage.LifecycleRule{
		Deletes: r.Action.Type == gcs.DeleteAction,
		When:    when(c), Spares: spares(c),
		Prefixes: c.MatchesPrefix, Suffixes: c.MatchesSuffix,
	}
	// Every class of Google's can be read at once.
	if r.Action.Type == gcs.SetStorageClassAction {
		rule.Class = r.Action.StorageClass
	}
	return rule
}

func when(c gcs.LifecycleCondition) string {
	var conditions []string
	add := func(holds bool, format string, values ...any) {
		if holds {
			conditions = append(conditions, fmt.Sprintf(format, values...))
		}
	}
	add(c.AllObjects, "at once")
	add(c.AgeInDays > 0, "at an age of %d days", c.AgeInDays)
	add(!c.CreatedBefore.IsZero(), "if created before %s", c.CreatedBefore.Format(time.DateOnly))
	add(c.Liveness == gcs.Archived, "if noncurrent")
	add(c.DaysSinceNoncurrentTime > 0, "if noncurrent for %d days", c.DaysSinceNoncurrentTime)
	add(!c.NoncurrentTimeBefore.IsZero(), "if noncurrent before %s", c.NoncurrentTimeBefore.Format(time.DateOnly))
	add(c.NumNewerVersions > 0, "if there are %d newer versions", c.NumNewerVersions)
	add(c.DaysSinceCustomTime > 0 || !c.CustomTimeBefore.IsZero(), "by a time that their owner has set")
	add(len(c.MatchesStorageClasses) > 0, "if of class %s", strings.Join(c.MatchesStorageClasses, " or "))
	return strings.Join(conditions, ", ")
}

// spares says why a rule never touches an object of a repository: none of them has
// a newer version, and none has a custom time.
func spares(c gcs.LifecycleCondition) string {
	switch {
	case c.Liveness == gcs.Archived, c.DaysSinceNoncurrentTime > 0, !c.NoncurrentTimeBefore.IsZero(), c.NumNewerVersions > 0:
		return "it is about versions that were deleted or replaced"
	case c.DaysSinceCustomTime > 0, !c.CustomTimeBefore.IsZero():
		return "it is about objects with a custom time, which these have not"
	default:
		return ""
	}
}
