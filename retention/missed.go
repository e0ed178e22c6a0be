package retention

import (
	"slices"
	"strings"
	"time"
)

const (
	// byPolicy begins the reason of what a prune has forgotten.
	byPolicy = "retention: "
	// pruneInterval is how often points are pruned as a rule.
	pruneInterval = 24 * time.Hour
	// mostSteps bounds what is thought through of a long time without a prune.
	mostSteps = 100
)

// makesUp reports whether prunes of each day since an earlier one, each within the share
// that one may forget, would have forgotten as much: days that were missed, and prunes
// that ended in the middle, add up to a share that no prune may forget, and without this
// none ever could again. A policy that has changed is refused as ever, and so is a time
// that nobody can vouch for: the storage's own clock has to have seen points all the
// while.
func makesUp(points []Point, instance string, policy Policy, now time.Time) bool {
	first, last := pruned(points, instance)
	if last.IsZero() || !last.Before(now) {
		return false
	}
	// The last one is the more recent witness; the first one has seen what those after
	// it have left undone.
	return catchesUp(points, instance, policy, last, now) || catchesUp(points, instance, policy, first, now)
}

// catchesUp is makesUp from one earlier prune on.
func catchesUp(points []Point, instance string, policy Policy, from, now time.Time) bool {
	if !goesOn(points, instance, from, now) {
		return false
	}
	elapsed := now.Sub(from)
	steps := min(time.Duration(mostSteps), (elapsed+pruneInterval-1)/pruneInterval)
	left := slices.Clone(points)
	for i := range steps + 1 { // the first is what that prune has left undone
		t := from.Add(elapsed * i / steps)
		then := slices.DeleteFunc(slices.Clone(left), func(p Point) bool { return p.future(t) })
		plan := Decide(then, instance, policy, t)
		if plan.Share.Check(policy.MaxDeleteShare) != nil {
			return false
		}
		gone := make(map[string]bool, len(plan.Forget))
		for _, id := range plan.Forget {
			gone[id] = true
		}
		left = slices.DeleteFunc(left, func(p Point) bool { return gone[p.ID] })
	}
	return true
}

// pruned is when prunes have first and last forgotten points of an instance that are
// still there, or zero.
func pruned(points []Point, instance string) (first, last time.Time) {
	for i := range points {
		f := points[i].Forgotten
		if points[i].Instance != instance || f == nil || !strings.HasPrefix(f.Reason, byPolicy) {
			continue
		}
		if first.IsZero() || f.At.Before(first) {
			first = f.At
		}
		if f.At.After(last) {
			last = f.At
		}
	}
	return first, last
}

// goesOn reports whether the storage's clock has seen points of an instance from one
// time to another, with no more than a day left out.
func goesOn(points []Point, instance string, from, to time.Time) bool {
	seen := []time.Time{to}
	for i := range points {
		if p := &points[i]; p.Instance == instance && p.Seen.After(from) && p.Seen.Before(to) {
			seen = append(seen, p.Seen)
		}
	}
	slices.SortFunc(seen, time.Time.Compare)
	for _, t := range seen {
		if t.Sub(from) > 2*pruneInterval {
			return false
		}
		from = t
	}
	return true
}
