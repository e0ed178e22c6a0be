package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// trendDrills bounds how many drills, the newest, are shown.
const trendDrills = 24

// trend is the picture of the times of this drill and the ones before it.
type trend struct {
	*Trend
	Drills []trendDrill // oldest first
	Hidden int          // older ones that are not shown
}

// trendDrill is one drill of the trend.
type trendDrill struct {
	Started          time.Time
	Drill            string
	Outcome          string
	RTO, RPO         float64
	RTOPath, RPOPath string // where they stand in the JSON
}

// newTrend returns nil where there is nothing to compare with.
func newTrend(earlier []repository.Proof, p *drillPage) *trend {
	if len(earlier) == 0 {
		return nil
	}
	t := &trend{}
	for i := range earlier {
		e := &earlier[i]
		place := fmt.Sprintf("trend.%d.", i)
		t.Drills = append(t.Drills, trendDrill{e.Started.UTC(), e.Drill, OutcomeOf(e.Passed, e.Full), restoreTime(e), e.RPO.Seconds, place + "rtoSeconds", place + "rpoSeconds"})
	}
	last := trendDrill{p.Proof.Started.UTC(), p.Proof.Drill, p.Word(), restoreTime(&p.Proof), p.Proof.RPO.Seconds, "rto.seconds", "rpo.seconds"}
	if last.RTO != p.Proof.RTO.Seconds {
		last.RTOPath = "rto.projectedSeconds"
	}
	t.Drills = append(t.Drills, last)
	if t.Hidden = max(0, len(t.Drills)-trendDrills); t.Hidden > 0 {
		t.Drills = t.Drills[t.Hidden:]
	}
	var rto, rpo []Measured
	for _, d := range t.Drills {
		sign := DrillSign(d.Outcome)
		rto, rpo = append(rto, Measured{d.Started, d.RTO, sign}), append(rpo, Measured{d.Started, d.RPO, sign})
	}
	t.Trend = TrendOfDrills(pictureWidth, rto, rpo, p.Proof.RTO.ObjectiveSeconds, p.Proof.RPO.ObjectiveSeconds)
	t.Summary += ". The table below has every figure."
	return t
}

// TrendOfDrills is a picture of what drills have measured, oldest first, at least one.
func TrendOfDrills(width float64, rto, rpo []Measured, rtoObjective, rpoObjective float64) *Trend {
	t := NewTrend("trend", "RTO and RPO of the last drills", width)
	t.Panel("Time to restore (RTO)", rtoObjective, rto)
	t.Panel("Age of the data (RPO)", rpoObjective, rpo)
	t.Explain("drill", rto, DrillSign(OutcomeOf(true, true)), DrillSign(OutcomeOf(true, false)), DrillSign(OutcomeOf(false, false)))
	return t
}

// DrillSign is the mark of an outcome of a drill: OutcomeOf.
func DrillSign(outcome string) Sign {
	switch outcome {
	case OutcomeOf(true, true):
		return Sign{"good", outcome}
	case OutcomeOf(false, false):
		return Sign{"bad", outcome}
	default:
		return Sign{"plain", outcome}
	}
}

// NewestFirst is the order of the table.
func (t *trend) NewestFirst() []trendDrill {
	drills := slices.Clone(t.Drills)
	slices.Reverse(drills)
	return drills
}
