package retention

import (
	"slices"
	"strings"
	"time"
)

// Decision is what becomes of a source's part of a point. The point stays if any
// of its parts is kept.
type Decision struct {
	Point  string `json:"point"`
	Source string `json:"source"` // empty where the point has none
	Keep   bool   `json:"keep"`
	// Reasons are why; there is at least one.
	Reasons []string `json:"reasons"`
}

// Plan is what was decided about the points of a repository.
type Plan struct {
	// Decisions are of every point and each of its sources, the oldest point first.
	Decisions []Decision
	// Forget are the points that are to be forgotten now, the oldest first. Those
	// that were forgotten before are not among them.
	Forget []string
	// Sweep are the points that were forgotten before, and whose grace has ended:
	// what they alone need may be deleted. A point whose sweeping had begun is
	// always among them.
	Sweep []string
	// Share is how much of what there is would be forgotten.
	Share Share
}

// Decide decides about every point. What belongs to another instance is kept, and
// so is what cannot be believed: such points are no reason to forget others,
// either.
func Decide(points []Point, instance string, policy Policy, now time.Time) *Plan {
	h := newHistory(points, instance, now)
	if !policy.Empty() {
		for _, l := range h.lineages {
			l.apply(policy)
		}
	}
	plan := &Plan{Decisions: make([]Decision, 0, len(points)), Forget: []string{}, Sweep: []string{}}
	for _, p := range h.points {
		decisions := h.decide(p, policy)
		kept := slices.ContainsFunc(decisions, func(d Decision) bool { return d.Keep })
		plan.add(p, decisions, kept, instance)
		if !kept && p.Forgotten != nil && (p.Forgotten.Sweeping || now.Sub(p.Forgotten.At) >= policy.grace()) {
			plan.Sweep = append(plan.Sweep, p.ID)
		}
	}
	return plan
}

// add notes what was decided about one point.
func (plan *Plan) add(p *Point, decisions []Decision, kept bool, instance string) {
	for i := range decisions {
		if kept && !decisions[i].Keep {
			decisions[i].Reasons = append(slices.Clip(decisions[i].Reasons), "the point stays for another source")
		}
	}
	plan.Decisions = append(plan.Decisions, decisions...)
	if p.Forgotten != nil || p.Instance != instance {
		return
	}
	plan.Share.OfPoints++
	plan.Share.OfBytes += p.Bytes
	if !kept {
		plan.Forget = append(plan.Forget, p.ID)
		plan.Share.Points++
		plan.Share.Bytes += p.Bytes
	}
}

// history is the points of a repository as one instance sees them at some time.
type history struct {
	points   []*Point // oldest first
	instance string
	now      time.Time
	lineages map[string]*lineage
}

func newHistory(points []Point, instance string, now time.Time) *history {
	h := &history{instance: instance, now: now, lineages: map[string]*lineage{}, points: make([]*Point, len(points))}
	for i := range points {
		h.points[i] = &points[i]
	}
	slices.SortStableFunc(h.points, older)
	for _, p := range slices.Backward(h.points) {
		if p.Instance != instance {
			continue
		}
		for _, s := range p.Sources {
			l := h.lineage(s.Name)
			if s.Complete && p.counts(now) {
				l.counting = append(l.counting, p)
			}
		}
	}
	for _, l := range h.lineages {
		h.guard(l)
	}
	return h
}

func (h *history) lineage(source string) *lineage {
	l, known := h.lineages[source]
	if !known {
		l = &lineage{name: source, kept: map[*Point][]string{}}
		h.lineages[source] = l
	}
	return l
}

// ByPoint returns the decisions about each point.
func (plan *Plan) ByPoint() map[string][]Decision {
	byPoint := make(map[string][]Decision)
	for _, d := range plan.Decisions {
		byPoint[d.Point] = append(byPoint[d.Point], d)
	}
	return byPoint
}

// Why says in one line why a point stays or goes, by the decisions about its
// sources. It names these only where they disagree.
func Why(decisions []Decision) string {
	if len(decisions) == 0 {
		return ""
	}
	first := decisions[0].Reasons
	if !slices.ContainsFunc(decisions, func(d Decision) bool { return !slices.Equal(d.Reasons, first) }) {
		return strings.Join(first, ", ")
	}
	parts := make([]string, 0, len(decisions))
	for _, d := range decisions {
		if d.Keep {
			parts = append(parts, d.Source+": "+strings.Join(d.Reasons, ", "))
		}
	}
	if len(parts) == 0 { // none keeps it, each in its own words
		for _, d := range decisions {
			parts = append(parts, d.Source+": "+strings.Join(d.Reasons, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
