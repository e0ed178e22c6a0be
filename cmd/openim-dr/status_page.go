package main

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// writeStatus prints a status for people: the state and why come first.
func writeStatus(p *page, s *statusReport) {
	if len(s.Reasons) == 0 {
		p.line("ok: every source can be restored as promised")
	}
	for _, r := range s.Reasons {
		p.line("%s: %s", r.Severity, r.Text)
	}
	p.line("")
	writeSources(p, s)
	p.line("")
	writeStreams(p, s)
	writeSchedules(p, s)
	writePlaces(p, s)
	p.line("")
	writePromises(p, s)
}

// writeSources prints what can be restored of each source, and what was proven.
func writeSources(p *page, s *statusReport) {
	rows := make([][]any, 0, len(s.Objectives.RPO.Sources))
	for i, source := range s.Objectives.RPO.Sources {
		row := []any{source.Source, "none", "", "never"}
		if source.Time != nil {
			row[1], row[2] = source.Point, objective(ageOf(*source.AgeSeconds), source.Met)
		}
		if proven := s.Proofs[i]; proven.Proven != nil {
			row[3] = ageOf(*proven.AgeSeconds) + " ago"
		}
		rows = append(rows, row)
	}
	p.table([]column{left("source"), left("newest restorable point"), left("age"), left("proven")}, rows)
}

func writeStreams(p *page, s *statusReport) {
	if len(s.Streams) == 0 {
		return
	}
	rows := make([][]any, 0, len(s.Streams))
	for _, one := range s.Streams {
		note := ""
		if one.IncompleteSince != nil {
			note = "incomplete since " + utc(*one.IncompleteSince)
		}
		rows = append(rows, []any{one.Stream, one.Point, ageOf(one.AgeSeconds), one.Seq, one.Points, note})
	}
	p.table([]column{left("stream"), left("last point"), left("age"), number("number"), number("points"), left("notes")}, rows)
	p.line("")
}

func writePlaces(p *page, s *statusReport) {
	rows := make([][]any, 0, len(s.Copies))
	for _, c := range s.Copies {
		stored, perMonth := "", ""
		if c.Stored != nil {
			stored = size(*c.Stored)
		}
		if c.PerMonth != nil {
			perMonth = c.PerMonth.String() + " " + c.Currency
		}
		rows = append(rows, []any{c.Name, c.Kind, c.Place, c.holds(), stored, perMonth})
	}
	p.table([]column{left("copy"), left("kind"), left("place"), left("holds"), number("stored"), number("per month")}, rows)
}

// holds says in a few words what a copy holds.
func (c copyStatus) holds() string {
	points, longest := 0, 0.0
	for _, s := range c.Sources {
		points = max(points, s.BehindPoints)
		if s.BehindSeconds != nil {
			longest = max(longest, *s.BehindSeconds)
		}
	}
	switch {
	case !c.Reachable:
		return "cannot be read"
	case !c.Counts:
		return "not every source"
	case points > 0:
		return quantity.Count(points, "point", "points") + " behind, " + ageOf(longest)
	default:
		return "everything"
	}
}

// writePromises prints what was promised of all sources together.
func writePromises(p *page, s *statusReport) {
	r := s.ThreeTwoOne
	p.line("3-2-1    %s on %s of storage in %s%s", quantity.Count(r.Copies, "copy", "copies"), quantity.Count(r.Kinds, "kind", "kinds"),
		quantity.Count(r.Places, "place", "places"), objective(", production included", &r.Met))
	if rto := s.Objectives.RTO; rto.MeasuredSeconds != nil {
		p.line("rto      %s", objective(whole(*rto.MeasuredSeconds), rto.Met))
	} else {
		p.line("rto      never measured")
	}
	if c := s.Cost; c.Stored != nil {
		cost := ""
		if c.PerMonth != nil {
			cost = ", " + c.text()
		}
		p.line("stored   %s in all places%s, counted at %s", size(*c.Stored), cost, c.Counted.Format(time.TimeOnly+"Z"))
	}
}
