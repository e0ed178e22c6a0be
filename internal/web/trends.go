package web

import (
	"fmt"

	"github.com/openim-dr/openim-dr/internal/report"
)

// Measures of the pictures: two stand side by side on a desk, and one fills a telephone.
const (
	pictureWidth = 520.0
	shownTimes   = 20
)

// Signs of what was measured against an objective.
var (
	kept    = report.Sign{Look: "good", Text: "within the objective"}
	late    = report.Sign{Look: "bad", Text: "later than that"}
	noneSet = report.Sign{Look: "plain", Text: "no objective"}
)

// trends are pictures of what was measured over time: of the drills, and of each source.
func trends(o Objectives) []*report.Trend {
	var all []*report.Trend
	if drills := lastOf(o.RTO.Drills); len(drills) > 0 {
		var rto, rpo []report.Measured
		for _, d := range drills {
			sign := report.DrillSign(report.OutcomeOf(d.Passed, d.Full))
			rto = append(rto, report.Measured{At: d.Started, Seconds: d.RTOSeconds, Sign: sign})
			rpo = append(rpo, report.Measured{At: d.Started, Seconds: d.RPOSeconds, Sign: sign})
		}
		all = append(all, report.TrendOfDrills(pictureWidth, rto, rpo, seconds(o.RTO.ObjectiveSeconds), seconds(o.RPO.ObjectiveSeconds)))
	}
	for i, s := range o.RPO.Sources {
		if captures := lastOf(s.Captures); len(captures) > 0 {
			all = append(all, trendOf(fmt.Sprintf("trend-%d", i+1), s.Source, captures, seconds(o.RPO.ObjectiveSeconds)))
		}
	}
	return all
}

// trendOf is the picture of how old the newest state of a source has become.
func trendOf(id, source string, captures []Capture, objective float64) *report.Trend {
	times := make([]report.Measured, 0, len(captures))
	for _, c := range captures {
		sign := kept
		switch {
		case objective == 0:
			sign = noneSet
		case c.GapSeconds > objective:
			sign = late
		}
		times = append(times, report.Measured{At: c.Time, Seconds: c.GapSeconds, Sign: sign})
	}
	t := report.NewTrend(id, "Time from one restorable state of "+source+" to the next", pictureWidth)
	t.Panel("Age that "+source+" reached (RPO)", objective, times)
	signs := []report.Sign{kept, late}
	if objective == 0 {
		signs = []report.Sign{noneSet}
	}
	t.Explain("state", times, signs...)
	return t
}

func lastOf[T any](list []T) []T { return list[max(0, len(list)-shownTimes):] }

func seconds(objective *float64) float64 {
	if objective == nil {
		return 0
	}
	return *objective
}
