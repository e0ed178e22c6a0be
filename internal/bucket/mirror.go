package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// window is how many keys may be between the listing and the index, so
	// that one slow object does not hold up the others.
	window = 16 << 10
	// baseBatch is how many entries of the base travel at once.
	baseBatch = 512
)

// mirror takes one bucket into a point. It is one try: where the assumed order
// or the base turns out to be wrong, another one starts from the beginning.
type mirror struct {
	source *Source
	draft  *repository.SourceDraft
	bucket string
	older  bool      // its older versions are mirrored, not its objects
	before *previous // nil where no point holds the bucket
	base   *base     // nil where nothing is known or it cannot be used
	order  order
	since  time.Time // when this run began, or the one that it goes on from
	cut    cutter
	task   progress.Task

	fetched atomic.Int64
	notText atomic.Int64
	gone    atomic.Int64
	altered atomic.Int64
	missing atomic.Int64
	stayed  atomic.Int64
	moving  map[string]bool // packs that are mostly dead
}

// mirrored is what a mirror has found.
type mirrored struct {
	list    *repository.BucketList
	changes changes
	gone    int64
	notText int64
	altered int64
	missing int64
	stayed  int64
}

// run mirrors the bucket. It returns nil only if every object that is listed
// and still there is in a committed pack and in a committed segment, and the
// bucket's list is written (invariant 2).
func (m *mirror) run(ctx context.Context) (*mirrored, error) {
	for _, n := range []*atomic.Int64{&m.notText, &m.gone, &m.altered, &m.missing, &m.stayed} {
		n.Store(0) // of a try before
	}
	encoder, err := newEncoder()
	if err != nil {
		return nil, err
	}
	defer encoder.Close() //nolint:errcheck // EncodeAll leaves nothing to flush
	book := newPackBook()
	packer := newPacker(m.draft, book, m.source.pace)
	index := newIndex(m.draft, m.base, book, packer, m.cut)
	index.checkpoints = &checkpoints{index: index, bucket: m.list(), below: m.base.above(), since: m.since}
	fetcher := &fetcher{mirror: m, book: book, packer: packer, encoder: encoder, budget: semaphore.NewWeighted(m.source.options.Memory)}
	if m.moving, err = m.base.mostlyDead(ctx, m.since); err != nil {
		return nil, err
	}

	group, groupCtx := errgroup.WithContext(ctx)
	merger := m.merge(groupCtx, group, m.pages(groupCtx, group), m.entries(groupCtx, group))
	m.fetch(groupCtx, group, fetcher, merger.jobs)
	group.Go(func() error { return packer.run(groupCtx) })
	group.Go(func() error { return m.write(groupCtx, index, merger.slots) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	list := &repository.BucketList{
		Bucket: m.list(), Order: string(merger.keys.assumed), Objects: index.objects, Bytes: index.bytes,
		Digest: index.digest, Segments: index.refs,
	}
	return &mirrored{list, merger.changes, m.gone.Load(), m.notText.Load(), m.altered.Load(), m.missing.Load(), m.stayed.Load()}, nil
}

// list is the name of what is written.
func (m *mirror) list() string {
	if m.older {
		return olderOf(m.bucket)
	}
	return m.bucket
}

// pages reads the listing ahead of the merge.
func (m *mirror) pages(ctx context.Context, group *errgroup.Group) <-chan []listed {
	pages := make(chan []listed, 2)
	group.Go(func() error {
		defer close(pages)
		var listing pager = m.source.list(m.bucket, "")
		if m.older {
			listing = &versionListing{source: m.source, bucket: m.bucket}
		}
		for {
			began := time.Now()
			page, err := listing.next(ctx)
			if err != nil {
				return m.source.explain(ctx, "list bucket "+m.bucket, err, began)
			}
			if page == nil {
				return nil
			}
			if err := send(ctx, pages, page); err != nil {
				return err
			}
		}
	})
	return pages
}

// entries reads the base ahead of the merge; nil where there is none.
func (m *mirror) entries(ctx context.Context, group *errgroup.Group) <-chan []baseEntry {
	if m.base == nil {
		return nil
	}
	batches := make(chan []baseEntry, 2)
	group.Go(func() error {
		defer close(batches)
		batch := make([]baseEntry, 0, baseBatch)
		err := m.base.each(ctx, func(e baseEntry) error {
			if batch = append(batch, e); len(batch) < baseBatch {
				return nil
			}
			full := batch
			batch = make([]baseEntry, 0, baseBatch)
			return send(ctx, batches, full)
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		return send(ctx, batches, batch)
	})
	return batches
}

// merging is a merge that runs, with what comes out of it.
type merging struct {
	*merger
	slots chan *slot // all, in order
	jobs  chan *slot // those whose object has to be fetched
}

// merge decides what becomes of each key.
func (m *mirror) merge(ctx context.Context, group *errgroup.Group, pages <-chan []listed, entries <-chan []baseEntry) *merging {
	var next func() (*baseEntry, error)
	if entries != nil {
		next = unbatch(ctx, entries)
	}
	g := &merging{newMerger(m.order, next, m.again), make(chan *slot, window), make(chan *slot, m.source.options.Workers)}
	group.Go(func() error {
		defer close(g.slots)
		defer close(g.jobs)
		if err := g.start(); err != nil {
			return err
		}
		for {
			page, more, err := receive(ctx, pages)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if err := g.page(ctx, page); err != nil {
				return m.explainOrder(err)
			}
		}
		if err := g.end(); err != nil {
			return err
		}
		return m.guardShrink(g.changes)
	})
	return g
}

func (g *merging) page(ctx context.Context, page []listed) error {
	for _, l := range page {
		s, err := g.next(l)
		if err != nil {
			return err
		}
		// The slot first: the index must know it before its object is fetched,
		// or a full window would leave fetched objects that nobody waits for.
		if err := send(ctx, g.slots, s); err != nil {
			return err
		}
		if s.done == nil {
			continue
		}
		if err := send(ctx, g.jobs, s); err != nil {
			return err
		}
	}
	return nil
}

// explainOrder makes a listing that is in no order an error for people. The
// caller tries the other order where that one still holds.
func (m *mirror) explainOrder(err error) error {
	var wrong *orderError
	if errors.As(err, &wrong) && !wrong.otherHolds {
		return m.source.disordered(m.bucket, wrong)
	}
	return err
}

// disordered is a listing in no order as an error for people.
func (s *Source) disordered(bucket string, wrong *orderError) error {
	failed := fault.New(fault.Failed, "list bucket "+bucket, "%w", wrong).On("at " + s.settings.Endpoint)
	if strings.ContainsRune(wrong.key, utf8.RuneError) {
		return failed.Hint("a key holds a character that XML cannot carry, and the server does not escape it as it is asked to: copy the object to another key and delete it")
	}
	return failed.Hint("run it again: directories that are renamed during a listing look like this; if it stays, report it with the name and version of the server")
}

// fetch starts the workers and closes the packer's queue behind the last one.
func (m *mirror) fetch(ctx context.Context, group *errgroup.Group, fetcher *fetcher, jobs <-chan *slot) {
	group.Go(func() error {
		workers, ctx := errgroup.WithContext(ctx)
		for range m.source.options.Workers {
			workers.Go(func() error {
				for {
					s, more, err := receive(ctx, jobs)
					if err != nil || !more {
						return err
					}
					if err := fetcher.fetch(ctx, s); err != nil {
						return err
					}
				}
			})
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		close(fetcher.packer.in)
		return nil
	})
}

// write takes the slots in order and waits for each.
func (m *mirror) write(ctx context.Context, index *index, slots <-chan *slot) error {
	for {
		s, more, err := receive(ctx, slots)
		if err != nil {
			return err
		}
		if !more {
			return index.finish(ctx)
		}
		if s.done != nil {
			if _, _, err := receive(ctx, s.done); err != nil {
				return err
			}
		}
		if err := index.add(ctx, s); err != nil {
			return fmt.Errorf("index of bucket %s: %w", m.bucket, err)
		}
		m.task.Add(1)
	}
}

// send and receive end with ctx; a closed channel delivers more = false.
func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func receive[T any](ctx context.Context, from <-chan T) (v T, more bool, err error) {
	select {
	case v, more = <-from:
		return v, more, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}

// unbatch turns batches into single entries, and nil at the end.
func unbatch(ctx context.Context, batches <-chan []baseEntry) func() (*baseEntry, error) {
	var batch []baseEntry
	return func() (*baseEntry, error) {
		for len(batch) == 0 {
			next, more, err := receive(ctx, batches)
			if err != nil || !more {
				return nil, err
			}
			batch = next
		}
		e := &batch[0]
		batch = batch[1:]
		return e, nil
	}
}
