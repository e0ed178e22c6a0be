package main

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/status"
)

// writeStatus prints a status for people: the state and why come first.
func writeStatus(p *page, s *status.Report) {
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
func writeSources(p *page, s *status.Report) {
	rows := make([][]any, 0, len(s.Objectives.RPO.Sources))
	for i, source := range s.Objectives.RPO.Sources {
		row := []any{source.Source, "none", "", "never"}
		if source.Time != nil {
			row[1], row[2] = source.Point, objective(quantity.Age(*source.AgeSeconds), source.Met)
		}
		if proven := s.Proofs[i]; proven.Proven != nil {
			row[3] = quantity.Age(*proven.AgeSeconds) + " ago"
		}
		rows = append(rows, row)
	}
	p.table([]column{left("source"), left("newest restorable point"), left("age"), left("proven")}, rows)
}

func writeStreams(p *page, s *status.Report) {
	if len(s.Streams) == 0 {
		return
	}
	rows := make([][]any, 0, len(s.Streams))
	for _, one := range s.Streams {
		note := ""
		if one.IncompleteSince != nil {
			note = "incomplete since " + utc(*one.IncompleteSince)
		}
		rows = append(rows, []any{one.Stream, one.Point, quantity.Age(one.AgeSeconds), one.Seq, one.Points, note})
	}
	p.table([]column{left("stream"), left("last point"), left("age"), number("number"), number("points"), left("notes")}, rows)
	p.line("")
}

func writePlaces(p *page, s *status.Report) {
	rows := make([][]any, 0, len(s.Copies))
	for _, c := range s.Copies {
		stored, perMonth := "", ""
		if c.Stored != nil {
			stored = size(*c.Stored)
		}
		if c.PerMonth != nil {
			perMonth = c.PerMonth.String() + " " + c.Currency
		}
		rows = append(rows, []any{c.Name, c.Kind, c.Place, holds(&c), stored, perMonth})
	}
	p.table([]column{left("copy"), left("kind"), left("place"), left("holds"), number("stored"), number("per month")}, rows)
}

// holds says in a few words what a copy holds.
func holds(c *status.Copy) string {
	points := 0
	for _, s := range c.Sources {
		points = max(points, s.BehindPoints)
	}
	switch {
	case !c.Reachable:
		return "cannot be read"
	case !c.Counts:
		return "not every source"
	case points > 0:
		return quantity.Count(points, "point", "points") + " behind, " + quantity.Age(c.Behind())
	default:
		return "everything"
	}
}

// writePromises prints what was promised of all sources together.
func writePromises(p *page, s *status.Report) {
	r := s.ThreeTwoOne
	p.line("3-2-1    %s on %s of storage in %s%s", quantity.Count(r.Copies, "copy", "copies"), quantity.Count(r.Kinds, "kind", "kinds"),
		quantity.Count(r.Places, "place", "places"), objective(", production included", &r.Met))
	if rto := s.Objectives.RTO; rto.MeasuredSeconds != nil {
		p.line("rto      %s", objective(quantity.Whole(*rto.MeasuredSeconds), rto.Met))
	} else {
		p.line("rto      never measured")
	}
	if c := s.Cost; c.Stored != nil {
		cost := ""
		if c.PerMonth != nil {
			cost = ", " + c.Text()
		}
		p.line("stored   %s in all places%s, counted at %s", size(*c.Stored), cost, c.Counted.Format(time.TimeOnly+"Z"))
	}
}

func writeSchedules(p *page, s *status.Report) {
	if len(s.Schedules) == 0 {
		return
	}
	rows := make([][]any, 0, len(s.Schedules))
	for _, one := range s.Schedules {
		row := []any{one.Schedule, utc(one.Next), "never", ""}
		if one.Due != nil {
			row[2], row[3] = utc(*one.Ended), one.Result
		}
		rows = append(rows, row)
	}
	p.table([]column{left("schedule"), left("next"), left("last run ended"), left("result")}, rows)
	p.line("")
}
