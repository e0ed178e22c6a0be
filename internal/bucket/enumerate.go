package bucket

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Enumerate calls fn for every object that the point holds, bucket by bucket.
func (s *Source) Enumerate(ctx context.Context, from *repository.SourceReader, fn func(bucket, key string, size int64) error) error {
	var record Captured
	if err := from.Captured(&record); err != nil {
		return err
	}
	for _, b := range record.Buckets {
		list, err := from.BucketList(ctx, b.Bucket)
		if err != nil {
			return fmt.Errorf("read list of bucket %s: %w", b.Bucket, err)
		}
		if list == nil {
			continue // a restore says so
		}
		p := &planned{list: list, pick: picker{include: []string{""}}}
		err = p.each(ctx, from, func(e repository.IndexEntry) error { return fn(b.Bucket, e.Key, e.Size) })
		if err != nil {
			return err
		}
	}
	return nil
}
