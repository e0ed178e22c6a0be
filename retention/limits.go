package retention

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

const (
	// maxBehind is how far this clock may be behind the storage's.
	maxBehind = time.Hour
	// maxAhead is how long ago the newest point may be. It is longer than a month,
	// since some schedules run once in a month.
	maxAhead = 40 * 24 * time.Hour
	// FreePoints may be forgotten whatever their share: the points of a day of which
	// each hour has one, which may have 25, and one that each longer rule lets go on
	// the same day. Of fewer points a share says nothing, and a repository that begins
	// would not be pruned at all.
	FreePoints = 30
)

// CheckClock refuses to delete anything by a clock that looks wrong: one that is
// behind what the storage's own clock has seen, or so far beyond the newest point
// that either the clock has jumped or nobody backs up any more. Holds and graces
// end by this clock.
func CheckClock(points []Point, instance string, now time.Time) error {
	var seen, newest *Point
	for i := range points {
		p := &points[i]
		if p.Forgotten != nil {
			continue
		}
		if seen == nil || p.Seen.After(seen.Seen) {
			seen = p
		}
		if p.Instance == instance && p.sound(now) && (newest == nil || older(newest, p) < 0) {
			newest = p
		}
	}
	switch {
	case seen != nil && seen.Seen.Sub(now) > maxBehind:
		return clockRefused("by this machine's clock it is %s, and the storage has seen point %s at %s", stamp(now), seen.ID, stamp(seen.Seen)).
			Hint("set the clock right; if it is right, and the storage's was wrong then, forget that point: openim-dr forget %s", seen.ID)
	case newest != nil && now.Sub(newest.Time) > maxAhead:
		return clockRefused("by this machine's clock it is %s, and the newest point of %s, %s, is older than %s", stamp(now), instance, newest.ID, quantity.Duration(maxAhead)).
			Hint("set the clock right, or take a point: openim-dr backup; to delete all the same: --allow clock")
	default:
		return nil
	}
}

func clockRefused(format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, "prune", format, args...)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Share is how much of what there is would be deleted.
type Share struct {
	Points   int   `json:"points"`
	OfPoints int   `json:"ofPoints"`
	Bytes    int64 `json:"bytes"`
	OfBytes  int64 `json:"ofBytes"`
}

// Check refuses to delete more than a share of the points or of their bytes,
// unless they are so few that a share says nothing.
func (s Share) Check(most float64) error {
	if s.Points <= FreePoints || s.part() <= most {
		return nil
	}
	return fault.New(fault.Refused, "prune", "it would forget %d of %d points (%s) and %s of %s (%s), and retention.maxDeleteShare is %s",
		s.Points, s.OfPoints, percent(ratio(int64(s.Points), int64(s.OfPoints))),
		humanize.IBytes(uint64(max(s.Bytes, 0))), humanize.IBytes(uint64(max(s.OfBytes, 0))), percent(ratio(s.Bytes, s.OfBytes)), percent(most)).
		Hint("look at the plan: openim-dr prune --plan; if it is what you want: openim-dr prune --max-delete-share %s", percent(s.part()))
}

// part is the greater of the two shares.
func (s Share) part() float64 {
	return max(ratio(int64(s.Points), int64(s.OfPoints)), ratio(s.Bytes, s.OfBytes))
}

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// percent rounds up, so that what it says is enough.
func percent(share float64) string {
	const tenths = 1000
	n := int64(share * tenths)
	if float64(n) < share*tenths {
		n++
	}
	if n%10 == 0 {
		return fmt.Sprintf("%d%%", n/10)
	}
	return fmt.Sprintf("%d.%d%%", n/10, n%10)
}
