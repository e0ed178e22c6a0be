package main

import (
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/retention"
)

// Invariant 6: more than the configured share is refused, beside the plan, and so is
// a clock that looks wrong.
func TestPruneIsRefused(t *testing.T) {
	fixture := repotest.New(t)
	const taken = retention.FreePoints + 2
	for range taken {
		if _, err := fixture.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
			t.Fatal(err)
		}
	}
	listing, err := fixture.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	half, none := quantity.Percent(50), quantity.Percent(0)
	tests := map[string]struct {
		rules config.Retention
		flags pruneFlags
		seen  time.Duration // by the storage's clock, from now
		want  string
	}{
		"most of them":                {config.Retention{Last: 1, MaxDeleteShare: &half}, pruneFlags{}, 0, "it would forget 26 of 27 points (96.3%)"},
		"most of them, by default":    {config.Retention{Last: 1}, pruneFlags{}, 0, "retention.maxDeleteShare is 30%"},
		"most of them, as asked for":  {config.Retention{Last: 1}, pruneFlags{maxShare: "96.3%"}, 0, ""},
		"a few":                       {config.Retention{Last: 2, MaxDeleteShare: &none}, pruneFlags{}, 0, ""},
		"a clock that was set back":   {config.Retention{Last: 20}, pruneFlags{}, 2 * time.Hour, "the storage has seen point"},
		"the same, overruled":         {config.Retention{Last: 20}, pruneFlags{allow: []string{allowClock}}, 2 * time.Hour, ""},
		"nothing is to go, and so on": {config.Retention{Last: 30}, pruneFlags{}, 2 * time.Hour, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			listing.Points[taken-1].Created = time.Now().Add(tt.seen - time.Second)
			d := &deployment{config: &config.Config{Instance: repotest.Instance, Retention: &tt.rules}}
			policy, err := d.policy(tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := d.planPrune(listing, policy, tt.flags)
			if len(plan.Decisions) != taken {
				t.Errorf("%d decisions are shown, want %d", len(plan.Decisions), taken)
			}
			if (err == nil) != (tt.want == "") || err != nil && (fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestWhyAPointStays(t *testing.T) {
	decision := func(source string, keep bool, reasons ...string) retention.Decision {
		return retention.Decision{Point: "p", Source: source, Keep: keep, Reasons: reasons}
	}
	tests := map[string]struct {
		decisions []retention.Decision
		want      string
	}{
		"one source":         {[]retention.Decision{decision("main", true, "newest", "last 1 of 3")}, "newest, last 1 of 3"},
		"sources that agree": {[]retention.Decision{decision("main", false, "no rule keeps it"), decision("media", false, "no rule keeps it")}, "no rule keeps it"},
		"one that keeps it":  {[]retention.Decision{decision("main", false, "no rule keeps it"), decision("media", true, "daily 2 of 7")}, "media: daily 2 of 7"},
		"two that keep it":   {[]retention.Decision{decision("main", true, "newest"), decision("media", true, "daily 2 of 7")}, "main: newest; media: daily 2 of 7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := whyText(tt.decisions); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	tests := map[string]string{
		"2027-01-01":                "2027-01-01T00:00:00Z",
		"2027-01-01T08:00:00+08:00": "2027-01-01T00:00:00Z",
		"30d":                       "2026-12-27T12:00:00Z",
		"2026-11-27":                "",
		"0s":                        "",
		"soon":                      "",
	}
	for text, want := range tests {
		got, err := parseUntil(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %q", text, got, err, want)
		}
	}
}
