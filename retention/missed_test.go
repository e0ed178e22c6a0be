package retention

import (
	"fmt"
	"testing"
	"time"
)

// hourly are points of each hour of some days, of which a prune has forgotten the first
// day's on the day after. The policy has kept its share of them then.
func hourly(days int) (points []Point, lastPrune time.Time) {
	began := time.Date(2026, 11, 1, 0, 30, 0, 0, time.UTC)
	lastPrune = began.AddDate(0, 0, 30)
	for t := began; t.Before(began.AddDate(0, 0, 30+days)); t = t.Add(time.Hour) {
		p := Point{ID: fmt.Sprint(t.Unix()), Instance: "prod", Time: t, Seen: t, Bytes: 100, Complete: true, Sources: []Source{{Name: "main", Complete: true}}}
		points = append(points, p)
	}
	plan := Decide(points[:30*24], "prod", usual, lastPrune)
	for _, id := range plan.Forget {
		for i := range points {
			if points[i].ID == id {
				points[i].Forgotten = &Forgotten{By: "pruner", Reason: byPolicy + "no rule keeps it", At: lastPrune}
			}
		}
	}
	return points, lastPrune
}

// usual keeps some seventy points.
var usual = Policy{Last: 3, Hourly: 24, Daily: 30, Weekly: 8, Monthly: 12, MaxDeleteShare: DefaultMaxDeleteShare, Grace: 72 * time.Hour}

// A prune that was missed does not end pruning for good, and is no way around the share.
func TestPrunesThatWereMissed(t *testing.T) {
	tests := map[string]struct {
		days    int // since the last prune
		change  func(points []Point, policy *Policy, now *time.Time)
		refused bool
	}{
		"none was missed":    {1, nil, false},
		"one was missed":     {2, nil, false},
		"a week was missed":  {7, nil, false},
		"a season was":       {90, nil, false},
		"the policy changed": {2, func(_ []Point, p *Policy, _ *time.Time) { *p = Policy{Last: 3, MaxDeleteShare: DefaultMaxDeleteShare} }, true},
		"there never was one": {2, func(points []Point, _ *Policy, _ *time.Time) {
			for i := range points {
				points[i].Forgotten = nil
			}
		}, true},
		"somebody has forgotten points by hand": {2, func(points []Point, _ *Policy, _ *time.Time) {
			for i := range points {
				if points[i].Forgotten != nil {
					points[i].Forgotten.Reason = "too large"
				}
			}
		}, true},
		"nothing was backed up": {7, func(points []Point, _ *Policy, _ *time.Time) {
			for i := range points[:len(points)-24] {
				if i > 30*24 {
					points[i].Seen = points[30*24].Seen
				}
			}
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			points, last := hourly(tt.days)
			policy, now := usual, last.AddDate(0, 0, tt.days)
			if tt.change != nil {
				tt.change(points, &policy, &now)
			}
			plan, err := decideSafely(points, "prod", Order{Policy: policy}, now)
			if (err != nil) != tt.refused {
				t.Errorf("%d of %d points would go: %v; refused it should be: %t", plan.Share.Points, plan.Share.OfPoints, err, tt.refused)
			}
		})
	}
}
