package status

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Point is a point in one line.
type Point struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"`
	Stream   string    `json:"stream"`
	Seq      int64     `json:"seq"`
	Complete bool      `json:"complete"`
	Sources  []string  `json:"sources"`
	Stored   int64     `json:"stored"`
	Trusted  bool      `json:"trusted"`
	Proven   bool      `json:"proven"`
	// ProvenAt is the end of the oldest of the drills that prove it.
	ProvenAt *time.Time `json:"provenAt"`
	// LastDrillFailed says that the last one did not pass, whatever earlier ones did.
	LastDrillFailed bool `json:"lastDrillFailed"`
	Held            bool `json:"held"`
	Forgotten       bool `json:"forgotten"`
	Quarantined     bool `json:"quarantined"`
	Shredded        bool `json:"shredded"`
}

// PointOf keeps of a point what its line says.
func PointOf(p *repository.Point) Point {
	line := Point{
		ID: p.Point, Time: p.Started, Instance: p.Instance, Stream: p.Stream, Seq: p.Seq, Complete: p.Complete,
		Sources: []string{}, Stored: p.Stored, Trusted: p.Untrusted == nil, Proven: p.Proven != nil, ProvenAt: p.Proven,
		LastDrillFailed: len(p.Proofs) > 0 && !p.Proofs[0].Passed,
		Held:            p.Held != nil, Forgotten: p.Forgotten != nil, Quarantined: p.Quarantined != "", Shredded: p.Shredded != nil,
	}
	for _, s := range p.Sources {
		line.Sources = append(line.Sources, s.Name)
	}
	return line
}

// Notes say what is out of the ordinary about a point.
func (p Point) Notes() []string {
	var notes []string
	for _, n := range []struct {
		holds bool
		text  string
	}{
		{!p.Complete, "incomplete"}, {!p.Trusted, "not trusted"}, {p.Held, "held"},
		{p.Shredded, "shredded"}, {p.Forgotten, "forgotten"}, {p.Quarantined, "quarantined"}, {p.LastDrillFailed, "last drill failed"},
	} {
		if n.holds {
			notes = append(notes, n.text)
		}
	}
	return notes
}
