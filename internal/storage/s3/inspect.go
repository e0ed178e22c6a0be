package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/storage"
)

var _ storage.BucketInspector = (*Store)(nil)

// InspectBucket asks how the bucket is set up, one matter after the other. S3 has no
// question for the rights of the caller, nor have most services other than Amazon's
// an answer to all of these.
func (s *Store) InspectBucket(ctx context.Context) *storage.Bucket {
	return &storage.Bucket{
		Service: storage.S3, Name: s.bucket, Prefix: s.prefix, Endpoint: s.options.Endpoint,
		PublicAccessPrevented: s.publicAccess(ctx),
		Retention:             s.retention(ctx),
		Versioning:            s.versioning(ctx),
		Location:              s.location(ctx),
		Lifecycle:             s.lifecycle(ctx),
		Rights:                storage.Unknown[[]string](storage.ErrNotSaid),
	}
}

// answer turns what the service has replied into a fact. Where it says by one of
// some codes that nothing is set, the value is the zero one.
func answer[T any](s *Store, what string, value T, err error, nothing ...string) storage.Fact[T] {
	var none T
	switch {
	case err == nil:
		return storage.Known(value)
	case slices.Contains(nothing, codeOf(err)):
		return storage.Known(none)
	case isStatus(err, http.StatusNotImplemented), isStatus(err, http.StatusMethodNotAllowed):
		return storage.Unknown[T](storage.ErrNotSaid)
	default:
		return storage.Unknown[T](s.mapError("look at the "+what+" of", s.bucket, err))
	}
}

func (s *Store) publicAccess(ctx context.Context) storage.Fact[bool] {
	out, err := s.api.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &s.bucket})
	blocked := false
	if err == nil && out.PublicAccessBlockConfiguration != nil {
		c := out.PublicAccessBlockConfiguration
		blocked = aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.IgnorePublicAcls) && aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.RestrictPublicBuckets)
	}
	return answer(s, "public access block", blocked, err, "NoSuchPublicAccessBlockConfiguration")
}

// retention is what Object Lock gives every new object by itself. In the mode
// COMPLIANCE nobody can end it.
func (s *Store) retention(ctx context.Context) storage.Fact[storage.Retention] {
	out, err := s.api.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.bucket})
	var r storage.Retention
	if err == nil && out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.Rule != nil && out.ObjectLockConfiguration.Rule.DefaultRetention != nil {
		d := out.ObjectLockConfiguration.Rule.DefaultRetention
		days := time.Duration(aws.ToInt32(d.Days)) + 365*time.Duration(aws.ToInt32(d.Years))
		r = storage.Retention{Period: days * 24 * time.Hour, Locked: d.Mode == types.ObjectLockRetentionModeCompliance}
	}
	return answer(s, "object lock", r, err, "ObjectLockConfigurationNotFoundError")
}

func (s *Store) versioning(ctx context.Context) storage.Fact[bool] {
	out, err := s.api.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	return answer(s, "versioning", err == nil && out.Status == types.BucketVersioningStatusEnabled, err)
}

// location is one region: Amazon's buckets are in no more, and of other services
// nobody knows.
func (s *Store) location(ctx context.Context) storage.Fact[storage.Geography] {
	out, err := s.api.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &s.bucket})
	var l storage.Geography
	if err == nil {
		l.Name = cmp.Or(string(out.LocationConstraint), "us-east-1")
	}
	return answer(s, "location", l, err)
}

func (s *Store) lifecycle(ctx context.Context) storage.Fact[[]storage.LifecycleRule] {
	out, err := s.api.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket})
	var rules []storage.LifecycleRule
	if err == nil {
		for _, r := range out.Rules {
			rules = append(rules, lifecycleRules(r)...)
		}
	}
	return answer(s, "lifecycle", rules, err, "NoSuchLifecycleConfiguration")
}

// lifecycleRules takes a rule of S3 apart, which may do several things,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html.
// What it does to versions that were deleted or replaced, to markers of deletion and
// to uploads that nobody completes is no matter here.
func lifecycleRules(r types.LifecycleRule) []storage.LifecycleRule {
	if r.Status != types.ExpirationStatusEnabled {
		return nil
	}
	of := scope(r)
	var rules []storage.LifecycleRule
	if e := r.Expiration; e != nil && (e.Days != nil || e.Date != nil) {
		of.Deletes, of.When = true, whenS3(e.Days, e.Date)
		rules = append(rules, of)
	}
	for _, t := range r.Transitions {
		moved := scope(r)
		moved.Class, moved.When = string(t.StorageClass), whenS3(t.Days, t.Date)
		moved.Unreadable = t.StorageClass == types.TransitionStorageClassGlacier || t.StorageClass == types.TransitionStorageClassDeepArchive
		rules = append(rules, moved)
	}
	return rules
}

// scope says which objects a rule is about. Objects of a repository bear no tags.
func scope(r types.LifecycleRule) storage.LifecycleRule {
	prefix, tagged := aws.ToString(r.Prefix), false //nolint:staticcheck // buckets still have rules of that kind
	if f := r.Filter; f != nil {
		prefix, tagged = cmp.Or(aws.ToString(f.Prefix), prefix), f.Tag != nil
		if f.And != nil {
			prefix, tagged = cmp.Or(aws.ToString(f.And.Prefix), prefix), len(f.And.Tags) > 0
		}
	}
	var rule storage.LifecycleRule
	if prefix != "" {
		rule.Prefixes = []string{prefix}
	}
	if tagged {
		rule.Spares = "it is about objects with a tag, which these have not"
	}
	return rule
}

func whenS3(days *int32, date *time.Time) string {
	var conditions []string
	if days != nil {
		conditions = append(conditions, fmt.Sprintf("at an age of %d days", *days))
	}
	if date != nil {
		conditions = append(conditions, "on "+date.Format(time.DateOnly))
	}
	return strings.Join(conditions, ", ")
}
