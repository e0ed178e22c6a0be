package report

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

// For pages that show trends: Style is that of every page, with the colours by day and
// by night, TrendStyle that of pictures, and TrendParts the template "trend", which
// takes a *Trend.
var (
	//go:embed style.css
	Style string
	//go:embed trend.css
	TrendStyle string
	//go:embed trend.html
	TrendParts string
)

// Measures of a trend.
const (
	trendLeft   = 64.0
	trendRight  = 24.0
	trendTop    = 30.0
	trendHeight = 108.0 // of one panel
	trendPitch  = 162.0 // from one panel to the next
	dateWidth   = 105.0
)

// Trend is a picture of times that were measured again and again, a panel for each
// sort. They stand side by side, however long it was from one to the next.
type Trend struct {
	ID      string // of the picture, on its page
	Title   string
	Summary string // for those who do not see it

	Width, Height, Left, Right float64
	Panels                     []panel
	Dates                      []label
	Legend                     []Sign
}

// Measured is a time that was measured.
type Measured struct {
	At      time.Time
	Seconds float64 // 0: the end was not reached
	Sign
}

// Sign is a mark and what it means. Its shape tells as much as its colour.
type Sign struct {
	Look string // "good", "bad" or "plain"
	Text string
}

// panel is the picture of one sort of times.
type panel struct {
	Title       string
	Top, Bottom float64
	Line        string // points of a polyline
	Marks       []mark
	Ticks       []label
	Objective   *label
	Last        *label
}

// mark is one time in a panel.
type mark struct {
	X, Y  float64
	Look  string
	Title string
}

// Cross is the path of the mark of a failure.
func (m mark) Cross() string {
	const r = 4.5
	return fmt.Sprintf("M%g %gL%g %gM%g %gL%g %g", round(m.X-r), round(m.Y-r), round(m.X+r), round(m.Y+r), round(m.X-r), round(m.Y+r), round(m.X+r), round(m.Y-r))
}

// NewTrend begins a picture of a width, in units of its own: a page scales it.
func NewTrend(id, title string, width float64) *Trend {
	return &Trend{ID: id, Title: title, Width: width, Left: trendLeft, Right: width - trendRight}
}

// x is the place of the i-th of n times.
func (t *Trend) x(i, n int) float64 {
	const inset = 20.0
	room := t.Right - t.Left - 2*inset
	return round(t.Left + inset + room*float64(i)/float64(max(n-1, 1)))
}

// Panel adds the times of one sort, of which there is at least one, oldest first. Every
// panel has as many, measured at the same times. An objective of 0 is none.
func (t *Trend) Panel(title string, objective float64, times []Measured) {
	top := trendTop + float64(len(t.Panels))*trendPitch
	p := panel{Title: title, Top: top, Bottom: top + trendHeight}
	most := objective
	for _, m := range times {
		most = max(most, m.Seconds)
	}
	if most <= 0 {
		most = 1
	}
	y := func(v float64) float64 { return round(p.Bottom - v/(most*1.08)*trendHeight) }

	var line []string
	for i, m := range times {
		at := mark{X: t.x(i, len(times)), Y: y(m.Seconds), Look: m.Look, Title: fmt.Sprintf("%s: %s, %s", m.At.Format(time.DateOnly), m.Text, reached(m.Seconds))}
		if m.Seconds > 0 {
			line = append(line, fmt.Sprintf("%g,%g", at.X, at.Y))
		}
		p.Marks = append(p.Marks, at)
	}
	p.Line = strings.Join(line, " ")
	last := p.Marks[len(p.Marks)-1]
	p.Last = &label{X: last.X + 6, Y: last.Y - 9, Text: reached(times[len(times)-1].Seconds)}
	// A panel is low: every other tick is enough.
	step := tickStep(most * 2)
	for v := 0.0; v <= most*1.0001; v += step {
		p.Ticks = append(p.Ticks, label{X: t.Left - 8, Y: y(v), Text: shortDuration(v)})
	}
	if objective > 0 {
		p.Objective = &label{Y: y(objective), Text: "objective " + Promised(objective)}
	}
	t.Panels = append(t.Panels, p)
	t.Height = p.Bottom + 26
	t.date(times)
}

func reached(seconds float64) string {
	if seconds <= 0 {
		return "not reached"
	}
	return Duration(seconds)
}

// date names so many times below the last panel that their dates stand apart: hours
// where they are of one day or two.
func (t *Trend) date(times []Measured) {
	t.Dates = nil
	format := time.DateOnly
	if times[len(times)-1].At.Sub(times[0].At) < 48*time.Hour {
		format = "15:04"
	}
	most := max(int(t.Width/dateWidth), 1)
	every := (len(times) + most - 1) / most
	for i := len(times) - 1; i >= 0; i -= every {
		t.Dates = append(t.Dates, label{X: t.x(i, len(times)), Y: t.Height - 8, Text: times[i].At.UTC().Format(format)})
	}
}

// Explain says what the marks mean, and sums up the times of which there are so many of
// each sign.
func (t *Trend) Explain(noun string, times []Measured, signs ...Sign) {
	t.Legend = signs
	t.Summary = plural(int64(len(times)), noun)
	for _, s := range signs {
		n := len(slices.DeleteFunc(slices.Clone(times), func(m Measured) bool { return m.Sign != s }))
		if n > 0 {
			t.Summary += fmt.Sprintf(", %d %s", n, s.Text)
		}
	}
}
