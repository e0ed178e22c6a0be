package bucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

var (
	_ source.Identified = (*Source)(nil)
	_ source.Inhabited  = (*Source)(nil)
	_ source.Clearer    = (*Source)(nil)
)

// Identity returns where the server is reached, and when each of its buckets was
// created: S3 has no name for a server, and a key may see only some buckets of it.
func (s *Source) Identity(ctx context.Context) ([]string, error) {
	marks, err := source.AddressMarks(ctx, s.host)
	buckets, listErr := s.allBuckets(ctx)
	for _, b := range buckets {
		if b.CreationDate != nil {
			marks = append(marks, fmt.Sprintf("bucket %s of %s", aws.ToString(b.Name), b.CreationDate.UTC().Format(time.RFC3339Nano)))
		}
	}
	return marks, errors.Join(err, listErr)
}

// allBuckets lists every bucket that the key sees.
func (s *Source) allBuckets(ctx context.Context) ([]types.Bucket, error) {
	began := time.Now()
	var found []types.Bucket
	for token := (*string)(nil); ; {
		var page *s3.ListBucketsOutput
		err := s.call(ctx, func(ctx context.Context) (err error) {
			page, err = s.api().ListBuckets(ctx, &s3.ListBucketsInput{ContinuationToken: token})
			return err
		})
		if err != nil {
			return found, s.explain(ctx, "list all buckets", err, began)
		}
		found = append(found, page.Buckets...)
		if next := aws.ToString(page.ContinuationToken); next == "" || next == aws.ToString(token) {
			return found, nil
		}
		token = page.ContinuationToken
	}
}

// Inhabitants returns the buckets that hold anything, an older version of
// something deleted, too.
func (s *Source) Inhabitants(ctx context.Context) ([]source.Occupied, error) {
	buckets, err := s.allBuckets(ctx)
	if err != nil {
		return nil, err
	}
	var found []source.Occupied
	for _, b := range buckets {
		p := &planned{target: aws.ToString(b.Name)}
		holds, err := s.look(ctx, p)
		if err != nil {
			return nil, err
		}
		if !p.occupied {
			older, err := s.versionsOf(ctx, p.target)
			if err != nil {
				return nil, err
			}
			p.occupied, holds = len(older) > 0, "older versions"
		}
		if p.occupied {
			found = append(found, source.Occupied{Target: s.target(p.target), Parts: []string{p.target}, Holds: holds})
		}
	}
	return found, nil
}

// versionsOf returns the first versions and delete markers of a bucket; none
// where the server keeps none.
func (s *Source) versionsOf(ctx context.Context, bucket string) ([]version, error) {
	began := time.Now()
	page, err := (&versionListing{source: s, bucket: bucket, current: true}).next(ctx)
	if errors.Is(err, errNoVersions) || isNoBucket(err) || isRefused(err) && !isDenied(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain(ctx, "list versions in bucket "+bucket, err, began)
	}
	found := make([]version, 0, len(page))
	for _, l := range page {
		v, err := parseVersion(l.Key)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, nil
}

// Clear deletes the buckets that the plan was to fill, with all that is in them. One
// that was there, and empty, is made again.
func (s *Source) Clear(ctx context.Context, _ *repository.SourceReader, todo *source.Plan) error {
	private, ok := todo.Private.(*plan)
	if !ok {
		return errors.New("clear buckets: the plan is not of this source")
	}
	for _, p := range private.buckets {
		if p.occupied {
			return fault.New(fault.Refused, "clear", "it held something before").On(s.target(p.target))
		}
	}
	for _, p := range private.buckets {
		if err := s.clear(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) clear(ctx context.Context, p *planned) error {
	began := time.Now()
	err := s.empty(ctx, p.target)
	if isNoBucket(err) { // the restore had not begun, or it was cleared before
		return nil
	}
	if err != nil {
		return err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		_, err := s.api().DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(p.target)})
		return err
	})
	if err == nil && !p.create {
		err = s.call(ctx, func(ctx context.Context) error {
			_, err := s.api().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(p.target)})
			return err
		})
	}
	return s.explain(ctx, "clear bucket "+p.target, err, began)
}

// empty deletes objects, and then what versions are left of them. It always looks
// at the first page: what that named is gone the next time.
func (s *Source) empty(ctx context.Context, bucket string) error {
	for before := ""; ; {
		began := time.Now()
		page, err := s.list(bucket, "").next(ctx)
		if err != nil {
			return s.explain(ctx, "list bucket "+bucket, err, began)
		}
		if len(page) == 0 {
			return s.removeVersions(ctx, bucket)
		}
		if page[0].Key == before { // Invariant 9
			return fault.New(fault.Failed, "clear bucket "+bucket, "what was deleted is listed again").On("at " + s.settings.Endpoint)
		}
		before = page[0].Key
		if err := s.remove(ctx, bucket, page); err != nil {
			return err
		}
	}
}

func (s *Source) removeVersions(ctx context.Context, bucket string) error {
	for before := (version{}); ; {
		found, err := s.versionsOf(ctx, bucket)
		if err != nil || len(found) == 0 {
			return err
		}
		if found[0] == before { // Invariant 9
			return fault.New(fault.Failed, "clear bucket "+bucket, "a version that was deleted is listed again").On("at " + s.settings.Endpoint)
		}
		before = found[0]
		began := time.Now()
		doomed := make([]types.ObjectIdentifier, 0, len(found))
		for _, v := range found {
			doomed = append(doomed, types.ObjectIdentifier{Key: aws.String(v.key), VersionId: optional(v.id)})
		}
		err = s.call(ctx, func(ctx context.Context) error {
			out, err := s.api().DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: doomed, Quiet: aws.Bool(true)}})
			if err == nil && len(out.Errors) > 0 {
				err = errors.New(aws.ToString(out.Errors[0].Message))
			}
			return err
		})
		if err != nil {
			return s.explain(ctx, "delete versions of bucket "+bucket, err, began)
		}
	}
}
