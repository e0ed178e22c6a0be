package retention_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/retention"
)

func TestAClockThatLooksWrong(t *testing.T) {
	tests := map[string]struct {
		points []string
		now    time.Time
		want   string
	}{
		"right":                             {[]string{"2026-11-24"}, now, ""},
		"no point":                          {nil, now, ""},
		"a little behind the storage's":     {[]string{"2026-11-25T12:30"}, now, ""},
		"set back":                          {[]string{"2026-11-24"}, now.AddDate(-1, 0, 0), "the storage has seen point 2026-11-24 at 2026-11-24T00:00:00Z"},
		"set back, by another's point":      {[]string{"2026-11-24 instance=other"}, now.AddDate(-1, 0, 0), "the storage has seen point 2026-11-24"},
		"the point was forgotten by hand":   {[]string{"2026-11-24", "2027-11-24 forgotten=2026-11-25"}, now, ""},
		"jumped ahead":                      {[]string{"2026-11-23", "2026-11-24"}, now.AddDate(1, 0, 0), "the newest point of openim-prod, 2026-11-24, is older than 40d"},
		"a monthly schedule":                {[]string{"2026-10-20"}, now, ""},
		"a month of incomplete runs":        {[]string{"2026-10-01", "2026-11-24 incomplete"}, now, ""},
		"only another instance backs up":    {[]string{"2026-10-01", "2026-11-24 instance=other"}, now, "is older than 40d"},
		"what cannot be believed is no aid": {[]string{"2026-10-01", "2026-11-24 untrusted", "2026-11-24 quarantined"}, now, "is older than 40d"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			requireRefusal(t, retention.CheckClock(points(tt.points...), here, tt.now), tt.want)
		})
	}
}

func TestAShareThatIsTooLarge(t *testing.T) {
	tests := map[string]struct {
		share retention.Share
		most  float64
		want  string
	}{
		"below":                   {retention.Share{Points: 300, OfPoints: 1000, Bytes: 300, OfBytes: 1000}, 0.3, ""},
		"too many points":         {retention.Share{Points: 31, OfPoints: 100, Bytes: 1, OfBytes: 100}, 0.3, "it would forget 31 of 100 points (31%) and 1 B of 100 B (1%), and retention.maxDeleteShare is 30%"},
		"too many bytes":          {retention.Share{Points: 40, OfPoints: 1000, Bytes: 1 << 30, OfBytes: 2 << 30}, 0.3, "1.0 GiB of 2.0 GiB (50%)"},
		"a small repository":      {retention.Share{Points: 30, OfPoints: 31, Bytes: 30, OfBytes: 31}, 0.3, ""},
		"no longer a small one":   {retention.Share{Points: 31, OfPoints: 32, Bytes: 31, OfBytes: 32}, 0.3, "31 of 32 points (96.9%)"},
		"empty points":            {retention.Share{Points: 300, OfPoints: 1000}, 0.3, ""},
		"nothing is to go at all": {retention.Share{Points: 31, OfPoints: 1000, Bytes: 0, OfBytes: 1}, 0, "31 of 1000 points (3.1%)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			requireRefusal(t, tt.share.Check(tt.most), tt.want)
		})
	}
}

func TestTheShareThatIsAskedForIsEnough(t *testing.T) {
	share := retention.Share{Points: 1000, OfPoints: 3001}
	err := share.Check(0.3)
	e, ok := fault.Outermost(err)
	if !ok || !strings.Contains(e.Try, "--max-delete-share 33.4%") {
		t.Fatalf("%v: hint %q", err, e.Try)
	}
	if err := share.Check(0.334); err != nil {
		t.Error(err)
	}
}

func TestPoliciesThatCannotBeMeant(t *testing.T) {
	tests := map[string]struct {
		policy retention.Policy
		want   string
	}{
		"zeros":            {retention.Policy{}, "keeps nothing"},
		"a negative":       {retention.Policy{Last: 1, Weekly: -1}, "weekly"},
		"a share too much": {retention.Policy{Last: 1, MaxDeleteShare: 1.1}, "maxDeleteShare"},
		"one rule":         {retention.Policy{Yearly: 1}, ""},
		"an age":           {retention.Policy{Within: time.Hour}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.policy.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func requireRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && fault.KindOf(err) != fault.Refused:
		t.Errorf("%v, want a refusal: %s", err, want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("refused with %q, want %q", err, want)
	}
}
