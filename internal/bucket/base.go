package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// previous is what the previous point holds of a bucket.
type previous struct {
	point   string
	started time.Time
	list    *repository.BucketList
}

// openPrevious returns what the previous point holds of a bucket, or nil where
// that is nothing.
func openPrevious(ctx context.Context, reader *repository.SourceReader, bucket string) (*previous, error) {
	if reader == nil {
		return nil, nil // "there is none" is an answer
	}
	list, err := reader.BucketList(ctx, bucket)
	if err != nil || list == nil {
		return nil, err
	}
	return &previous{reader.Point().Point, reader.Point().Started, list}, nil
}

// base is what is known of a bucket before it is listed: what the previous
// point recorded, and above that what runs after it have captured that did not
// end.
type base struct {
	index *repository.IndexReader
	order order
	// layers are lists of segments, each in order. Of a key that several hold,
	// the last one is right. The first layer is the previous point's; only its
	// segments may be taken over as they are.
	layers [][]repository.SegmentRef
	// since is when the runs began that have captured the layers: of the
	// previous point, and of what lies above it.
	since [2]time.Time
}

// newBase returns the base, or nil where nothing is known. What is listed in
// another order than the previous point is of no use.
func newBase(index *repository.IndexReader, was *previous, continued repository.BucketProgress) *base {
	b := &base{index: index, order: order(continued.Order), layers: [][]repository.SegmentRef{nil}}
	if was != nil {
		b.order, b.layers[0], b.since[0] = order(was.list.Order), was.list.Segments, was.started
	}
	if order(continued.Order) == b.order {
		b.layers, b.since[1] = append(b.layers, continued.Layers...), continued.Since
	}
	if was == nil && len(b.layers) == 1 {
		return nil
	}
	return b
}

// without returns what is left when one part turns out to be of no use: the
// previous point's list where something lies above it, or else nothing.
func (b *base) without() *base {
	if len(b.layers) == 1 || len(b.layers[0]) == 0 {
		return nil
	}
	return &base{b.index, b.order, b.layers[:1], b.since}
}

// above returns the layers above the previous point's.
func (b *base) above() [][]repository.SegmentRef {
	if b == nil {
		return nil
	}
	return b.layers[1:]
}

// usualRacy is how much earlier than a run an object may have been written to be
// written again unseen: servers tell modification times in whole seconds, and
// have clocks of their own.
const usualRacy = 2 * time.Second

// isUnsure reports that an entry may be of an object that was written again while
// it was captured, with the same size, ETag and time.
func (b *base) isUnsure(e *baseEntry, racy time.Duration) bool {
	return !e.Modified.Before(b.since[min(e.layer, 1)].Add(-racy))
}

// place is where an entry of the base stands.
type place struct {
	layer, segment int
	position       int64
}

// baseEntry is an entry of the base with its place, from which the index
// learns that a segment has not changed.
type baseEntry struct {
	repository.IndexEntry
	place
}

// baseError says that the base cannot be used. The bucket is then mirrored as
// if there were none: slower, and correct.
type baseError struct{ err error }

func (e *baseError) Error() string { return "read the previous point's index: " + e.err.Error() }
func (e *baseError) Unwrap() error { return e.err }

// each calls fn for all entries in their order, of every key for one.
func (b *base) each(ctx context.Context, fn func(baseEntry) error) error {
	if len(b.layers) == 1 {
		return b.eachOf(ctx, 0, fn)
	}
	heads := make([]*layerHead, 0, len(b.layers))
	for layer := range b.layers {
		h := new(layerHead)
		var stop func()
		h.pull, stop = iter.Pull2(b.entries(ctx, layer))
		defer stop()
		if err := h.advance(); err != nil {
			return err
		}
		heads = append(heads, h)
	}
	for {
		next := b.first(heads)
		if next == nil {
			return nil
		}
		if err := fn(*next); err != nil {
			return err
		}
		for _, h := range heads {
			if h.entry != nil && h.entry.Key == next.Key {
				if err := h.advance(); err != nil {
					return err
				}
			}
		}
	}
}

// layerHead is a layer while all are merged.
type layerHead struct {
	pull  func() (baseEntry, error, bool)
	entry *baseEntry // nil at the end
}

func (h *layerHead) advance() error {
	e, err, more := h.pull()
	h.entry = nil
	if more && err == nil {
		h.entry = &e
	}
	return err
}

// first returns the entry that comes first, of equal keys the last layer's.
func (b *base) first(heads []*layerHead) *baseEntry {
	var first *baseEntry
	for _, h := range slices.Backward(heads) {
		if h.entry != nil && (first == nil || b.order.compare(h.entry.Key, first.Key) < 0) {
			first = h.entry
		}
	}
	return first
}

// entries returns those of one layer.
func (b *base) entries(ctx context.Context, layer int) iter.Seq2[baseEntry, error] {
	return func(yield func(baseEntry, error) bool) {
		err := b.eachOf(ctx, layer, func(e baseEntry) error {
			if !yield(e, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(baseEntry{}, err)
		}
	}
}

// eachOf calls fn for the entries of one layer.
func (b *base) eachOf(ctx context.Context, layer int, fn func(baseEntry) error) error {
	for i, ref := range b.layers[layer] {
		at := place{layer, i, -1}
		err := eachEntry(ctx, b.index, ref, func(e repository.IndexEntry) error {
			at.position++
			return fn(baseEntry{e, at})
		})
		if err != nil {
			return usable(ctx, err)
		}
	}
	return nil
}

// head calls fn for the first n entries of a segment of the previous point.
func (b *base) head(ctx context.Context, segment int, n int64, fn func(repository.IndexEntry) error) error {
	if n == 0 {
		return nil
	}
	err := eachEntry(ctx, b.index, b.layers[0][segment], func(e repository.IndexEntry) error {
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
func (b *base) packs(ctx context.Context, layer, segment int) ([]repository.SegmentPack, error) {
	packs, err := b.index.SegmentPacks(ctx, b.layers[layer][segment])
	if err != nil {
		return nil, usable(ctx, err)
	}
	return packs, nil
}

// eachEntry calls fn for the entries of one segment.
func eachEntry(ctx context.Context, index *repository.IndexReader, ref repository.SegmentRef, fn func(repository.IndexEntry) error) (err error) {
	segment, err := index.Segment(ctx, ref)
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
	if err == nil || errors.As(err, &already) || errors.Is(err, errEnough) {
		return err
	}
	if kind := fault.KindOf(err); ctx.Err() == nil && (kind == fault.Corrupt || kind == fault.Usage) {
		return &baseError{err}
	}
	return err
}
