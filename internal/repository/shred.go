package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// ShredPlan says what destroying the keys of a point makes unreadable, and what
// it does not.
type ShredPlan struct {
	Point string `json:"point"`
	// Keys are the run keys of which every wrap is deleted: no other point needs
	// them.
	Keys []string `json:"keys"`
	// Kept are pack keys that others need too. What the point shares with these
	// stays readable through them.
	Kept []ShredKept `json:"kept"`
	// Newest names the sources of which the point is the newest complete one, and
	// Proven those of which it is the newest proven one.
	Newest []string `json:"newest"`
	Proven []string `json:"proven"`
	// RetainedUntil is when the storage's own retention of the last of these wraps
	// ends, before which they cannot be deleted; null where the storage tells of none.
	RetainedUntil *time.Time `json:"retainedUntil"`

	done *State // recorded earlier: only the deletions may be left
}

// Fresh reports whether nobody has recorded the shredding before.
func (p *ShredPlan) Fresh() bool { return p.done == nil }

// ShredKept is a pack key that stays.
type ShredKept struct {
	Key    string   `json:"key"`
	Points []string `json:"points"` // that need it
	Runs   []string `json:"runs"`   // that may need it: they began on the point, and have not ended
}

// ShredResult is what was done.
type ShredResult struct {
	ShredPlan
	State   *State `json:"state"`
	Removed int64  `json:"removed"` // wraps
}

// PlanShred decides what shredding a point does. A held point is refused.
func PlanShred(ctx context.Context, repo *Repository, listing *Listing, p *Point) (*ShredPlan, error) {
	doing := "shred point " + p.Point
	switch {
	case p.Untrusted != nil:
		return nil, fault.New(fault.Refused, doing, "%w: nobody knows whose keys it names", p.Untrusted)
	case p.Held != nil:
		return nil, fault.New(fault.Refused, doing, "it is held by %s: %s", p.Held.By, p.Held.Reason).Hint("where that is over, let it go first: openim-dr unhold %s", p.Point)
	case len(listing.Broken) > 0:
		return nil, fault.New(fault.Refused, doing, "the manifests of %d other points cannot be read, and may need its keys", len(listing.Broken)).
			Hint("openim-dr check says what is wrong with them")
	}
	plan := &ShredPlan{Point: p.Point, Keys: []string{p.Keys.Point}, Kept: []ShredKept{}, Newest: []string{}, Proven: []string{}, done: p.Shredded}
	runs, err := repo.runsOn(ctx, listing, p.Point)
	if err != nil {
		return nil, err
	}
	for _, key := range p.Keys.Packs {
		if key == p.Keys.Point {
			continue
		}
		kept := ShredKept{Key: key, Points: listing.needing(key, p.Point), Runs: runs}
		if len(kept.Points)+len(kept.Runs) == 0 {
			plan.Keys = append(plan.Keys, key)
		} else {
			plan.Kept = append(plan.Kept, kept)
		}
	}
	if plan.RetainedUntil, err = repo.retained(ctx, plan.Keys); err != nil {
		return nil, err
	}
	for _, s := range p.Sources {
		if newest := listing.Newest(p.Instance, s.Name); newest == p {
			plan.Newest = append(plan.Newest, s.Name)
		}
		if listing.newestProven(p.Instance, s.Name) == p {
			plan.Proven = append(plan.Proven, s.Name)
		}
	}
	return plan, nil
}

// retained says until when the storage keeps a wrap of some keys whatever happens;
// nil where it tells of no retention.
func (r *Repository) retained(ctx context.Context, keys []string) (last *time.Time, err error) {
	for _, key := range keys {
		var wraps []string
		err := r.store.List(ctx, keysDir+key+"/", func(i storage.Info) error {
			wraps = append(wraps, i.Name)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list wraps of key %s: %w", shortKey(key), err)
		}
		for _, wrap := range wraps {
			info, err := r.store.Stat(ctx, wrap)
			if err != nil && !errors.Is(err, storage.ErrNotExist) {
				return nil, fmt.Errorf("look at a wrap of key %s: %w", shortKey(key), err)
			}
			if until := info.RetainedUntil; until.After(r.now()) && (last == nil || until.After(*last)) {
				last = &until
			}
		}
	}
	return last, nil
}

// needing lists the other points that can be read with a key. One that nobody
// trusted has signed may be somebody's real one, under a key that is not listed.
func (l *Listing) needing(key, but string) []string {
	points := []string{}
	for _, p := range l.Points {
		if p.Point != but && p.Shredded == nil && slices.Contains(p.runKeys(), key) {
			points = append(points, p.Point)
		}
	}
	return points
}

// newestProven returns the newest point of a source that is proven and counts.
func (l *Listing) newestProven(instance, source string) *Point {
	for _, p := range slices.Backward(l.Points) {
		if _, ok := p.counts(instance, source); ok && p.Proven != nil {
			return p
		}
	}
	return nil
}

// runsOn lists the runs that may yet commit a point which needs what this one
// has: they have begun on it, or cannot be read, and no later point of their
// stream is there, so that they or whoever goes on with them may end.
func (r *Repository) runsOn(ctx context.Context, listing *Listing, point string) ([]string, error) {
	all, err := r.store.Dirs(ctx, runsDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	committed := map[string]bool{}
	for _, p := range listing.Points {
		committed[p.Point] = true
	}
	runs := []string{}
	for _, run := range all {
		if _, err := PointTime(run); err != nil || committed[run] || run < point[:len(idTime)] {
			continue
		}
		start, err := r.readStart(ctx, run)
		if err != nil {
			return nil, err
		}
		if start == nil {
			continue // it wrote nothing else: its start comes first, and whole
		}
		head := listing.Head(start.Instance, start.Stream)
		if slices.Contains(start.Bases, point) && (head == nil || head.Point[:len(idTime)] <= run[:len(idTime)]) {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// ShredPoint carries a plan out: it records who destroys the keys and why, so
// that whoever finds them gone finds the reason, and then deletes their wraps. It
// may be repeated after a crash.
func ShredPoint(ctx context.Context, store storage.ReadWriter, deleter storage.Deleter, repo *Repository, signer seal.Signer, plan *ShredPlan, by, reason string, now time.Time) (*ShredResult, error) {
	result := &ShredResult{ShredPlan: *plan, State: plan.done}
	if result.State == nil {
		state, err := AppendState(ctx, store, repo, signer, State{Point: plan.Point, Change: Shred, By: by, Reason: reason, Time: now.UTC()})
		if err != nil {
			return nil, fmt.Errorf("record the shredding of point %s: %w", plan.Point, err)
		}
		result.State = state
	}
	// From the record on no run builds on the point any more. One that began
	// before may have come since the plan was made, and so may a hold.
	fresh, err := replan(ctx, repo, plan.Point)
	if err != nil {
		return result, err
	}
	for _, key := range plan.Keys {
		if !slices.Contains(fresh.Keys, key) {
			continue
		}
		removed, err := deleteWraps(ctx, store, deleter, key)
		if result.Removed += removed; err != nil {
			return result, shredFailed(fresh, store.URL(), err)
		}
	}
	return result, nil
}

func replan(ctx context.Context, repo *Repository, point string) (*ShredPlan, error) {
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, err
	}
	p, err := listing.Find(point)
	if err != nil {
		return nil, err
	}
	return PlanShred(ctx, repo, listing, p)
}

// deleteWraps deletes whatever stands among the wraps of a key.
func deleteWraps(ctx context.Context, store storage.Reader, deleter storage.Deleter, key string) (removed int64, err error) {
	var wraps []storage.Info
	err = store.List(ctx, keysDir+key+"/", func(i storage.Info) error {
		wraps = append(wraps, i)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("list wraps of key %s: %w", shortKey(key), err)
	}
	for _, wrap := range wraps {
		if err := deleter.Delete(ctx, wrap); err != nil {
			return removed, fmt.Errorf("delete wrap of key %s: %w", shortKey(key), err)
		}
		removed++
	}
	return removed, nil
}

// shredFailed says that the point is still readable.
func shredFailed(plan *ShredPlan, url string, err error) error {
	kind, hint := fault.Failed, "run it again"
	switch {
	case errors.Is(err, storage.ErrProtected):
		hint = "it counts for nothing any more; run it again when the storage's retention of the keys has ended"
		if plan.RetainedUntil != nil {
			hint += ", at " + plan.RetainedUntil.UTC().Format(time.RFC3339)
		}
	case errors.Is(err, storage.ErrDenied):
		kind, hint = fault.Usage, "run it again with credentials that may delete"
	}
	return fault.New(kind, "shred point "+plan.Point, "its keys are not all gone, and who has a private key can still read it: %w", err).On(url).Hint("%s", hint)
}
