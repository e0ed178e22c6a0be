package bucket

import (
	"context"
	"errors"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// errFound ends a search.
var errFound = errors.New("found")

// Locate finds the pack that holds an object of a point.
func (s *Source) Locate(ctx context.Context, from *repository.SourceReader, names []string) ([]repository.File, error) {
	if len(names) != 2 {
		return nil, nil // a bucket is of as many files as there are
	}
	list, err := from.BucketList(ctx, names[0])
	if err != nil || list == nil {
		return nil, err
	}
	for _, ref := range list.Segments {
		var entry repository.IndexEntry
		err := eachEntry(ctx, from.IndexReader, ref, func(e repository.IndexEntry) error {
			if e.Key == names[1] {
				entry = e
				return errFound
			}
			return nil
		})
		if err == nil {
			continue
		}
		if !errors.Is(err, errFound) {
			return nil, err
		}
		packs, err := from.SegmentPacks(ctx, ref)
		for _, p := range packs {
			if p.ID == entry.Pack {
				return []repository.File{repository.PackFile(p.PackRef)}, nil
			}
		}
		return nil, err
	}
	return nil, nil
}
