package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/restore"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// writePlan prints what a restore would do. Of the checks that are ok it gives the
// names alone, unless every one is wanted: what is not ok must not drown in them.
func writePlan(p *page, plan *restore.Plan, every bool) {
	rows := make([][]any, 0, len(plan.Set))
	for _, m := range plan.Set {
		rows = append(rows, []any{m.Source, m.Kind, m.Point, utc(m.Time), ageText(m.AgeSeconds), contents(m.Summary), size(m.Bytes)})
	}
	p.table([]column{left("source"), left("kind"), left("point"), left("time"), number("age"), number("content"), number("bytes")}, rows)
	p.line("")
	rows = rows[:0]
	for i, s := range plan.Steps {
		rows = append(rows, []any{i + 1, s.Action, s.Target, amount(s.Rows, s.Objects), size(s.Bytes)})
	}
	p.table([]column{number("step"), left("action"), left("target"), number("content"), number("bytes")}, rows)
	p.line("")
	for _, m := range plan.Set {
		p.line("lost     what has changed in %s since %s: %s", m.Source, utc(m.Time), lostText(m.AgeSeconds))
	}
	for _, m := range plan.Set {
		p.line("proven   %s", provenLine(m))
	}
	for _, step := range plan.ByHand {
		p.line("by hand  %s", step)
	}
	writeChecks(p, plan.Checks, every)
	for _, w := range slices.Concat(plan.Warnings, fellBack(plan.FellBack)) {
		p.line("warning  %s", w)
	}
	for _, d := range plan.Deviations {
		p.line("deviation  %s %s: %s: %s", d.Source, d.Object, d.What, d.Why)
	}
	for _, r := range plan.Refusals {
		p.line("refused  %s: %s; %s", r.Target, r.Why, r.Try)
	}
	if plan.Estimate == nil {
		p.line("time     not known: no proof yet, which would have measured a restore of %s", strings.Join(plan.Unmeasured, ", "))
	} else {
		p.line("time     about %s, as drills have measured it", quantity.Whole(*plan.Estimate))
	}
}

// ageText is how old a state is. By a clock that is wrong it may lie ahead.
func ageText(seconds float64) string {
	if seconds < 0 {
		return quantity.Age(-seconds) + " ahead"
	}
	return quantity.Age(seconds)
}

func lostText(ageSeconds float64) string {
	if ageSeconds < 0 {
		return "how much cannot be said, since that is yet to come by the clock of this machine"
	}
	return quantity.Age(ageSeconds) + " of changes"
}

func writeChecks(p *page, checks []restore.Check, every bool) {
	names, good := map[string][]string{}, 0
	var sources []string // in the plan's order
	for _, c := range checks {
		if !c.OK {
			continue
		}
		good++
		if every {
			p.line("check    ok  %s: %s", strings.TrimSpace(c.Source+" "+c.Check), c.Detail)
			continue
		}
		if names[c.Source] == nil {
			sources = append(sources, c.Source)
		}
		names[c.Source] = append(names[c.Source], c.Check)
	}
	for _, source := range sources {
		p.line("check    ok  %s: %s ok: %s", cmp.Or(source, "all"), quantity.Count(len(names[source]), "check is", "checks are"), strings.Join(names[source], ", "))
	}
	for _, c := range checks {
		if !c.OK {
			p.line("check    NO  %s: %s", strings.TrimSpace(c.Source+" "+c.Check), c.Detail)
		}
	}
	more := ""
	if len(sources) > 0 {
		more = "; --log-level debug prints what each has seen"
	}
	p.line("checks   %d of %d are ok%s", good, len(checks), more)
}

// provenLine says whether the state that is restored was shown to come back, and
// which was instead. The time between them is what going back would cost besides.
func provenLine(m restore.Member) string {
	other := m.NewestProven
	switch {
	case m.Proven != nil:
		return fmt.Sprintf("%s: a drill has shown at %s that just this comes back", m.Source, utc(*m.Proven))
	case other == nil:
		return m.Source + ": no drill has shown of any point that it comes back"
	case other.OlderSeconds < 0:
		return fmt.Sprintf("%s: no drill has shown that this comes back, but of point %s, of %s, %s newer", m.Source, other.Point, utc(other.Time), quantity.Age(-other.OlderSeconds))
	default:
		return fmt.Sprintf("%s: no drill has shown that this comes back, but of point %s, of %s, %s older: latest-proven would restore that", m.Source, other.Point, utc(other.Time), quantity.Age(other.OlderSeconds))
	}
}

func amount(rows, objects int64) string {
	var parts []string
	if rows > 0 {
		parts = append(parts, plural(rows, "row"))
	}
	if objects > 0 {
		parts = append(parts, plural(objects, "object"))
	}
	return strings.Join(parts, ", ")
}

// writeRestored prints what came back, and every difference.
func writeRestored(p *page, r *restore.Result) {
	p.line("")
	rows := make([][]any, 0, len(r.Sources))
	for _, s := range r.Sources {
		if s.Name != "" { // the restore may have failed before this source
			rows = append(rows, []any{s.Name, s.Point, contents(s.Summary), size(s.Bytes), seconds(s.LoadSeconds), seconds(s.CompareSeconds), count(int64(len(s.Items))), yes(s.Equal)})
		}
	}
	p.table([]column{left("source"), left("point"), number("content"), number("bytes"), number("load"), number("compare"), number("compared"), left("equal")}, rows)
	for _, s := range r.Sources {
		for _, l := range s.Lost {
			p.line("lost  %s %s: %s: %s", s.Name, l.Object, l.What, l.Why)
			if l.Offer != "" {
				p.line("      %s", l.Offer)
			}
		}
		for _, d := range s.Differences {
			p.line("different  %s %s: %s: want %s, got %s", s.Name, d.Object, d.What, d.Want, d.Got)
		}
	}
	for _, s := range r.Sources {
		for _, d := range s.Deviations {
			p.line("deviation  %s %s: %s: %s", s.Name, d.Object, d.What, d.Why)
		}
	}
	p.line("")
	for _, text := range fellBack(r.FellBack) {
		p.line("warning  %s", text)
	}
	switch n := r.Deviations(); {
	case r.Equal && n > 0:
		p.line("restore %s: equal to what was captured but for %s that the settings ask for, after %s", r.Restore, plural(int64(n), "deviation"), seconds(r.RTOSeconds))
	case r.Equal:
		p.line("restore %s: everything is equal to what was captured, after %s", r.Restore, seconds(r.RTOSeconds))
	default:
		p.line("restore %s: NOT shown to be equal", r.Restore)
	}
	if r.Stopped {
		p.line("what writes to the targets is stopped still: openim-dr restore --release brings it back")
	}
	if r.RollbackPoint != nil {
		p.line("what was there before is rollback point %s, held for 14 days", *r.RollbackPoint)
	}
}
