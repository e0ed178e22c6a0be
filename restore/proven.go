package restore

import (
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// addProof says of a member whether just that was shown to come back, and what
// was instead. Going back to an older state loses data: that is for people to
// decide.
func (p *Plan) addProof(point *repository.Point, m *Member) {
	m.Proven = point.ProvenSource(m.Source)
	if last := point.LastDrill(m.Source); last != nil && !last.Passed {
		p.warn("the last drill that restored %s from point %s, %s, did not pass: %s", m.Source, point.Point, last.Drill, strings.Join(last.Reasons, "; "))
	}
	newest := p.listing.NewestProven(point.Instance, m.Source)
	if m.Proven != nil || newest == nil {
		return
	}
	m.NewestProven = &Alternative{
		Point: newest.Point, Time: newest.Started, Proven: *newest.ProvenSource(m.Source),
		OlderSeconds: point.Started.Sub(newest.Started).Seconds(),
	}
}
