package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Measures of the trend.
const (
	trendDrills = 24 // the newest that are shown
	trendLeft   = 64.0
	trendRight  = 24.0
	trendTop    = 30.0
	trendHeight = 108.0 // of one panel
	trendPitch  = 162.0 // from one panel to the next
	datesAtMost = 8
)

// trend is the picture of the times of this drill and the ones before it.
type trend struct {
	Width, Height, Left, Right float64
	Panels                     []panel
	Dates                      []label
	Drills                     []trendDrill // oldest first
	Hidden                     int          // older ones that are not shown
	Summary                    string
}

// trendDrill is one drill of the trend.
type trendDrill struct {
	Started          time.Time
	Drill            string
	Outcome          string
	RTO, RPO         float64
	RTOPath, RPOPath string // where they stand in the JSON
}

// panel is the picture of one time over the drills.
type panel struct {
	Title       string
	Top, Bottom float64
	Line        string // points of a polyline
	Marks       []mark
	Ticks       []label
	Objective   *label
	Last        *label
}

// mark is one drill in a panel. Its shape tells the outcome.
type mark struct {
	X, Y    float64
	Outcome string
	Title   string
}

// Cross is the path of the mark of a failure.
func (m mark) Cross() string {
	const r = 4.5
	return fmt.Sprintf("M%g %gL%g %gM%g %gL%g %g", round(m.X-r), round(m.Y-r), round(m.X+r), round(m.Y+r), round(m.X-r), round(m.Y+r), round(m.X+r), round(m.Y-r))
}

// newTrend returns nil where there is nothing to compare with.
func newTrend(earlier []repository.Proof, p *drillPage) *trend {
	if len(earlier) == 0 {
		return nil
	}
	t := &trend{Width: pictureWidth, Left: trendLeft, Right: pictureWidth - trendRight}
	for i := range earlier {
		e := &earlier[i]
		place := fmt.Sprintf("trend.%d.", i)
		t.Drills = append(t.Drills, trendDrill{e.Started.UTC(), e.Drill, outcomeOf(e.Passed, e.Full), restoreTime(e), e.RPO.Seconds, place + "rtoSeconds", place + "rpoSeconds"})
	}
	last := trendDrill{p.Proof.Started.UTC(), p.Proof.Drill, p.Word(), restoreTime(&p.Proof), p.Proof.RPO.Seconds, "rto.seconds", "rpo.seconds"}
	if last.RTO != p.Proof.RTO.Seconds {
		last.RTOPath = "rto.projectedSeconds"
	}
	t.Drills = append(t.Drills, last)
	if t.Hidden = max(0, len(t.Drills)-trendDrills); t.Hidden > 0 {
		t.Drills = t.Drills[t.Hidden:]
	}
	t.panel("Time to restore (RTO)", p.Proof.RTO.ObjectiveSeconds, func(d trendDrill) float64 { return d.RTO })
	t.panel("Age of the data (RPO)", p.Proof.RPO.ObjectiveSeconds, func(d trendDrill) float64 { return d.RPO })
	t.dates()
	t.Summary = t.say()
	return t
}

// x is the place of the i-th drill: they stand side by side, however long it was
// from one to the next.
func (t *trend) x(i int) float64 {
	const inset = 20.0
	room := pictureWidth - trendLeft - trendRight - 2*inset
	return round(trendLeft + inset + room*float64(i)/float64(len(t.Drills)-1))
}

func (t *trend) panel(title string, objective float64, value func(trendDrill) float64) {
	top := trendTop + float64(len(t.Panels))*trendPitch
	p := panel{Title: title, Top: top, Bottom: top + trendHeight}
	most := objective
	for _, d := range t.Drills {
		most = max(most, value(d))
	}
	if most <= 0 {
		most = 1
	}
	y := func(v float64) float64 { return round(p.Bottom - v/(most*1.08)*trendHeight) }

	var line []string
	for i, d := range t.Drills {
		v := value(d)
		m := mark{X: t.x(i), Y: y(v), Outcome: d.Outcome, Title: fmt.Sprintf("%s: %s, %s", d.Started.Format(time.DateOnly), d.Outcome, reached(v))}
		if v > 0 {
			line = append(line, fmt.Sprintf("%g,%g", m.X, m.Y))
		}
		p.Marks = append(p.Marks, m)
	}
	p.Line = strings.Join(line, " ")
	last := p.Marks[len(p.Marks)-1]
	p.Last = &label{X: last.X + 6, Y: last.Y - 9, Text: reached(value(t.Drills[len(t.Drills)-1]))}
	// A panel is low: every other tick is enough.
	step := tickStep(most * 2)
	for v := 0.0; v <= most*1.0001; v += step {
		p.Ticks = append(p.Ticks, label{X: trendLeft - 8, Y: y(v), Text: shortDuration(v)})
	}
	if objective > 0 {
		p.Objective = &label{Y: y(objective), Text: "objective " + promised(objective)}
	}
	t.Panels = append(t.Panels, p)
	t.Height = p.Bottom + 26
}

func reached(seconds float64) string {
	if seconds <= 0 {
		return "not reached"
	}
	return Duration(seconds)
}

// dates names so many drills that their dates stand apart.
func (t *trend) dates() {
	every := (len(t.Drills) + datesAtMost - 1) / datesAtMost
	for i := len(t.Drills) - 1; i >= 0; i -= every {
		t.Dates = append(t.Dates, label{X: t.x(i), Y: t.Height - 8, Text: t.Drills[i].Started.Format(time.DateOnly)})
	}
}

// say is the picture for those who do not see it.
func (t *trend) say() string {
	counts := map[string]int64{}
	for _, d := range t.Drills {
		counts[d.Outcome]++
	}
	said := plural(int64(len(t.Drills)), "drill")
	for _, outcome := range []string{outcomeOf(true, true), outcomeOf(true, false), outcomeOf(false, false)} {
		if n := counts[outcome]; n > 0 {
			said += fmt.Sprintf(", %d %s", n, outcome)
		}
	}
	return said + ". The table below has every figure."
}

// NewestFirst is the order of the table.
func (t *trend) NewestFirst() []trendDrill {
	out := make([]trendDrill, 0, len(t.Drills))
	for i := len(t.Drills) - 1; i >= 0; i-- {
		out = append(out, t.Drills[i])
	}
	return out
}
