package repository

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// oldTerm is how long a term of a lease is kept that is not the newest, and a
// signature without its file. Whoever is suspended for so long has lost more than a
// lease.
const oldTerm = 7 * 24 * time.Hour

// useless lists the files that nothing needs when some points are gone, by their
// numbers in the inventory: of every series the later members first, so that a
// crash leaves no hole.
func (s *sweeping) useless(ctx context.Context, gone []string) ([]int, error) {
	u := &uselessness{sweeping: s, reached: newReach(s.reader, s.inv, s.known), gone: map[string]bool{}, last: map[located]int64{}}
	for _, id := range gone {
		u.gone[id] = true
	}
	roots := u.takeStock()
	if err := u.reached.points(ctx, roots); err != nil {
		return nil, err
	}
	if err := u.continued(ctx); err != nil {
		return nil, err
	}
	if err := u.reached.certain(); err != nil {
		return nil, err
	}
	var found []int
	_ = s.inv.each(0, s.inv.len(), func(i int, path string) error { // fn fails never
		if u.has(i, path) {
			found = append(found, i)
		}
		return nil
	})
	slices.Reverse(found)
	return found, nil
}

// uselessness tells what is needed from what is not.
type uselessness struct {
	*sweeping
	reached *reach
	gone    map[string]bool   // points that are swept
	last    map[located]int64 // the newest number of each lease and of each schedule
	newest  uint32            // when the storage has seen its youngest file
	left    []string          // runs that have left checkpoints
	dead    map[string]bool   // runs whose checkpoints nobody goes on from

	lastOwner string // of a point's files, which stand in a row
	lastGone  bool
}

// takeStock goes through the names, and returns the points that stay.
func (u *uselessness) takeStock() (roots []string) {
	_ = u.inv.each(0, u.inv.len(), func(i int, path string) error { // fn fails never
		u.newest = max(u.newest, u.inv.created[i])
		at := locate(path)
		switch {
		case at.signature:
		case at.place == placeManifest && !u.gone[at.owner]:
			roots = append(roots, at.owner)
		case at.place == placeLease || at.place == placeSchedule:
			u.last[at.series()] = max(u.last[at.series()], at.number)
		case at.place == placeCheckpoint && (len(u.left) == 0 || u.left[len(u.left)-1] != at.owner):
			u.left = append(u.left, at.owner)
		}
		return nil
	})
	return roots
}

// continued marks what the next run of a stream may go on from: the last checkpoint
// of a run that did not end, unless the stream has a point after it.
func (u *uselessness) continued(ctx context.Context) error {
	u.dead = map[string]bool{}
	for _, run := range u.left {
		if u.inv.has(manifestPath(run)) && !u.reached.fenced[run] {
			u.dead[run] = true // it is a point
			continue
		}
		start, err := u.repo.readStart(ctx, run)
		if err != nil {
			return err
		}
		if start != nil && !start.Time.After(u.reached.ends[streamName{start.Instance, start.Stream}]) {
			u.dead[run] = true
			continue
		}
		progress, err := u.repo.readProgress(ctx, run)
		if err != nil {
			return fmt.Errorf("look at what run %s has left: %w", run, err)
		}
		if progress == nil {
			continue
		}
		for _, b := range progress.Buckets {
			for _, layer := range b.Layers {
				if err := u.reached.refs(ctx, layer); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// has reports whether a file is of no use. What a live run may have written is
// younger than the run.
func (u *uselessness) has(i int, path string) bool {
	if u.inv.marked(i) || u.liveSince > 0 && u.inv.created[i] >= u.liveSince {
		return false
	}
	at := locate(path)
	switch at.place {
	case placeWrap, placeSegment, placeSegmentPacks, placePack:
		return true
	case placeManifest:
		return u.gone[at.owner] || at.signature && u.isNothing(at.owner)
	case placePointFile:
		// A file too many in the directory of a point is for people to look at.
		if at.owner != u.lastOwner {
			u.lastOwner, u.lastGone = at.owner, u.gone[at.owner] || u.reached.fenced[at.owner] || u.isNothing(at.owner)
		}
		return u.lastGone
	case placeCheckpoint:
		return u.gone[at.owner] || u.dead[at.owner]
	case placeStart:
		return u.gone[at.owner] || u.reached.fenced[at.owner] && !slices.Contains(u.left, at.owner)
	case placeLease:
		return at.number < u.last[at.series()] && u.isOld(i)
	case placeSchedule:
		return at.number <= u.last[at.series()]-keptScheduleRuns && u.isOld(i)
	case placeProbe:
		return u.isOld(i) // somebody may be trying just now
	case placeLog:
		return at.signature && !u.inv.has(logPath(at.owner)) && u.isOld(i)
	default:
		return false
	}
}

// isOld reports whether nobody can be about to complete what the file belongs to.
func (u *uselessness) isOld(i int) bool {
	return u.inv.created[i]+uint32(oldTerm/time.Second) < u.newest
}

// isNothing reports whether an id is neither a point nor a run that may become one.
func (u *uselessness) isNothing(id string) bool {
	return !u.inv.has(manifestPath(id)) && u.runs[id] == nil
}
