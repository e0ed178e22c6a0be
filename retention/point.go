package retention

import (
	"cmp"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Point is what a decision needs to know of a recovery point.
type Point struct {
	ID       string
	Instance string
	// Time is when its run began, and Seen when the storage's own clock saw its
	// manifest; zero where the storage does not tell.
	Time time.Time
	Seen time.Time
	// Bytes are those of its own files; what it shares with others is not in it.
	Bytes    int64
	Complete bool
	// Rollback: it is what a restore has overwritten, and counts for nothing.
	Rollback    bool
	Untrusted   string // why its signature does not count; empty where it does
	Quarantined string // why its times cannot be believed; empty where they can
	Held        *Hold
	Forgotten   *Forgotten
	Sources     []Source
}

// Hold keeps a point whatever the policy says.
type Hold struct {
	By, Reason string
	Until      time.Time // zero: until it is taken back
}

// Forgotten says that a point waits to be swept.
type Forgotten struct {
	By, Reason string
	At         time.Time
	Sweeping   bool // it has begun, and cannot be taken back
}

// Source is a source's part of a point.
type Source struct {
	Name     string
	Complete bool
	Proven   bool // a drill has restored it, and none has found it damaged since
}

// held returns the hold in force.
func (p *Point) held(now time.Time) *Hold {
	if p.Held == nil || !p.Held.Until.IsZero() && now.After(p.Held.Until) {
		return nil
	}
	return p.Held
}

// future reports whether a time of the point is yet to come.
func (p *Point) future(now time.Time) bool { return p.Time.After(now) || p.Seen.After(now) }

// sound reports whether what is said of the point can be believed.
func (p *Point) sound(now time.Time) bool {
	return p.Untrusted == "" && p.Quarantined == "" && !p.future(now)
}

// counts reports whether the point may be the default of a restore.
func (p *Point) counts(now time.Time) bool {
	return p.sound(now) && p.Complete && !p.Rollback && p.Forgotten == nil
}

// older is the order of the points of a repository: by the second at which their
// runs began, which is the one in their ids.
func older(a, b *Point) int {
	return cmp.Or(a.Time.Truncate(time.Second).Compare(b.Time.Truncate(time.Second)), a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
}

// FromListing takes from a listing what a decision needs.
func FromListing(listing *repository.Listing) []Point {
	points := make([]Point, len(listing.Points))
	for i, p := range listing.Points {
		points[i] = fromPoint(p)
	}
	return points
}

func fromPoint(p *repository.Point) Point {
	point := Point{
		ID: p.Point, Instance: p.Instance, Time: timeOf(p), Seen: p.Created, Complete: p.Complete, Bytes: p.OwnBytes,
		Rollback: p.Stream == repository.RollbackStream, Quarantined: p.Quarantined, Held: heldOf(p.Held), Forgotten: forgottenOf(p.Forgotten),
	}
	if p.Untrusted != nil {
		point.Untrusted = p.Untrusted.Error()
	}
	for _, s := range p.Sources {
		point.Sources = append(point.Sources, Source{s.Name, s.Complete, p.ProvenSource(s.Name) != nil})
	}
	return point
}

// timeOf is when the run began. Where the id says something else, it is by the id
// that points are ordered.
func timeOf(p *repository.Point) time.Time {
	began, err := repository.PointTime(p.Point)
	if err != nil || p.Started.Sub(began).Abs() <= time.Second {
		return p.Started
	}
	return began
}

func heldOf(s *repository.State) *Hold {
	if s == nil {
		return nil
	}
	h := &Hold{By: s.By, Reason: s.Reason}
	if s.Until != nil {
		h.Until = *s.Until
	}
	return h
}

func forgottenOf(s *repository.State) *Forgotten {
	if s == nil {
		return nil
	}
	return &Forgotten{s.By, s.Reason, s.Time, s.Change == repository.Sweeping}
}
