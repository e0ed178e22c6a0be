package bucket

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// pendingSegments is how many finished segments may wait in memory for the
// packs that they name.
const pendingSegments = 1

// lookAgain is after how many entries it is looked whether the packs that a
// finished segment waits for are there.
const lookAgain = 1 << 10

// index writes the entries of a bucket into segments, in listing order.
//
// A segment begins clean: as long as its entries are those of one segment of
// the base from its first on, nothing is written, and if it also ends there,
// the base's segment is taken over as it is. At the first difference the
// entries so far are copied from the base.
type index struct {
	draft  *repository.SourceDraft
	base   *base // nil where there is none
	book   *packBook
	packer *packer
	cut    cutter
	hasher *seal.Hasher

	open    segment
	pending []*segment
	refs    []repository.SegmentRef

	inherited      map[int]inherited // by layer of the base
	checkpoints    *checkpoints
	objects, bytes int64
	digest         seal.Digest
}

// inherited are the packs of one segment of the base.
type inherited struct {
	segment int
	packs   map[string]repository.PackRef
}

// segment is one that is being built or waits for its packs.
type segment struct {
	place  int   // in refs
	from   int   // the previous point's segment that it equals so far, while writer is nil
	count  int64 // entries
	writer *repository.SegmentWriter
	fresh  map[string]int64              // packs of this run -> entries in them
	old    map[string]repository.PackRef // packs of earlier runs
}

func newIndex(draft *repository.SourceDraft, base *base, book *packBook, packer *packer, cut cutter) *index {
	return &index{draft: draft, base: base, book: book, packer: packer, cut: cut, hasher: seal.NewHasher(draft.DigestKey()), inherited: map[int]inherited{}}
}

// add appends the entry of a slot that is complete.
func (x *index) add(ctx context.Context, s *slot) error {
	if s.origin == fromNowhere {
		return nil
	}
	x.count(s.entry)
	base := s.base()
	if base == nil {
		if err := x.checkpoints.add(ctx, s); err != nil {
			return err
		}
	}
	seg := &x.open
	if seg.writer == nil && !seg.continues(base) {
		if err := x.materialise(ctx, seg); err != nil {
			return err
		}
	}
	if seg.writer == nil {
		seg.from = base.segment
	} else if err := x.write(ctx, seg, s); err != nil {
		return err
	}
	seg.count++
	if x.cut.endsAfter(s.entry.Key, seg.count) {
		return x.cutHere(ctx)
	}
	if len(x.pending) > 0 && seg.count%lookAgain == 0 {
		return x.settle(ctx, pendingSegments)
	}
	return nil
}

// continues reports whether an entry is the next one of the previous point's
// segment.
func (g *segment) continues(b *baseEntry) bool {
	return b != nil && b.layer == 0 && b.position == g.count && (g.count == 0 || b.segment == g.from)
}

// count adds an entry to what stands in the plain list of the bucket.
func (x *index) count(e repository.IndexEntry) {
	x.objects++
	x.bytes += e.Size
	x.digest.Add(digestOf(x.hasher, e))
}

// digestOf is the keyed hash of one object: the length of its key as 8 bytes,
// the key, its size as 8 bytes, its SHA-256 as 32 bytes; numbers big-endian.
func digestOf(h *seal.Hasher, e repository.IndexEntry) seal.Digest {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], uint64(len(e.Key)))
	binary.BigEndian.PutUint64(numbers[8:], uint64(e.Size))
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil {
		sum = []byte(e.SHA256) // no SHA-256 at all: it must only differ from every real one
	}
	h.Reset()
	for _, part := range [][]byte{numbers[:8], []byte(e.Key), numbers[8:], sum} {
		h.Write(part) //nolint:errcheck // a Hasher never fails
	}
	return h.Sum()
}

// materialise starts to write a segment that is not the base's after all.
func (x *index) materialise(ctx context.Context, seg *segment) error {
	made, err := x.newSegment()
	if err != nil {
		return err
	}
	seg.writer, seg.fresh, seg.old = made.writer, made.fresh, made.old
	if seg.count == 0 {
		return nil
	}
	packs, err := x.inherit(ctx, 0, seg.from)
	if err != nil {
		return err
	}
	return x.base.head(ctx, seg.from, seg.count, func(e repository.IndexEntry) error {
		return x.writeOld(seg, packs, e)
	})
}

// newSegment starts to write a segment.
func (x *index) newSegment() (*segment, error) {
	writer, err := x.draft.CreateSegment()
	if err != nil {
		return nil, err
	}
	return &segment{writer: writer, fresh: map[string]int64{}, old: map[string]repository.PackRef{}}, nil
}

// write adds an entry to a segment that is being written.
func (x *index) write(ctx context.Context, seg *segment, s *slot) error {
	if s.origin == fromServer {
		if s.entry.Pack != "" {
			seg.fresh[s.entry.Pack]++
		}
		return seg.writer.Add(s.entry)
	}
	packs, err := x.inherit(ctx, s.old.layer, s.old.segment)
	if err != nil {
		return err
	}
	return x.writeOld(seg, packs, s.entry)
}

// writeOld adds an entry whose pack an earlier run has written.
func (x *index) writeOld(seg *segment, packs map[string]repository.PackRef, e repository.IndexEntry) error {
	if e.Pack != "" {
		ref, ok := packs[e.Pack]
		if !ok {
			return &baseError{fmt.Errorf("the segment of object %q does not list the pack that it names", e.Key)}
		}
		seg.old[e.Pack] = ref
	}
	return seg.writer.Add(e)
}

// inherit returns the packs of a segment of the base. Entries come in order, so
// the packs of one segment of each layer at a time are enough.
func (x *index) inherit(ctx context.Context, layer, from int) (map[string]repository.PackRef, error) {
	if known, ok := x.inherited[layer]; ok && known.segment == from {
		return known.packs, nil
	}
	packs, err := x.base.packs(ctx, layer, from)
	if err != nil {
		return nil, err
	}
	refs := make(map[string]repository.PackRef, len(packs))
	for _, p := range packs {
		refs[p.ID] = p.PackRef
	}
	x.inherited[layer] = inherited{from, refs}
	return refs, nil
}

// cutHere ends the open segment.
func (x *index) cutHere(ctx context.Context) error {
	seg := x.open
	x.open = segment{place: len(x.refs) + 1}
	x.refs = append(x.refs, repository.SegmentRef{})
	if seg.writer == nil && seg.count == x.base.layers[0][seg.from].Entries {
		return x.keep(ctx, &seg)
	}
	if seg.writer == nil {
		if err := x.materialise(ctx, &seg); err != nil {
			return err
		}
	}
	if err := seg.writer.Finish(); err != nil {
		return err
	}
	x.pending = append(x.pending, &seg)
	return x.settle(ctx, pendingSegments)
}

// keep takes a segment of the base over as it is.
func (x *index) keep(ctx context.Context, seg *segment) error {
	ref := x.base.layers[0][seg.from]
	packs, err := x.base.packs(ctx, 0, seg.from)
	if err != nil {
		return err
	}
	x.draft.KeepSegment(ref, packs)
	x.refs[seg.place] = ref
	return nil
}

// settle commits the segments whose packs are committed, and waits for packs
// until at most limit segments are left.
func (x *index) settle(ctx context.Context, limit int) error {
	for i := 0; i < len(x.pending); {
		seg := x.pending[i]
		if !x.ready(seg) {
			if len(x.pending) <= limit {
				i++
				continue
			}
			if err := x.await(ctx, seg); err != nil {
				return err
			}
		}
		ref, err := x.commit(ctx, seg)
		if err != nil {
			return err
		}
		x.refs[seg.place] = ref
		x.pending = slices.Delete(x.pending, i, i+1)
	}
	return nil
}

func (x *index) ready(seg *segment) bool {
	for id := range seg.fresh {
		if _, ok := x.book.find(id); !ok {
			return false
		}
	}
	return true
}

// await waits for the packs of a segment. The packer might be waiting itself
// for objects that come only when the index goes on, so it is asked to end its
// pack.
func (x *index) await(ctx context.Context, seg *segment) error {
	x.packer.ask()
	for id := range seg.fresh {
		if err := x.book.wait(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) commit(ctx context.Context, seg *segment) (repository.SegmentRef, error) {
	ref, err := seg.writer.Commit(ctx, func(id string) (repository.PackRef, bool) {
		if ref, ok := seg.old[id]; ok {
			return ref, true
		}
		return x.book.find(id)
	})
	if err != nil {
		return ref, err
	}
	for id, n := range seg.fresh {
		x.book.forget(id, n)
	}
	return ref, nil
}

// finish ends the index; every pack has been asked for by then.
func (x *index) finish(ctx context.Context) error {
	if x.open.count > 0 {
		if err := x.cutHere(ctx); err != nil {
			return err
		}
	}
	if err := x.settle(ctx, 0); err != nil {
		return err
	}
	return x.checkpoints.end(ctx, x.refs)
}
