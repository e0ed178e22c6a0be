package main

import (
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/runbook"
)

// markdown is the change log as a document that is kept: a table for each namespace,
// with a line for each field.
func (l *changeLog) markdown() string {
	until := []any{" to point ", runbook.Code(l.to.name), " of " + utc(l.to.at) + "."}
	if l.to.name == live {
		until = []any{" to the cluster as it was at " + utc(l.to.at) + "."}
	}
	intro := runbook.Section{Blocks: []runbook.Block{
		runbook.Text(runbook.Spans(append([]any{"From point ", runbook.Code(l.from.name), " of " + utc(l.from.at)}, until...)...)),
	}}
	if len(l.releases) > 0 {
		var items runbook.List
		for _, release := range l.releases {
			items = append(items, runbook.Spans("Helm release "+release))
		}
		intro.Blocks = append(intro.Blocks, items)
	}
	if len(l.changes) == 0 {
		intro.Blocks = append(intro.Blocks, runbook.Text(runbook.Spans("Nothing has changed.")))
	}
	page := runbook.Page{Title: "Changes of source " + l.source + " until " + utc(l.to.at), Sections: []runbook.Section{intro}}
	for len(l.changes) > 0 {
		n := 1
		for n < len(l.changes) && l.changes[n].Namespace == l.changes[0].Namespace {
			n++
		}
		page.Sections = append(page.Sections, changesOfNamespace(l.changes[:n]))
		l.changes = l.changes[n:]
	}
	return runbook.Markdown(page)
}

func changesOfNamespace(changes []kube.Change) runbook.Section {
	title := "Namespace " + changes[0].Namespace
	if changes[0].Namespace == "" {
		title = "The whole cluster"
	}
	table := runbook.Table{Header: []string{"Change", "Object", "By hand", "By", "At", "Field", "Before", "After"}}
	for _, c := range changes {
		of := [][]runbook.Span{
			runbook.Spans(string(c.Change)), runbook.Spans(runbook.Code(bareName(c))), runbook.Spans(yes(c.Manual)), codeOrNothing(c.By), runbook.Spans(changedAt(c.At)),
		}
		rows := append(fieldRows(c.Fields, ""), fieldRows(c.Drift, " (not as in release "+c.Release+")")...)
		if len(rows) == 0 {
			rows = [][][]runbook.Span{{nil, nil, nil}}
		}
		for _, row := range rows {
			table.Rows = append(table.Rows, append(of, row...))
			of = make([][]runbook.Span, len(of)) // said once
		}
	}
	return runbook.Section{Title: title, Blocks: []runbook.Block{table}}
}

func fieldRows(fields []fields.Change, note string) [][][]runbook.Span {
	var rows [][][]runbook.Span
	for _, f := range fields {
		rows = append(rows, [][]runbook.Span{runbook.Spans(runbook.Code(f.Path), note), valueSpans(f.Before, f.BeforeDigest), valueSpans(f.After, f.AfterDigest)})
	}
	return rows
}

func valueSpans(v any, digest string) []runbook.Span {
	if digest != "" {
		return runbook.Spans("digest ", runbook.Code(digest))
	}
	if v == nil {
		return runbook.Spans("nothing")
	}
	return runbook.Spans(runbook.Code(shownValue(v, "")))
}

func codeOrNothing(text string) []runbook.Span {
	if text == "" {
		return nil
	}
	return runbook.Spans(runbook.Code(text))
}
