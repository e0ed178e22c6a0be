package main

import (
	"slices"

	"github.com/openim-dr/openim-dr/internal/report"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// fillPlan writes a plan into a report: what is known before anything is
// touched, and all that is known of a restore that is not begun.
func fillPlan(r *report.Report, plan *restore.Plan) {
	r.EstimateSeconds, r.Warnings = plan.Estimate, plan.Warnings
	r.Points, r.Sources, r.Steps, r.Checks = nil, nil, nil, nil
	r.Deviations, r.Refusals, r.Overwritten = nil, nil, nil
	for _, m := range plan.Set {
		addPoint(r, m)
		r.Sources = append(r.Sources, report.Source{Name: m.Source, Kind: m.Kind, Point: m.Point})
	}
	for _, s := range plan.Steps {
		r.Steps = append(r.Steps, report.Step{
			Source: s.Source, Action: s.Action, Target: s.Target, Counts: report.Counts{Rows: s.Rows, Objects: s.Objects, Bytes: s.Bytes},
		})
	}
	for _, c := range plan.Checks {
		r.Checks = append(r.Checks, report.Check(c))
	}
	for _, d := range plan.Deviations {
		r.Deviations = append(r.Deviations, report.Deviation{Source: d.Source, Object: d.Object, What: d.What, Why: d.Why})
	}
	for _, f := range plan.Refusals {
		r.Refusals = append(r.Refusals, report.Refusal(f))
	}
	for _, o := range plan.Overwritten {
		r.Overwritten = append(r.Overwritten, report.Overwrites{Target: o.Target, Held: o.Holds})
	}
}

// addPoint adds a member of the set to its point.
func addPoint(r *report.Report, m restore.Member) {
	at := slices.IndexFunc(r.Points, func(p report.Point) bool { return p.Point == m.Point })
	if at < 0 {
		at = len(r.Points)
		r.Points = append(r.Points, report.Point{Point: m.Point, Time: m.Time, AgeSeconds: m.AgeSeconds, Proven: m.Proven})
	}
	// As of a point: proven as a whole, since its longest ago.
	if proven := r.Points[at].Proven; m.Proven == nil || (proven != nil && m.Proven.Before(*proven)) {
		r.Points[at].Proven = m.Proven
	}
	r.Points[at].Sources = append(r.Points[at].Sources, m.Source)
}

// fillResult writes what was brought back into a report.
func fillResult(r *report.Report, result *restore.Result) {
	r.Restore, r.Equal, r.RollbackPoint = result.Restore, result.Equal, result.RollbackPoint
	if result.Stopped {
		r.Warnings = append(r.Warnings, "what writes to the targets is stopped still: openim-dr restore --release brings it back")
	}
	r.Warnings = append(r.Warnings, fellBack(result.FellBack)...)
	if result.RTOSeconds > 0 {
		r.RTOSeconds = &result.RTOSeconds
	}
	for _, s := range result.Sources { // those without a name were not begun
		if at := slices.IndexFunc(r.Sources, func(v report.Source) bool { return v.Name == s.Name }); at >= 0 {
			r.Sources[at] = sourceOf(s)
		}
	}
}

func sourceOf(s restore.SourceResult) report.Source {
	view := report.Source{
		Name: s.Name, Kind: s.Kind, Point: s.Point, Counts: countsOf(s.Summary),
		LoadSeconds: begun(s.LoadSeconds), CompareSeconds: begun(s.CompareSeconds),
	}
	if s.CompareSeconds > 0 && (s.Equal || len(s.Items)+len(s.Differences) > 0) {
		view.Equal = &s.Equal
	}
	for _, i := range s.Items {
		view.Items = append(view.Items, comparedOf(i))
	}
	for _, l := range s.Lost {
		view.Differences = append(view.Differences, report.Difference{Object: l.Object, What: "lost", Want: l.What, Got: l.Why})
	}
	for _, d := range s.Differences {
		view.Differences = append(view.Differences, report.Difference(d))
	}
	for _, d := range s.Deviations {
		view.Deviations = append(view.Deviations, report.Deviation{Object: d.Object, What: d.What, Why: d.Why})
	}
	return view
}

func countsOf(s repository.Summary) report.Counts {
	return report.Counts{Rows: s.Rows, Objects: s.Objects, Documents: s.Documents, Bytes: s.Bytes}
}

func comparedOf(c source.Compared) report.Compared {
	return report.Compared{Name: c.Name, Counts: report.Counts{Rows: c.Rows, Objects: c.Objects, Bytes: c.Bytes}, Equal: c.Equal}
}

// begun returns how long something took, or nil where it was not begun.
func begun(seconds float64) *float64 {
	if seconds == 0 {
		return nil
	}
	return &seconds
}
