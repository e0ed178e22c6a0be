package timetable_test

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/timetable"
)

// Days on which clocks are changed: what is due at an hour comes once, and what is
// due every hour as often as hours pass.
func TestNext(t *testing.T) {
	tests := map[string]struct {
		expression string
		after      string
		want       []string // UTC
	}{
		"UTC without a zone":      {"30 2 * * *", "2026-11-27T00:00:00Z", []string{"2026-11-27T02:30:00Z", "2026-11-28T02:30:00Z"}},
		"a zone":                  {"CRON_TZ=Asia/Shanghai 0 2 * * *", "2026-11-27T00:00:00Z", []string{"2026-11-27T18:00:00Z", "2026-11-28T18:00:00Z"}},
		"strictly after":          {"0 2 * * *", "2026-11-27T02:00:00Z", []string{"2026-11-28T02:00:00Z"}},
		"the last day of a month": {"CRON_TZ=Asia/Shanghai 0 5 1 * *", "2026-11-27T00:00:00Z", []string{"2026-11-30T21:00:00Z", "2026-12-31T21:00:00Z"}},
		"a name":                  {"@daily", "2026-11-27T00:00:00Z", []string{"2026-11-28T00:00:00Z"}},
		"an interval":             {"@every 90m", "2026-11-27T00:10:00Z", []string{"2026-11-27T01:40:00Z", "2026-11-27T03:10:00Z"}},
		"29 February":             {"0 0 29 2 *", "2026-11-27T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},

		// New York: on 2026-03-08 02:00 becomes 03:00 (07:00Z), on 2026-11-01 02:00 becomes 01:00 (06:00Z).
		"daily, in the hour left out":    {"CRON_TZ=America/New_York 30 2 * * *", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		"daily, after the hour left out": {"CRON_TZ=America/New_York 0 3 * * *", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T07:00:00Z"}},
		"hours 2 and 3, which are one":   {"CRON_TZ=America/New_York 0 2,3 * * *", "2026-03-08T05:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}},
		"daily, in the hour repeated":    {"CRON_TZ=America/New_York 30 1 * * *", "2026-10-31T12:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		"asked in the hour repeated":     {"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T06:10:00Z", []string{"2026-11-02T06:30:00Z"}},
		"hourly, where one is left out":  {"CRON_TZ=America/New_York 7 * * * *", "2026-03-08T05:30:00Z", []string{"2026-03-08T06:07:00Z", "2026-03-08T07:07:00Z", "2026-03-08T08:07:00Z"}},
		"hourly, where one is repeated":  {"CRON_TZ=America/New_York 7 0-23 * * *", "2026-11-01T04:30:00Z", []string{"2026-11-01T05:07:00Z", "2026-11-01T06:07:00Z", "2026-11-01T07:07:00Z"}},
		"every 15 minutes, repeated":     {"CRON_TZ=America/New_York */15 * * * *", "2026-11-01T05:40:00Z", []string{"2026-11-01T05:45:00Z", "2026-11-01T06:00:00Z"}},

		// Lord Howe: half an hour, on 2026-10-04 02:00 becomes 02:30 (15:30Z the day before).
		"half an hour left out": {"CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		// São Paulo: on 2018-11-04 midnight becomes 01:00 (03:00Z).
		"a midnight left out": {"CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		// Samoa had no 2011-12-30 at all (10:00Z).
		"a day left out": {"CRON_TZ=Pacific/Apia 0 12 * * *", "2011-12-29T12:00:00Z", []string{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			table, err := timetable.Parse(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			at := parse(t, tt.after)
			var got []string
			for range tt.want {
				at = table.Next(at)
				got = append(got, at.Format(time.RFC3339))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
		})
	}
}

func parse(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "CRON_TZ=UTC", "* * * *", "61 * * * *", "CRON_TZ=Mars/Olympus 0 0 * * *", "CRON_TZ=Local 0 0 * * *", "0 0 30 2 *", "@reboot", "0 0 * * * *"} {
		if table, err := timetable.Parse(text); err == nil {
			t.Errorf("%q is taken, and due at %s", text, table.Next(time.Unix(0, 0)))
		}
	}
}

// Whatever the zone and the moment: it goes forward, and a daily one comes once on
// each day that there is.
func TestNextGoesForward(t *testing.T) {
	zones := []string{"UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Shanghai", "Africa/Casablanca", "Pacific/Apia"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		at := time.Unix(rapid.Int64Range(1_200_000_000, 2_000_000_000).Draw(t, "at"), 0)
		table, err := timetable.Parse("CRON_TZ=" + zone + time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC).Format(" 4 15 * * *"))
		if err != nil {
			t.Fatal(err)
		}
		first := table.Next(at)
		second := table.Next(first)
		if !first.After(at) || !second.After(first) {
			t.Fatalf("after %s comes %s, and then %s", at, first, second)
		}
		if gap := second.Sub(first); gap < 10*time.Hour || gap > 26*time.Hour {
			t.Fatalf("between %s and %s lie %s", first, second, gap)
		}
	})
}
