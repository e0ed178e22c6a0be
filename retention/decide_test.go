package retention_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/retention"
)

const (
	here = "openim-prod"
	hour = time.Hour
	day  = 24 * hour
)

// now is a Wednesday.
var now = at("2026-11-25T12:00")

// at reads a time to the day, the hour or the minute, in UTC.
func at(text string) time.Time {
	const layout = "2006-01-02T15:04"
	t, err := time.Parse(layout[:len(text)], text)
	if err != nil {
		panic(err)
	}
	return t
}

// point makes a point from words: its time, and what sets it apart from a complete
// one of the source main, as "2026-11-23T02 media proven incomplete".
func point(words string) retention.Point {
	fields := strings.Fields(words)
	p := retention.Point{ID: fields[0], Instance: here, Time: at(fields[0]), Seen: at(fields[0]), Complete: true, Bytes: 100}
	proven := false
	for _, word := range fields[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "proven":
			proven = true
		case "incomplete":
			p.Complete = false
		case "rollback":
			p.Rollback = true
		case "untrusted":
			p.Untrusted = "not signed by a trusted signer"
		case "quarantined":
			p.Quarantined = "its id is not the time at which its run began"
		case "held":
			p.Held = &retention.Hold{By: "alice", Reason: "audit"}
			if value != "" {
				p.Held.Until = at(value)
			}
		case "forgotten":
			p.Forgotten = &retention.Forgotten{By: "bob", Reason: "too large", At: at(value)}
		case "sweeping":
			p.Forgotten = &retention.Forgotten{By: "prune", At: at(value), Sweeping: true}
		case "seen":
			p.Seen = at(value)
		case "instance":
			p.Instance = value
		default:
			p.Sources = append(p.Sources, retention.Source{Name: name, Complete: true})
		}
	}
	if len(p.Sources) == 0 {
		p.Sources = []retention.Source{{Name: "main", Complete: true}}
	}
	for i := range p.Sources {
		p.Sources[i].Complete, p.Sources[i].Proven = p.Complete || p.Sources[i].Name == "main" && len(p.Sources) > 1, proven
	}
	return p
}

func points(words ...string) []retention.Point {
	all := make([]retention.Point, len(words))
	for i, w := range words {
		all[i] = point(w)
	}
	return all
}

// every makes a point of main at each of a number of times, up to the last one.
func every(step time.Duration, n int, last string) []string {
	words := make([]string, n)
	for i := range words {
		words[n-1-i] = at(last).Add(-time.Duration(i) * step).Format("2006-01-02T15:04")
	}
	return words
}

func TestWhatIsForgotten(t *testing.T) {
	tests := map[string]struct {
		points []string
		policy retention.Policy
		want   []string
	}{
		"last counts from the newest": {
			[]string{"2026-11-21", "2026-11-22", "2026-11-23"}, retention.Policy{Last: 2}, []string{"2026-11-21"},
		},
		"the newest point of a slot stands for it": {
			[]string{"2026-11-21", "2026-11-22T02", "2026-11-22T14", "2026-11-23T02", "2026-11-23T14"}, retention.Policy{Daily: 2},
			[]string{"2026-11-21", "2026-11-22T02", "2026-11-23T02"},
		},
		"while a rule has slots to spare the oldest point stays": {
			[]string{"2026-11-01T01", "2026-11-01T02", "2026-11-23T02", "2026-11-23T14"}, retention.Policy{Monthly: 12},
			[]string{"2026-11-01T02", "2026-11-23T02"},
		},
		"a week begins on Monday": {
			[]string{"2026-11-14", "2026-11-15", "2026-11-16", "2026-11-22", "2026-11-23"}, retention.Policy{Weekly: 2}, []string{"2026-11-14", "2026-11-15", "2026-11-16"},
		},
		"a week may lie in two years": {
			[]string{"2025-12-28", "2025-12-29", "2026-01-01"}, retention.Policy{Weekly: 1}, []string{"2025-12-28", "2025-12-29"},
		},
		"within is reckoned from the newest point": {
			[]string{"2026-09-01", "2026-09-25", "2026-10-01"}, retention.Policy{Within: 7 * day}, []string{"2026-09-01"},
		},
		"an empty policy keeps everything": {
			[]string{"2026-11-01 incomplete", "2026-11-02 rollback", "2026-11-21", "2026-11-22"}, retention.Policy{}, nil,
		},
		"a policy of zeros and less keeps everything": {
			[]string{"2026-11-21", "2026-11-22"}, retention.Policy{Last: 0, Daily: -1, Within: -hour}, nil,
		},
		"a missed day takes nobody's slot": {
			[]string{"2026-11-19", "2026-11-20", "2026-11-22", "2026-11-23"}, retention.Policy{Daily: 3}, []string{"2026-11-19"},
		},
		"a month of failed runs": {
			[]string{"2026-10-23", "2026-10-24", "2026-10-25"}, retention.Policy{Daily: 3, Within: 7 * day}, nil,
		},
		"a month of incomplete runs": {
			append([]string{"2026-10-23", "2026-10-24", "2026-10-25"}, words(every(day, 30, "2026-11-24"), "incomplete")...),
			retention.Policy{Last: 3, Daily: 3, Within: 7 * day}, nil,
		},
		"incomplete points go when newer ones hold what they do": {
			[]string{"2026-11-20 incomplete", "2026-11-21", "2026-11-22 incomplete"}, retention.Policy{Last: 1}, []string{"2026-11-20"},
		},
		"an incomplete point waits for every one of its sources": {
			[]string{"2026-11-20 main media incomplete", "2026-11-21 main"}, retention.Policy{Last: 1}, nil,
		},
		"an incomplete point may hold the newest of a source": {
			[]string{"2026-11-20", "2026-11-21 main media incomplete", "2026-11-22 media"}, retention.Policy{Last: 1}, nil,
		},
		"young incomplete points stay": {
			[]string{"2026-11-23 incomplete", "2026-11-24"}, retention.Policy{Last: 1, Grace: 72 * hour}, nil,
		},
		"a restored clock: the history is younger than it was": {
			// The clock was a year ahead for a day, and was set right again.
			append(every(day, 5, "2026-11-24"), "2027-11-24 seen=2026-11-24T03"), retention.Policy{Last: 5}, nil,
		},
		"points from the future displace nothing": {
			[]string{"2026-11-22", "2026-11-23", "2026-11-26", "2026-11-27"}, retention.Policy{Last: 2}, nil,
		},
		"what the storage has seen in the future displaces nothing": {
			[]string{"2026-11-22", "2026-11-23", "2026-11-24 seen=2026-11-26"}, retention.Policy{Last: 2}, nil,
		},
		"two instances in one bucket": {
			[]string{"2026-11-19", "2026-11-20", "2026-11-21 instance=other", "2026-11-22", "2026-11-23 instance=other", "2026-11-24 instance=other"}, retention.Policy{Last: 2}, []string{"2026-11-19"},
		},
		"another instance under the same prefix, and nothing of one's own": {
			[]string{"2026-11-20 instance=other", "2026-11-21 instance=other"}, retention.Policy{Last: 1}, nil,
		},
		"quarantined points are neither forgotten nor a reason to forget": {
			[]string{"2026-11-20 quarantined", "2026-11-21", "2026-11-22 quarantined"}, retention.Policy{Last: 1}, nil,
		},
		"so are untrusted points": {
			[]string{"2026-11-20 untrusted", "2026-11-21", "2026-11-22 untrusted"}, retention.Policy{Last: 1}, nil,
		},
		"a held point stays": {
			[]string{"2026-11-20 held", "2026-11-21 held=2027-01-01", "2026-11-22 held=2026-11-24", "2026-11-23"}, retention.Policy{Last: 1}, []string{"2026-11-22"},
		},
		"the newest proven point stays": {
			[]string{"2026-11-19 proven", "2026-11-20 proven", "2026-11-21", "2026-11-22"}, retention.Policy{Last: 1}, []string{"2026-11-19", "2026-11-21"},
		},
		"the only proven point stays, though it is incomplete": {
			[]string{"2026-11-20 main media incomplete proven", "2026-11-21 main media"}, retention.Policy{Last: 1}, nil,
		},
		"each source has slots of its own": {
			[]string{"2026-11-20 main media", "2026-11-21 main", "2026-11-22 main", "2026-11-23 main"}, retention.Policy{Last: 2}, []string{"2026-11-21"},
		},
		"rollback points take no slot, and go when they are held no more": {
			[]string{"2026-11-20 rollback", "2026-11-21 rollback held=2026-12-04", "2026-11-22", "2026-11-23", "2026-11-24 rollback"},
			retention.Policy{Last: 2}, []string{"2026-11-20"},
		},
		"what is forgotten is not forgotten again, and takes no slot": {
			[]string{"2026-11-20", "2026-11-21", "2026-11-22 forgotten=2026-11-23", "2026-11-23"}, retention.Policy{Last: 2}, []string{"2026-11-20"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all := points(tt.points...)
			plan := retention.Decide(all, here, tt.policy, now)
			requireInvariant6(t, all, plan)
			if got := plan.Forget; !slices.Equal(got, tt.want) {
				t.Errorf("forgotten %v, want %v; %v", got, tt.want, plan.Decisions)
			}
		})
	}
}

// words adds a word to each.
func words(all []string, word string) []string {
	for i := range all {
		all[i] += " " + word
	}
	return all
}

func TestReasons(t *testing.T) {
	policy := retention.Policy{Last: 2, Daily: 3, Weekly: 1, Within: 36 * hour, Grace: 72 * hour}
	all := points(
		"2026-11-10 instance=other",
		"2026-11-11 quarantined",
		"2026-11-12 untrusted",
		"2026-11-13 sweeping=2026-11-20",
		"2026-11-14 forgotten=2026-11-20",
		"2026-11-15 forgotten=2026-11-20 held",
		"2026-11-16 incomplete",
		"2026-11-17 rollback held=2026-12-01",
		"2026-11-18 proven",
		"2026-11-19 held=2027-01-01",
		"2026-11-20 main media",
		"2026-11-21",
		"2026-11-22",
		"2026-11-23",
		"2026-11-24T01",
		"2026-11-24T02",
		"2026-11-24T03 incomplete",
		"2026-11-26",
	)
	want := []string{
		`2026-11-10 main keep: belongs to instance "other"`,
		`2026-11-11 main keep: quarantined: its id is not the time at which its run began`,
		`2026-11-12 main keep: is not signed by a trusted signer`,
		`2026-11-13 main forget: is being swept`,
		`2026-11-14 main forget: forgotten by bob on 2026-11-20: too large`,
		`2026-11-15 main keep: held by alice: audit; forgotten by bob on 2026-11-20: too large`,
		`2026-11-16 main forget: incomplete, and newer points hold what it does`,
		`2026-11-17 main keep: held by alice until 2026-12-01: audit; rollback point, and newer points hold what it does`,
		`2026-11-18 main keep: newest proven`,
		`2026-11-19 main keep: held by alice until 2027-01-01: audit`,
		`2026-11-20 main forget: no rule keeps it; the point stays for another source`,
		`2026-11-20 media keep: newest; last 1 of 2; daily 1 of 3; weekly 1 of 1; oldest, while daily has 1 of 3; within 1d12h0m0s`,
		`2026-11-21 main forget: no rule keeps it`,
		`2026-11-22 main keep: daily 3 of 3`,
		`2026-11-23 main keep: daily 2 of 3; within 1d12h0m0s`,
		`2026-11-24T01 main keep: last 2 of 2; within 1d12h0m0s`,
		`2026-11-24T02 main keep: newest; last 1 of 2; daily 1 of 3; weekly 1 of 1; within 1d12h0m0s`,
		`2026-11-24T03 main keep: incomplete, and younger than 3d`,
		`2026-11-26 main keep: is from the future: its time is later than now`,
	}
	plan := retention.Decide(all, here, policy, now)
	if diff := cmp.Diff(want, texts(plan)); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if got, want := plan.Sweep, []string{"2026-11-13", "2026-11-14"}; !slices.Equal(got, want) {
		t.Errorf("to be swept %v, want %v", got, want)
	}
	if got, want := plan.Share, (retention.Share{Points: 2, OfPoints: 14, Bytes: 200, OfBytes: 1400}); got != want {
		t.Errorf("share %+v, want %+v", got, want)
	}
}

func texts(plan *retention.Plan) []string {
	lines := make([]string, len(plan.Decisions))
	for i, d := range plan.Decisions {
		verdict := "forget"
		if d.Keep {
			verdict = "keep"
		}
		lines[i] = fmt.Sprintf("%s %s %s: %s", d.Point, d.Source, verdict, strings.Join(d.Reasons, "; "))
	}
	return lines
}

func TestWhatIsSwept(t *testing.T) {
	policy := retention.Policy{Last: 1, Grace: 72 * hour}
	tests := map[string]struct {
		points []string
		policy retention.Policy
		want   []string
	}{
		"when the grace has ended": {[]string{"2026-11-19 forgotten=2026-11-22", "2026-11-20 forgotten=2026-11-23", "2026-11-24"}, policy, []string{"2026-11-19"}},
		"not while it is held":     {[]string{"2026-11-19 forgotten=2026-11-22 held", "2026-11-24"}, policy, nil},
		"not what has become the newest since": {
			[]string{"2026-11-18 forgotten=2026-11-20", "2026-11-19 forgotten=2026-11-20", "2026-11-24 quarantined"}, policy, []string{"2026-11-18"},
		},
		"not what has become the newest proven since": {
			[]string{"2026-11-18 proven forgotten=2026-11-20", "2026-11-24"}, policy, nil,
		},
		"not of another instance":           {[]string{"2026-11-18 forgotten=2026-11-20 instance=other", "2026-11-24"}, policy, nil},
		"what has begun goes on":            {[]string{"2026-11-24 sweeping=2026-11-25"}, policy, []string{"2026-11-24"}},
		"without a policy after some grace": {[]string{"2026-11-19 forgotten=2026-11-22", "2026-11-20 forgotten=2026-11-23", "2026-11-24"}, retention.Policy{}, []string{"2026-11-19"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retention.Decide(points(tt.points...), here, tt.policy, now).Sweep; !slices.Equal(got, tt.want) {
				t.Errorf("swept %v, want %v", got, tt.want)
			}
		})
	}
}

// The choice is stable: pruned every day for two years, the history is what a
// single prune of all of it would leave, and what a long rule wants was kept by the
// short ones.
func TestTheChoiceIsStable(t *testing.T) {
	policy := retention.Policy{Hourly: 24, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 3}
	var kept []retention.Point
	var all []retention.Point
	for moment := at("2024-11-25T00"); moment.Before(now); moment = moment.Add(6 * hour) {
		p := point(moment.Format("2006-01-02T15"))
		kept, all = append(kept, p), append(all, p)
		kept = without(kept, retention.Decide(kept, here, policy, moment).Forget)
	}
	want := without(all, retention.Decide(all, here, policy, now).Forget)
	if diff := cmp.Diff(ids(want), ids(kept)); diff != "" {
		t.Errorf("one prune of all of it keeps other points than one after each run (-once +each):\n%s", diff)
	}
}

func without(all []retention.Point, gone []string) []retention.Point {
	return slices.DeleteFunc(slices.Clone(all), func(p retention.Point) bool { return slices.Contains(gone, p.ID) })
}

func ids(all []retention.Point) []string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.ID
	}
	return names
}

func TestSlotsAreOfAZone(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	tests := map[string]struct {
		points []string
		policy retention.Policy
		want   []string
	}{
		"a day of Shanghai ends at 16:00 UTC": {
			[]string{"2026-11-22T15", "2026-11-22T17", "2026-11-23T15", "2026-11-23T16"}, retention.Policy{Daily: 2, Zone: zone("Asia/Shanghai")}, []string{"2026-11-22T15", "2026-11-22T17"},
		},
		"the same in UTC": {
			[]string{"2026-11-22T15", "2026-11-22T17", "2026-11-23T15", "2026-11-23T16"}, retention.Policy{Daily: 2}, []string{"2026-11-22T15", "2026-11-23T15"},
		},
		"clocks set back: the hour that comes twice has two slots": {
			[]string{"2026-10-25T00:10", "2026-10-25T00:40", "2026-10-25T01:10", "2026-10-25T01:40"}, retention.Policy{Hourly: 2, Zone: zone("Europe/Berlin")},
			[]string{"2026-10-25T00:10", "2026-10-25T01:10"},
		},
		"clocks set back: the day has 25 hours and one slot": {
			[]string{"2026-10-24T21", "2026-10-24T22", "2026-10-25T22", "2026-10-25T23"}, retention.Policy{Daily: 2, Zone: zone("Europe/Berlin")},
			[]string{"2026-10-24T21", "2026-10-24T22"},
		},
		"clocks set forward: the day has 23 hours": {
			[]string{"2026-03-28T22", "2026-03-28T23", "2026-03-29T21", "2026-03-29T22"}, retention.Policy{Daily: 2, Zone: zone("Europe/Berlin")},
			[]string{"2026-03-28T22", "2026-03-28T23"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retention.Decide(points(tt.points...), here, tt.policy, now).Forget; !slices.Equal(got, tt.want) {
				t.Errorf("forgotten %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMayForget(t *testing.T) {
	all := points(
		"2026-11-17 quarantined files", "2026-11-18 instance=other", "2026-11-19 proven", "2026-11-20 held", "2026-11-21 main media", "2026-11-22", "2026-11-23", "2026-11-24 untrusted", "2026-11-26",
	)
	tests := map[string]string{
		"2026-11-17": "it is the only point that holds source files",
		"2026-11-18": `it belongs to instance "other"`,
		"2026-11-19": "it is the newest proven point of source main",
		"2026-11-20": "it is held by alice: audit",
		"2026-11-21": "it is the newest point of source media",
		"2026-11-22": "",
		"2026-11-23": "it is the newest point of source main",
		"2026-11-24": "",
		"2026-11-26": "",
	}
	for id, want := range tests {
		err := retention.MayForget(all, here, id, now)
		if want == "" && err == nil {
			continue
		}
		if fault.KindOf(err) != fault.Refused || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}
