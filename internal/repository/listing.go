package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Broken is a point whose manifest cannot be read.
type Broken struct {
	ID  string
	Err error
}

// Listing is every point of a repository, oldest first.
type Listing struct {
	Points []*Point
	Broken []Broken

	fenced []string // runs that were given up
}

// List reads all manifests, signatures and states. A manifest that is damaged
// is reported in Broken and hides no other.
func (r *Repository) List(ctx context.Context) (*Listing, error) {
	return r.list(ctx, func(*Point) {})
}

// ListLightly is List for who judges points by the thousand: without the files of
// each, its keys and what its sources say of their kind, which take most of the memory.
func (r *Repository) ListLightly(ctx context.Context) (*Listing, error) {
	return r.list(ctx, func(p *Point) {
		p.lighten()
		p.Keys = Keys{}
	})
}

// ListBriefly is ListLightly that keeps which keys there are, and notes what each point
// needs, for Pruner.PlanSweep.
func (r *Repository) ListBriefly(ctx context.Context) (*Listing, *Needs, error) {
	needs := &Needs{of: map[string]*need{}}
	listing, err := r.list(ctx, func(p *Point) {
		needs.add(p.Point, needOf(p.Point, p.Manifest))
		p.lighten()
	})
	if err != nil {
		return nil, nil, err
	}
	return listing, needs, nil
}

// lighten drops what takes most of the memory of a manifest.
func (p *Point) lighten() {
	p.Files, p.Keys.Wrapped = nil, nil
	for i := range p.Sources {
		p.Sources[i].Captured = nil
	}
}

// list is List that hands each point on as soon as it has been read, many at once.
func (r *Repository) list(ctx context.Context, loaded func(*Point)) (*Listing, error) {
	ids, err := r.store.Dirs(ctx, pointsDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list points in %s: %w", r.URL(), err)
	}
	drilled, err := r.store.Dirs(ctx, proofsDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list proofs in %s: %w", r.URL(), err)
	}
	decided, err := r.statesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	seen, err := r.glance(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]found, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, id := range ids {
		group.Go(func() (err error) {
			_, proofs := slices.BinarySearch(drilled, id)
			_, states := slices.BinarySearch(decided, id)
			all[i], err = r.find(ctx, id, seen[id], states, proofs)
			if all[i].point != nil {
				loaded(all[i].point)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	listing := listingOf(all)
	r.cache.keepOnly(listing)
	return listing, nil
}

const (
	// spanGap is how far apart points are whose directories are listed apart. A page of
	// a listing holds a thousand names, which are the points of some weeks.
	spanGap = 14 * 24 * time.Hour
	// mostSpans bounds the requests: where points have always been far apart, one page
	// may hold the directories of all. It is enough for twelve months and some years.
	mostSpans = 20
)

// statesOf returns the points for which something was decided, ascending, and beside
// those of the points given some of their neighbours'. Most states are of points that
// were swept long ago, and after years they are too many to list; so only the times
// are listed from which there are points.
func (r *Repository) statesOf(ctx context.Context, points []string) ([]string, error) {
	spans := spansOf(points)
	names := make([][]string, len(spans))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, span := range spans {
		group.Go(func() (err error) {
			names[i], err = r.store.Dirs(ctx, stateDir, span)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list states in %s: %w", r.URL(), err)
	}
	return slices.Concat(names...), nil
}

// spansOf are the spans of ids, which ascend, between the widest gaps in time.
func spansOf(ids []string) []storage.Span {
	if len(ids) == 0 {
		return nil
	}
	type gap struct {
		before int // the id after it
		long   time.Duration
	}
	var gaps []gap
	var last time.Time
	for i, id := range ids {
		at, err := PointTime(id)
		if err != nil {
			continue // no point: it is where its name is
		}
		if long := at.Sub(last); !last.IsZero() && long > spanGap {
			gaps = append(gaps, gap{i, long})
		}
		last = at
	}
	slices.SortStableFunc(gaps, func(a, b gap) int { return cmp.Compare(b.long, a.long) })
	gaps = gaps[:min(len(gaps), mostSpans-1)]
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.before, b.before) })
	spans, from := make([]storage.Span, 0, len(gaps)+1), 0
	for _, g := range gaps {
		spans, from = append(spans, storage.Span{From: ids[from], To: ids[g.before-1]}), g.before
	}
	return append(spans, storage.Span{From: ids[from], To: ids[len(ids)-1]})
}

// found is what a listing has found under one id: a point, something that should
// be one, a run that was given up, or nothing yet.
type found struct {
	id     string
	point  *Point
	broken error
	fenced bool
}

// find is loadSeen for a listing, which a damaged manifest does not end.
func (r *Repository) find(ctx context.Context, id string, seen *storage.Info, states, proofs bool) (found, error) {
	point, err := r.loadSeen(ctx, id, seen, states, proofs)
	switch {
	case fault.KindOf(err) == fault.Corrupt || fault.KindOf(err) == fault.Usage:
		return found{id: id, broken: err}, nil
	case errors.Is(err, errFenced):
		return found{id: id, fenced: true}, nil
	case errors.Is(err, errNoPoint):
		return found{id: id}, nil
	default:
		return found{id: id, point: point}, err
	}
}

func listingOf(all []found) *Listing {
	listing := new(Listing)
	for _, f := range all {
		switch {
		case f.point != nil:
			listing.Points = append(listing.Points, f.point)
		case f.broken != nil:
			listing.Broken = append(listing.Broken, Broken{f.id, f.broken})
		case f.fenced:
			listing.fenced = append(listing.fenced, f.id)
		}
	}
	slices.SortStableFunc(listing.Points, older)
	return listing
}

// older orders points by their ids, which is by seconds, and those that began
// within one second by the time that they say.
func older(a, b *Point) int {
	return cmp.Or(strings.Compare(a.Point[:len(idTime)], b.Point[:len(idTime)]), a.Started.Compare(b.Started), strings.Compare(a.Point, b.Point))
}

// Latest and LatestProven are the names of points that Find understands.
const (
	Latest       = "latest"
	LatestProven = "latest-proven"
)

// Find resolves an id, a unique prefix of one, Latest or LatestProven. A point
// that is named is found whatever its state; Latest is the newest eligible one,
// and LatestProven the newest of these that is proven.
func (l *Listing) Find(ref string) (*Point, error) {
	if ref == Latest || ref == "" {
		return l.latest()
	}
	if ref == LatestProven {
		return l.latestProven()
	}
	var ids []string
	var match *Point
	var broken error
	for _, p := range l.Points {
		if strings.HasPrefix(p.Point, ref) {
			ids, match = append(ids, p.Point), p
		}
	}
	for _, b := range l.Broken {
		if strings.HasPrefix(b.ID, ref) {
			ids, broken = append(ids, b.ID), b.Err
		}
	}
	switch {
	case len(ids) == 0:
		return nil, fault.New(fault.Usage, "choose point "+ref, "there is no such point").Hint("openim-dr list shows the points")
	case len(ids) > 1:
		return nil, fault.New(fault.Usage, "choose point "+ref, "%d points begin so, from %s to %s", len(ids), slices.Min(ids), slices.Max(ids)).
			Hint("give more of the id")
	case match == nil:
		return nil, broken
	default:
		return match, nil
	}
}

func (l *Listing) latest() (*Point, error) {
	var skipped []string
	for _, p := range slices.Backward(l.Points) {
		if p.Eligible() {
			return p, nil
		}
		skipped = append(skipped, p.Point+" "+p.whyNot())
	}
	if len(skipped) == 0 {
		return nil, fault.New(fault.Usage, "choose the latest point", "the repository holds no point").Hint("take one: openim-dr backup")
	}
	return nil, fault.New(fault.Refused, "choose the latest point", "none of %s counts; the newest: %s", quantity.Count(len(skipped), "point", "points"), skipped[0]).
		Hint("name a point of `openim-dr list --all` to use it all the same; --trust names signers, --allow says what to overlook")
}

// Newest returns the newest eligible point that holds a source completely.
func (l *Listing) Newest(instance, source string) *Point {
	return l.NewestAt(instance, source, time.Time{})
}

// NewestAt is Newest among those whose capture of the source had ended at some
// time; zero: all.
func (l *Listing) NewestAt(instance, source string, at time.Time) *Point {
	for _, p := range slices.Backward(l.Points) {
		if s, ok := p.counts(instance, source); ok && (at.IsZero() || !s.Ended.After(at)) {
			return p
		}
	}
	return nil
}

// Oldest returns the oldest eligible point that holds a source completely.
func (l *Listing) Oldest(instance, source string) *Point {
	for _, p := range l.Points {
		if _, ok := p.counts(instance, source); ok {
			return p
		}
	}
	return nil
}

// Head returns the last trusted point of a stream, complete or not: the one
// that the next point of the stream follows.
func (l *Listing) Head(instance, stream string) *Point {
	var head *Point
	for _, p := range l.Points {
		if p.Instance == instance && p.Stream == stream && p.Untrusted == nil && (head == nil || p.Seq > head.Seq) {
			head = p
		}
	}
	return head
}

// unfinished returns those of runs that have neither committed nor been given
// up, as far as the listing has seen.
func (l *Listing) unfinished(runs []string) []string {
	known := map[string]bool{}
	for _, p := range l.Points {
		known[p.Point] = true
	}
	for _, b := range l.Broken {
		known[b.ID] = true
	}
	for _, id := range l.fenced {
		known[id] = true
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run string) bool { return known[run] })
}
