package web

import (
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Seen is what a repository holds, in short lines that share what they have in common.
type Seen struct {
	points   []status.Point // the newest first
	total    int            // of points; older ones than MostPoints are counted alone
	drills   []Drill        // the newest first
	captures map[string][]Capture
}

// Capture is when a restorable state of a source was captured.
type Capture struct {
	Point string    `json:"point"`
	Time  time.Time `json:"time"`
	// GapSeconds is how much later than the state before: how old the newest
	// restorable state had become until then.
	GapSeconds float64 `json:"gapSeconds"`
}

// See keeps of a listing what is shown: the points that count, what drills of an
// instance have measured, and when its sources were captured.
func See(l *repository.Listing, instance string, sources []string) *Seen {
	s := &Seen{captures: map[string][]Capture{}}
	same := texts{}
	for _, p := range slices.Backward(l.Points) {
		if p.Forgotten != nil || p.Shredded != nil || p.Quarantined != "" {
			continue
		}
		if s.total++; s.total <= MostPoints {
			s.points = append(s.points, same.share(status.PointOf(p)))
		}
	}
	for _, b := range slices.Backward(l.ProofsOf(instance, MostDrills)) {
		s.drills = append(s.drills, drillOf(b))
	}
	for _, source := range sources {
		s.captures[source] = capturesOf(l, instance, source)
	}
	return s
}

// texts holds each text once: thousands of points have a few streams and sources.
type texts struct {
	names map[string]string
	lists map[string][]string
}

func (t *texts) share(p status.Point) status.Point {
	if t.names == nil {
		t.names, t.lists = map[string]string{}, map[string][]string{}
	}
	one := func(name string) string {
		if _, known := t.names[name]; !known {
			t.names[name] = name
		}
		return t.names[name]
	}
	p.Instance, p.Stream = one(p.Instance), one(p.Stream)
	key := strings.Join(p.Sources, "\x00")
	if _, known := t.lists[key]; !known {
		t.lists[key] = p.Sources
	}
	p.Sources = t.lists[key]
	return p
}

// capturesOf are the last captures of a source, oldest first, each with what came
// before it.
func capturesOf(l *repository.Listing, instance, source string) []Capture {
	var all []Capture
	for _, p := range slices.Backward(l.Points) {
		part, holds := p.SourceNamed(source)
		if !holds || !part.Complete || p.Instance != instance || !p.Eligible() {
			continue
		}
		if all = append(all, Capture{Point: p.Point, Time: part.Started}); len(all) > MostCaptures {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b Capture) int { return a.Time.Compare(b.Time) })
	for i := 1; i < len(all); i++ {
		all[i].GapSeconds = all[i].Time.Sub(all[i-1].Time).Seconds()
	}
	return all[min(1, len(all)):] // nobody knows what came before the first
}

// before returns the points older than one, at most limit of them, and the one to ask
// for those that follow; empty: none do.
func (s *Seen) before(point string, limit int) (page []status.Point, next string) {
	page = s.points
	if point != "" {
		at := slices.IndexFunc(s.points, func(p status.Point) bool { return p.ID == point })
		if at++; at == 0 { // it was swept since
			at = slices.IndexFunc(append(s.points[:len(s.points):len(s.points)], status.Point{}), func(p status.Point) bool { return p.ID < point })
		}
		page = s.points[min(at, len(s.points)):]
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	return page, next
}
