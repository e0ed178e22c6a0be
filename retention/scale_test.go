package retention_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/retention"
)

// longHistory is two years of hourly points and more, of three sources.
func longHistory(n int) []retention.Point {
	all := make([]retention.Point, n)
	for i := range all {
		moment := now.Add(-time.Duration(n-i) * hour)
		all[i] = retention.Point{
			ID: fmt.Sprintf("%s-%05d", moment.Format("20060102T150405Z"), i), Instance: here, Time: moment, Seen: moment, Complete: i%97 != 0, Bytes: 1 << 20,
			Sources: []retention.Source{{Name: "main", Complete: i%97 != 0}, {Name: "media", Complete: i%97 != 0}, {Name: "cluster", Complete: i%97 != 0}},
		}
	}
	return all
}

func BenchmarkDecide20000(b *testing.B) {
	all := longHistory(20000)
	policy := retention.Policy{Last: 3, Hourly: 24, Daily: 30, Weekly: 8, Monthly: 12, Yearly: 7, Within: 7 * day}
	b.ReportAllocs()
	for b.Loop() {
		retention.Decide(all, here, policy, now)
	}
}
