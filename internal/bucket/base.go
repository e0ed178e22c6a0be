package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// base is what the previous point recorded of a bucket.
type base struct {
	reader *repository.SourceReader
	list   *repository.BucketList
}

// baseEntry is an entry of the base with its place, from which the index
// learns that a segment has not changed.
type baseEntry struct {
	repository.IndexEntry
	segment  int
	position int64
}

// baseError says that the base cannot be used. The bucket is then mirrored as
// if there were none: slower, and correct.
type baseError struct{ err error }

func (e *baseError) Error() string { return "read the previous point's index: " + e.err.Error() }
func (e *baseError) Unwrap() error { return e.err }

// openBase returns the base of a bucket, or nil where there is none.
func openBase(ctx context.Context, reader *repository.SourceReader, bucket string) (*base, error) {
	if reader == nil {
		return nil, nil //nolint:nilnil // "there is no base" is an answer
	}
	list, err := reader.BucketList(ctx, bucket)
	if err != nil || list == nil {
		return nil, err
	}
	return &base{reader, list}, nil
}

// each calls fn for all entries in their order.
func (b *base) each(ctx context.Context, fn func(baseEntry) error) error {
	for i, ref := range b.list.Segments {
		position := int64(-1)
		err := eachEntry(ctx, b.reader, ref, func(e repository.IndexEntry) error {
			position++
			return fn(baseEntry{e, i, position})
		})
		if err != nil {
			return usable(ctx, err)
		}
	}
	return nil
}

// head calls fn for the first n entries of a segment.
func (b *base) head(ctx context.Context, segment int, n int64, fn func(repository.IndexEntry) error) error {
	if n == 0 {
		return nil
	}
	err := eachEntry(ctx, b.reader, b.list.Segments[segment], func(e repository.IndexEntry) error {
		if n--; n < 0 {
			return errEnough
		}
		return fn(e)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return usable(ctx, err)
}

var errEnough = errors.New("enough entries")

// packs returns the packs that a segment needs.
func (b *base) packs(ctx context.Context, segment int) ([]repository.SegmentPack, error) {
	packs, err := b.reader.SegmentPacks(ctx, b.list.Segments[segment])
	if err != nil {
		return nil, usable(ctx, err)
	}
	return packs, nil
}

// eachEntry calls fn for the entries of one segment.
func eachEntry(ctx context.Context, reader *repository.SourceReader, ref repository.SegmentRef, fn func(repository.IndexEntry) error) (err error) {
	segment, err := reader.Segment(ctx, ref)
	if err != nil {
		return fmt.Errorf("open index segment %s: %w", ref.ID, err)
	}
	defer func() { err = errors.Join(err, segment.Close()) }()
	for {
		entry, err := segment.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("index segment %s: %w", ref.ID, err)
		}
		if err := fn(entry); err != nil {
			return err
		}
	}
}

// usable marks what can be helped by doing without the base: damage, and keys
// that are not there. A storage that does not answer is none of these.
func usable(ctx context.Context, err error) error {
	var already *baseError
	if err == nil || errors.As(err, &already) {
		return err
	}
	if kind := fault.KindOf(err); ctx.Err() == nil && (kind == fault.Corrupt || kind == fault.Usage) {
		return &baseError{err}
	}
	return err
}
