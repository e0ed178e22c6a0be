package bucket

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// keysAtOnce bounds the keys of a point that are held in memory as hashes.
const keysAtOnce = 1 << 20

// surplus calls fn for each page of wanted objects at the target that the
// point does not hold. The target may list in another order than the source
// did, so the two are not merged: the point's keys are held as hashes, and a
// large point takes several passes over the listing (invariant 7).
func (s *Source) surplus(ctx context.Context, from *repository.SourceReader, p *planned, fn func([]listed) error) error {
	passes := uint64(p.objects/keysAtOnce + 1)
	seed := maphash.MakeSeed()
	for pass := range passes {
		mine := func(key string) (uint64, bool) {
			h := maphash.String(seed, key)
			return h, h%passes == pass
		}
		held := make([]uint64, 0, uint64(p.objects)/passes+1)
		err := p.each(ctx, from, func(e repository.IndexEntry) error {
			if h, ok := mine(e.Key); ok {
				held = append(held, h)
			}
			return nil
		})
		if err != nil {
			return err
		}
		slices.Sort(held)
		err = s.eachPage(ctx, p, func(page []listed) error {
			var extra []listed
			for _, l := range page {
				h, ok := mine(l.Key)
				if !ok || !p.pick.wants(l.Key) {
					continue
				}
				if _, found := slices.BinarySearch(held, h); !found {
					extra = append(extra, l)
				}
			}
			if len(extra) == 0 {
				return nil
			}
			return fn(extra)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachPage lists the target.
func (s *Source) eachPage(ctx context.Context, p *planned, fn func([]listed) error) error {
	listing := s.list(p.target, p.pick.common)
	for {
		began := time.Now()
		page, err := listing.next(ctx)
		if err != nil {
			return s.explain(ctx, "list bucket "+p.target, err, began)
		}
		if page == nil {
			return nil
		}
		if err := fn(page); err != nil {
			return err
		}
	}
}

// remove deletes objects of the target.
func (s *Source) remove(ctx context.Context, bucket string, objects []listed) error {
	began := time.Now()
	call, cancel := context.WithTimeout(ctx, s.options.patience.call)
	defer cancel()
	var doomed []types.ObjectIdentifier
	for _, l := range objects {
		if isMarker(l) {
			continue // SeaweedFS takes a directory's marker only alone
		}
		doomed = append(doomed, types.ObjectIdentifier{Key: aws.String(l.Key)})
	}
	if len(doomed) > 0 {
		out, err := s.api().DeleteObjects(call, &s3.DeleteObjectsInput{
			Bucket: aws.String(bucket), Delete: &types.Delete{Objects: doomed, Quiet: aws.Bool(true)},
		})
		if err == nil && len(out.Errors) > 0 {
			err = errors.New(aws.ToString(out.Errors[0].Message))
		}
		if err != nil {
			return s.explain(ctx, "delete objects of bucket "+bucket, err, began)
		}
	}
	for _, l := range objects {
		if !isMarker(l) {
			continue
		}
		_, err := s.api().DeleteObject(call, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(l.Key)})
		if err != nil && !isAbsent(err) {
			return s.explain(ctx, "delete a directory marker of bucket "+bucket, err, began)
		}
	}
	return nil
}
