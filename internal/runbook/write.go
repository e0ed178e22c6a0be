package runbook

import (
	_ "embed"
)

//go:embed common.sh.tmpl
var commonBlocks string

var commonTemplates = ParseTemplates(commonBlocks)

// Write puts the page together.
func Write(f Facts) (Page, error) {
	w := &writer{Facts: f}
	page := Page{Title: "Restore point " + f.Point.ID + " by hand"}
	page.Sections = append(page.Sections, w.introduction(), w.point(), w.need(), w.variables())
	fetching, err := w.fetching()
	if err != nil {
		return Page{}, err
	}
	page.Sections = append(page.Sections, fetching)
	for _, part := range w.Parts {
		after := w.opened
		if len(part.Lists) > 0 {
			after = w.indexed
		}
		page.Sections = append(page.Sections, w.steps.number(part.Sections, after)...)
	}
	page.Sections = append(page.Sections, w.afterwards())
	return page, nil
}

// writer writes one page.
type writer struct {
	Facts
	steps steps
	// Numbers of the blocks on which those of the parts follow.
	opened, indexed int
}

// commonData is what the common blocks are made with.
type commonData struct {
	GCS         bool
	Programs    []string
	Fill        []string
	FilesToRead []string
	Dirs        []string // of the chosen sources; nil for the whole point
	Lists       []string
}

func (w *writer) data() commonData {
	d := commonData{GCS: w.Repository.GCS != "", Fill: []string{"WORK", "IDENTITY", "SIGNER"}, FilesToRead: []string{"IDENTITY"}}
	for _, t := range w.tools() {
		d.Programs = append(d.Programs, t.Program)
	}
	for _, p := range w.Parts {
		d.Lists = append(d.Lists, p.Lists...)
		if w.Partial {
			d.Dirs = append(d.Dirs, p.Dir)
		}
		for _, v := range p.Variables {
			if v.Fill {
				d.Fill = append(d.Fill, v.Name)
			}
			if v.File {
				d.FilesToRead = append(d.FilesToRead, v.Name)
			}
		}
	}
	return d
}

// lists are those of all buckets.
func (w *writer) lists() []string { return w.data().Lists }
