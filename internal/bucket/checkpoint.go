package bucket

import (
	"context"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Besides by bytes (see pace) the time between two checkpoints is bounded by
// these.
const (
	checkpointEntries = 16 << 10
	checkpointTime    = 10 * time.Minute

	// pendingCheckpoints is how many may wait for the packs that they name.
	pendingCheckpoints = 2
)

// checkpoints makes it known what a mirror has fetched, so that one that is
// killed is gone on from. It is used by the index's goroutine alone.
type checkpoints struct {
	index  *index
	bucket string
	below  [][]repository.SegmentRef // what earlier runs have captured
	order  order                     // of all objects so far
	since  time.Time

	open    *segment
	bytes   int64 // in the open segment
	fetched int64 // before it
	began   time.Time
	pending []*segment
	layer   []repository.SegmentRef
}

// add notes an object that was fetched.
func (c *checkpoints) add(ctx context.Context, s *slot) error {
	if c.open == nil {
		seg, err := c.index.newSegment()
		if err != nil {
			return err
		}
		c.open, c.bytes, c.began = seg, 0, time.Now()
	}
	if err := c.index.write(ctx, c.open, s); err != nil {
		return err
	}
	if s.origin == fromServer && s.entry.Pack != "" {
		c.index.book.use(s.entry.Pack) // for this segment too
	}
	c.open.count++
	c.order = s.order
	c.bytes += s.entry.Size
	if c.due() {
		if err := c.open.writer.Finish(); err != nil {
			return err
		}
		c.pending = append(c.pending, c.open)
		c.fetched += c.bytes
		c.open = nil
	}
	return c.settle(ctx)
}

func (c *checkpoints) due() bool {
	return c.bytes >= c.index.packer.pace.between(c.fetched) ||
		c.open.count >= checkpointEntries || time.Since(c.began) >= checkpointTime
}

// settle writes the checkpoints whose packs are committed, and waits only where
// too many are not.
func (c *checkpoints) settle(ctx context.Context) error {
	for len(c.pending) > 0 {
		first := c.pending[0]
		if !c.index.ready(first) {
			if len(c.pending) <= pendingCheckpoints {
				return nil
			}
			if err := c.index.await(ctx, first); err != nil {
				return err
			}
		}
		ref, err := c.index.commit(ctx, first)
		if err != nil {
			return err
		}
		c.pending = c.pending[1:]
		c.layer = append(c.layer, ref)
		if err := c.write(ctx, append(slices.Clone(c.below), c.layer)); err != nil {
			return err
		}
	}
	return nil
}

func (c *checkpoints) write(ctx context.Context, layers [][]repository.SegmentRef) error {
	return c.index.draft.Checkpoint(ctx, repository.BucketProgress{Bucket: c.bucket, Order: string(c.order), Since: c.since, Layers: layers})
}

// end forgets what is not written, and where anything was fetched says that the
// whole bucket was captured, so that a run which is killed with the next bucket
// need not begin with this one.
func (c *checkpoints) end(ctx context.Context, refs []repository.SegmentRef) error {
	if c.open == nil && len(c.pending) == 0 && len(c.layer) == 0 {
		return nil
	}
	return c.write(ctx, [][]repository.SegmentRef{refs})
}
