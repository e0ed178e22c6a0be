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
const pendingSegments = 3

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

	inherited      map[string]repository.PackRef // packs of base segment inheritedFrom
	inheritedFrom  int
	objects, bytes int64
	digest         seal.Digest
}

// segment is one that is being built or waits for its packs.
type segment struct {
	place  int   // in refs
	from   int   // the base's segment that it equals so far, while writer is nil
	count  int64 // entries
	writer *repository.SegmentWriter
	fresh  map[string]int64              // packs of this run -> entries in them
	old    map[string]repository.PackRef // packs of earlier runs
}

func newIndex(draft *repository.SourceDraft, base *base, book *packBook, packer *packer, cut cutter) *index {
	return &index{draft: draft, base: base, book: book, packer: packer, cut: cut, hasher: seal.NewHasher(draft.DigestKey()), inheritedFrom: -1}
}

// add appends the entry of a slot that is complete.
func (x *index) add(ctx context.Context, s *slot) error {
	if s.gone {
		return nil
	}
	x.count(s.entry)
	seg := &x.open
	if seg.writer == nil && !seg.continues(s.base) {
		if err := x.materialise(ctx, seg); err != nil {
			return err
		}
	}
	if seg.writer == nil {
		seg.from = s.base.segment
	} else if err := x.write(ctx, seg, s); err != nil {
		return err
	}
	seg.count++
	if x.cut.endsAfter(s.entry.Key, seg.count) {
		return x.cutHere(ctx)
	}
	return nil
}

// continues reports whether an entry is the next one of the base's segment.
func (g *segment) continues(b *baseEntry) bool {
	return b != nil && b.position == g.count && (g.count == 0 || b.segment == g.from)
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
	writer, err := x.draft.CreateSegment()
	if err != nil {
		return err
	}
	seg.writer, seg.fresh, seg.old = writer, map[string]int64{}, map[string]repository.PackRef{}
	if seg.count == 0 {
		return nil
	}
	if err := x.inherit(ctx, seg.from); err != nil {
		return err
	}
	return x.base.head(ctx, seg.from, seg.count, func(e repository.IndexEntry) error {
		return x.writeOld(seg, e)
	})
}

// write adds an entry to a segment that is being written.
func (x *index) write(ctx context.Context, seg *segment, s *slot) error {
	if s.base == nil {
		if s.entry.Pack != "" {
			seg.fresh[s.entry.Pack]++
		}
		return seg.writer.Add(s.entry)
	}
	if err := x.inherit(ctx, s.base.segment); err != nil {
		return err
	}
	return x.writeOld(seg, s.entry)
}

// writeOld adds an entry whose pack an earlier run has written.
func (x *index) writeOld(seg *segment, e repository.IndexEntry) error {
	if e.Pack != "" {
		ref, ok := x.inherited[e.Pack]
		if !ok {
			return &baseError{fmt.Errorf("segment %s does not list a pack that it names", x.base.list.Segments[x.inheritedFrom].ID)}
		}
		seg.old[e.Pack] = ref
	}
	return seg.writer.Add(e)
}

// inherit reads the packs of a segment of the base. Entries come in order, so
// the packs of one segment at a time are enough.
func (x *index) inherit(ctx context.Context, from int) error {
	if x.inheritedFrom == from {
		return nil
	}
	packs, err := x.base.packs(ctx, from)
	if err != nil {
		return err
	}
	x.inherited, x.inheritedFrom = make(map[string]repository.PackRef, len(packs)), from
	for _, p := range packs {
		x.inherited[p.ID] = p.PackRef
	}
	return nil
}

// cutHere ends the open segment.
func (x *index) cutHere(ctx context.Context) error {
	seg := x.open
	x.open = segment{place: len(x.refs) + 1}
	x.refs = append(x.refs, repository.SegmentRef{})
	if seg.writer == nil && seg.count == x.base.list.Segments[seg.from].Entries {
		return x.keep(ctx, &seg)
	}
	if seg.writer == nil {
		if err := x.materialise(ctx, &seg); err != nil {
			return err
		}
	}
	x.pending = append(x.pending, &seg)
	return x.settle(ctx, pendingSegments)
}

// keep takes a segment of the base over as it is.
func (x *index) keep(ctx context.Context, seg *segment) error {
	ref := x.base.list.Segments[seg.from]
	packs, err := x.base.packs(ctx, seg.from)
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
		if err := x.commit(ctx, seg); err != nil {
			return err
		}
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

func (x *index) commit(ctx context.Context, seg *segment) error {
	ref, err := seg.writer.Commit(ctx, func(id string) (repository.PackRef, bool) {
		if ref, ok := seg.old[id]; ok {
			return ref, true
		}
		return x.book.find(id)
	})
	if err != nil {
		return err
	}
	x.refs[seg.place] = ref
	for id, n := range seg.fresh {
		x.book.forget(id, n)
	}
	return nil
}

// finish ends the index; every pack has been asked for by then.
func (x *index) finish(ctx context.Context) error {
	if x.open.count > 0 {
		if err := x.cutHere(ctx); err != nil {
			return err
		}
	}
	return x.settle(ctx, 0)
}
