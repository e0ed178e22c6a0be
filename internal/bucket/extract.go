package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// Extract writes the content of one object, BUCKET/KEY, to w. Its last bytes are
// written only after all were found right.
func (s *Source) Extract(ctx context.Context, from *repository.SourceReader, object string, w io.Writer) error {
	bucket, key, _ := strings.Cut(object, "/")
	doing := fmt.Sprintf("read object %q of bucket %s", key, bucket)
	list, err := from.BucketList(ctx, bucket)
	if err != nil {
		return fmt.Errorf("read list of bucket %s: %w", bucket, err)
	}
	if list == nil {
		return fault.New(fault.Usage, doing, "the point does not hold this bucket")
	}
	e, pack, err := find(ctx, from, list, key)
	if err != nil {
		return err
	}
	if e == nil {
		return fault.New(fault.Usage, doing, "the point does not hold it").Hint("the key is given as it is, without escapes; another point may hold it")
	}
	if e.Size == 0 {
		return nil
	}
	content, err := from.OpenExtent(ctx, pack, e.Key, e.Extent)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, &verifier{from: content, sum: sha256.New(), want: *e})
	return errors.Join(err, content.Close())
}

// find looks for an object in the index, and for its pack.
func find(ctx context.Context, from *repository.SourceReader, list *repository.BucketList, key string) (found *repository.IndexEntry, pack repository.PackRef, err error) {
	for _, ref := range list.Segments {
		err := eachEntry(ctx, from.IndexReader, ref, func(e repository.IndexEntry) error {
			if e.Key != key {
				return nil
			}
			found = &e
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, pack, fmt.Errorf("read index of bucket %s: %w", list.Bucket, err)
		}
		if found == nil {
			continue
		}
		packs, err := from.SegmentPacks(ctx, ref)
		for _, p := range packs {
			if p.ID == found.Pack {
				return found, p.PackRef, nil
			}
		}
		if err == nil && found.Size > 0 {
			err = corrupt(*found, "its segment of the index does not list its pack")
		}
		return found, pack, err
	}
	return nil, pack, nil
}
