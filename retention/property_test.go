package retention_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/retention"
)

// even draws a number below n. What rapid draws by itself is small more often than
// not, and so histories would be of points that all count for nothing.
func even(t *rapid.T, name string, n int) int {
	v := rapid.Uint64().Draw(t, name)
	return int((v * 0x9e3779b97f4a7c15 >> 32) % uint64(n))
}

// drawHistory draws points of two instances and three sources, in every state.
func drawHistory(t *rapid.T) []retention.Point {
	n := even(t, "points", 60)
	all := make([]retention.Point, n)
	moment := at("2026-09-01")
	for i := range all {
		moment = moment.Add(rapid.SampledFrom([]time.Duration{time.Minute, hour, 5 * hour, day, 3 * day, 20 * day}).Draw(t, "pause"))
		all[i] = drawPoint(t, i, moment)
	}
	return rapid.Permutation(all).Draw(t, "order")
}

func drawPoint(t *rapid.T, i int, moment time.Time) retention.Point {
	often := func(name string, percent int) bool { return even(t, name, 100) >= 100-percent }
	p := retention.Point{
		ID: fmt.Sprintf("%s-%03d", moment.Format("20060102T150405Z"), i), Instance: here, Time: moment, Seen: moment,
		Bytes: rapid.Int64Range(0, 1000).Draw(t, "bytes"), Complete: !often("incomplete", 15), Rollback: often("rollback", 5),
	}
	if often("other", 10) {
		p.Instance = "other"
	}
	if often("untrusted", 5) {
		p.Untrusted = "not signed by a trusted signer"
	}
	if often("quarantined", 5) {
		p.Quarantined = "its times cannot be believed"
	}
	if often("held", 5) {
		p.Held = &retention.Hold{By: "alice", Reason: "audit", Until: moment.Add(rapid.SampledFrom([]time.Duration{hour, 300 * day}).Draw(t, "hold"))}
	}
	if often("forgotten", 10) {
		p.Forgotten = &retention.Forgotten{By: "bob", At: moment.Add(hour), Sweeping: often("sweeping", 20)}
	}
	for _, name := range []string{"main", "media", "cluster"} {
		if often("has "+name, 60) {
			p.Sources = append(p.Sources, retention.Source{Name: name, Complete: p.Complete || often("part", 50), Proven: often("proven", 15)})
		}
	}
	return p
}

func drawPolicy(t *rapid.T) retention.Policy {
	number := func(name string) int { return []int{0, 0, 0, 0, 1, 2, 3, 7, 100}[even(t, name, 9)] }
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Asia/Shanghai", "America/St_Johns", "Australia/Lord_Howe"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return retention.Policy{
		Last: number("last"), Hourly: number("hourly"), Daily: number("daily"), Weekly: number("weekly"), Monthly: number("monthly"), Yearly: number("yearly"),
		Within: time.Duration(number("within")) * day, Grace: time.Duration(number("grace")) * hour, Zone: zone,
	}
}

func drawNow(t *rapid.T) time.Time {
	return at("2026-09-01").Add(time.Duration(even(t, "now", 400)-10) * day)
}

// lasting lists what must survive, found in the plainest way: of each source of
// the instance the newest point that counts, and the newest that is proven.
func lasting(all []retention.Point, moment time.Time) map[string]string {
	must := map[string]string{}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b retention.Point) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	newest, proven := map[string]string{}, map[string]string{}
	for _, p := range sorted {
		if p.Instance != here || !p.Complete || p.Rollback || p.Untrusted != "" || p.Quarantined != "" || p.Forgotten != nil || p.Time.After(moment) || p.Seen.After(moment) {
			continue
		}
		for _, s := range p.Sources {
			if s.Complete {
				newest[s.Name] = p.ID
			}
			if s.Complete && s.Proven {
				proven[s.Name] = p.ID
			}
		}
	}
	for source, id := range newest {
		must[id] = "newest of " + source
	}
	for source, id := range proven {
		must[id] = "newest proven of " + source
	}
	return must
}

type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

// requireInvariant6 looks at what a plan does away with, whatever the policy was.
func requireInvariant6(t tester, all []retention.Point, plan *retention.Plan) {
	t.Helper()
	requireInvariant6At(t, all, plan, now)
}

func requireInvariant6At(t tester, all []retention.Point, plan *retention.Plan, moment time.Time) {
	t.Helper()
	must := lasting(all, moment)
	byID := map[string]retention.Point{}
	for _, p := range all {
		byID[p.ID] = p
	}
	for _, id := range append(slices.Clone(plan.Forget), plan.Sweep...) {
		p := byID[id]
		switch {
		case must[id] != "":
			t.Errorf("%s goes, the %s", id, must[id])
		case p.Instance != here:
			t.Errorf("%s goes, which belongs to %s", id, p.Instance)
		case p.Held != nil && (p.Held.Until.IsZero() || !moment.After(p.Held.Until)) && (p.Forgotten == nil || !p.Forgotten.Sweeping):
			t.Errorf("%s goes, which is held", id)
		case p.Forgotten == nil && (p.Untrusted != "" || p.Quarantined != "" || p.Time.After(moment) || p.Seen.After(moment)):
			t.Errorf("%s goes, which cannot be believed", id)
		}
	}
	for _, d := range plan.Decisions {
		if len(d.Reasons) == 0 {
			t.Errorf("%s of %s has no reason", d.Point, d.Source)
		}
		if d.Keep && slices.Contains(plan.Forget, d.Point) {
			t.Errorf("%s is kept for %s and goes", d.Point, d.Source)
		}
	}
}

// Invariant 6, whatever the inputs.
func TestTheNewestAndTheNewestProvenSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, policy, moment := drawHistory(t), drawPolicy(t), drawNow(t)
		requireInvariant6At(t, all, retention.Decide(all, here, policy, moment), moment)
	})
}

// Invariant 6: sources are decided by themselves.
func TestPointsOfOtherSourcesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, policy, moment := drawHistory(t), drawPolicy(t), drawNow(t)
		whole := keptOf(retention.Decide(all, here, policy, moment), "media")
		fewer := slices.DeleteFunc(slices.Clone(all), func(p retention.Point) bool { return !slices.ContainsFunc(p.Sources, isMedia) })
		if got := keptOf(retention.Decide(fewer, here, policy, moment), "media"); !slices.Equal(got, whole) {
			t.Errorf("kept for media are %v, and without the points that do not hold it %v", whole, got)
		}
	})
}

func isMedia(s retention.Source) bool { return s.Name == "media" }

func keptOf(plan *retention.Plan, source string) []string {
	var kept []string
	for _, d := range plan.Decisions {
		if d.Keep && d.Source == source {
			kept = append(kept, d.Point)
		}
	}
	return kept
}

func TestDecidingAgainForgetsNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, policy, moment := drawHistory(t), drawPolicy(t), drawNow(t)
		first := retention.Decide(all, here, policy, moment)
		for i := range all {
			if slices.Contains(first.Forget, all[i].ID) {
				all[i].Forgotten = &retention.Forgotten{By: "prune", At: moment}
			}
		}
		if again := retention.Decide(all, here, policy, moment); len(again.Forget) > 0 {
			t.Errorf("forgotten at first %v, and then also %v", first.Forget, again.Forget)
		}
		swept := retention.Decide(without(all, first.Forget), here, policy, moment)
		if len(swept.Forget) > 0 {
			t.Errorf("when %v were swept, also %v would be forgotten", first.Forget, swept.Forget)
		}
	})
}

func TestALargerNumberForgetsNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, policy, moment := drawHistory(t), drawPolicy(t), drawNow(t)
		if policy.Empty() {
			policy.Last = 1
		}
		larger := policy
		more := rapid.IntRange(1, 50).Draw(t, "more")
		switch rapid.SampledFrom([]string{"last", "hourly", "daily", "weekly", "monthly", "yearly", "within", "grace"}).Draw(t, "number") {
		case "last":
			larger.Last += more
		case "hourly":
			larger.Hourly += more
		case "daily":
			larger.Daily += more
		case "weekly":
			larger.Weekly += more
		case "monthly":
			larger.Monthly += more
		case "yearly":
			larger.Yearly += more
		case "within":
			larger.Within += time.Duration(more) * day
		default:
			larger.Grace += time.Duration(more) * day
		}
		before, after := retention.Decide(all, here, policy, moment).Forget, retention.Decide(all, here, larger, moment).Forget
		for _, id := range after {
			if !slices.Contains(before, id) {
				t.Errorf("%s is forgotten by %+v, and not by %+v", id, larger, policy)
			}
		}
	})
}

// What a decision rests on is never a clock: at a later time nothing more is
// forgotten for the sake of a rule.
func TestTimeAloneForgetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, policy := drawHistory(t), drawPolicy(t)
		for i := range all { // holds and graces do end
			all[i].Held, all[i].Complete, all[i].Rollback = nil, true, false
		}
		end := at("2034-01-01")
		before := retention.Decide(all, here, policy, end).Forget
		if after := retention.Decide(all, here, policy, end.AddDate(20, 0, 0)).Forget; !slices.Equal(before, after) {
			t.Errorf("forgotten %v, and 20 years later %v", before, after)
		}
	})
}
