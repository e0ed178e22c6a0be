package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// streamHead is the last link of a stream, which its next point follows.
type streamHead struct {
	seq  int64
	link Link
}

// head returns the last link of a stream, or nil where it has none: its last point,
// or a later one whose sweeping was recorded. A stream whose last point was swept
// does not begin anew.
func (r *Repository) head(ctx context.Context, listing *Listing, instance, stream string) (*streamHead, error) {
	var last *streamHead
	var since string
	if p := listing.Head(instance, stream); p != nil {
		last, since = &streamHead{p.Seq, Link{p.Point, p.SHA256}}, p.Point[:len(idTime)]
	}
	decided, err := r.store.Dirs(ctx, stateDir, storage.Span{From: since})
	if err != nil {
		return nil, fmt.Errorf("list states: %w", err)
	}
	gone := slices.DeleteFunc(decided, func(id string) bool {
		return !isID(id) || listing.seen(id)
	})
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for _, id := range gone {
		group.Go(func() error {
			s, err := r.sweptRecord(ctx, id)
			if err != nil || s == nil || s.Instance != instance || s.Stream != stream {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if last == nil || s.Seq > last.seq {
				last = &streamHead{s.Seq, Link{id, s.SHA256}}
			}
			return nil
		})
	}
	return last, group.Wait()
}

// seen reports whether the listing has had a manifest or a fence of that id.
func (l *Listing) seen(id string) bool {
	return slices.ContainsFunc(l.Points, func(p *Point) bool { return p.Point == id }) ||
		slices.ContainsFunc(l.Broken, func(b Broken) bool { return b.ID == id }) || slices.Contains(l.fenced, id)
}

// sweptRecord reads the states of a point that is gone: what its sweeping has
// recorded, or nil where there is no such record.
func (r *Repository) sweptRecord(ctx context.Context, point string) (*Swept, error) {
	numbers, err := series(ctx, r.store, stateDir+point+"/")
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		s, err := r.readState(ctx, point, n)
		if err != nil {
			return nil, err
		}
		if s != nil && s.Change == Sweeping {
			return s.link(), nil
		}
	}
	return nil, nil // "it was not swept" is an answer
}

// confirm makes sure, once the run's start can be seen, that nothing has changed
// of what the run builds on. Whoever sweeps a point records that before looking for
// runs that build on it, and whoever takes the lease over does so before looking
// for runs to fence off: of the two each sees the other, or is seen (invariant 8).
func (d *Draft) confirm(ctx context.Context, listing *Listing) error {
	lost := func(format string, args ...any) error {
		return fault.New(fault.Busy, "begin point "+d.point, format, args...).On(d.writer.URL()).Hint("run it again")
	}
	ids, err := d.writer.store.Dirs(ctx, pointsDir, storage.Span{})
	if err != nil {
		return fmt.Errorf("list points: %w", err)
	}
	for _, id := range ids {
		if id == d.point || !isID(id) || listing.seen(id) {
			continue
		}
		p, err := d.writer.Point(ctx, id)
		if err == nil && p.Instance == d.writer.options.Instance && p.Stream == d.stream {
			return lost("another process has taken point %s of the stream meanwhile", id)
		}
	}
	for _, base := range d.bases {
		now, err := d.writer.Point(ctx, base.Point)
		switch {
		case errors.Is(err, errNoPoint):
			return lost("point %s, on which it builds, was swept meanwhile", base.Point)
		case err != nil:
			return err
		case now.Forgotten != nil || now.Shredded != nil:
			return lost("point %s, on which it builds, was given up meanwhile", base.Point)
		}
	}
	return nil
}
