package main

import (
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/retention"
)

// printPlan shows what was decided about every point.
func (a *app) printPlan(todo *retention.Pruning, instance string, prices *quantity.Pricing) {
	result := pruned{todo.Decisions, todo.Forget, todo.Share, todo.Deletes, nil, todo.Outside}
	if prices != nil && todo.Deletes != nil && todo.Deletes.Files > 0 {
		freed := prices.Of(todo.Deletes.Bytes)
		result.Freed = &freed
	}
	a.out.print(result, func(p *page) {
		writePrune(p, todo.Listing, todo.Plan, instance)
		if todo.Deletes != nil {
			writeSweep(p, todo.Deletes, result.Freed)
		}
		writeOutside(p, todo.Outside)
	})
}

// writeSweep says what is deleted.
func writeSweep(p *page, s *repository.SweepPlan, freed *quantity.Monthly) {
	p.line("%s to be deleted (%s of %s): those of %s whose grace has ended, and what nothing needs", plural(s.Files, "file"), size(s.Bytes), size(s.OfBytes), plural(int64(len(s.Points)), "point"))
	if freed != nil {
		p.line("that saves %s", freed.Text())
	}
	for _, id := range s.Waiting {
		p.line("point %s waits: a run builds on it that may be alive", id)
	}
}

// writePrune lists the points, the newest first: those that stay, those that go,
// and those that went before. What belongs to others is only counted.
func writePrune(p *page, listing *repository.Listing, plan *retention.Plan, instance string) {
	reasons := plan.ByPoint()
	var keep, forget, gone [][]any
	others := 0
	for _, point := range slices.Backward(listing.Points) {
		decisions := reasons[point.Point]
		row := []any{point.Point, utc(point.Started), strings.Join(sourceNames(point), ", "), retention.Why(decisions)}
		switch {
		case point.Instance != instance:
			others++
		case slices.ContainsFunc(decisions, func(d retention.Decision) bool { return d.Keep }):
			keep = append(keep, row)
		case point.Forgotten != nil:
			gone = append(gone, row)
		default:
			forget = append(forget, row)
		}
	}
	writeVerdict(p, "keep", keep)
	writeVerdict(p, "forget", forget)
	writeVerdict(p, "forgotten before", gone)
	if others > 0 {
		p.line("%s of other instances: left alone", plural(int64(others), "point"))
	}
	s := plan.Share
	p.line("%d of %s to be forgotten, with %s of %s of files of their own", s.Points, plural(int64(s.OfPoints), "point"), size(s.Bytes), size(s.OfBytes))
}

func writeVerdict(p *page, verdict string, rows [][]any) {
	if len(rows) == 0 {
		return
	}
	p.line("%s: %s", verdict, plural(int64(len(rows)), "point"))
	p.table([]column{left("point"), left("time"), left("sources"), left("why")}, rows)
	p.line("")
}

func sourceNames(p *repository.Point) []string {
	names := make([]string, len(p.Sources))
	for i, s := range p.Sources {
		names[i] = s.Name
	}
	return names
}
