package verify_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/verify"
)

// As many days in a row as there are parts read every file once, whenever they
// begin and at whatever hour each run is.
func TestEveryFileIsReadOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.IntRange(2, 60).Draw(t, "parts")
		first := time.Unix(0, 0).UTC().AddDate(0, 0, rapid.IntRange(0, 40_000).Draw(t, "first day"))
		path := rapid.StringMatching(`points/[a-z0-9/]{1,40}`).Draw(t, "path")
		read := 0
		for day := range parts {
			at := first.AddDate(0, 0, day).Add(time.Duration(rapid.Int64Range(0, int64(24*time.Hour-1)).Draw(t, "hour")))
			share, err := verify.ParseCheckShare("1/"+itoa(parts), at)
			if err != nil {
				t.Fatal(err)
			}
			if share.Read()(path) {
				read++
			}
		}
		if read != 1 {
			t.Fatalf("%q is read on %d of %d days", path, read, parts)
		}
	})
}

func itoa(n int) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// The rule stands in docs/VERIFY.md, and others may rely on it.
func TestShareIsFixed(t *testing.T) {
	// The SHA-256 of "abc" begins with ba7816bf8f01cfea, which is 24 modulo 30.
	for day, want := range map[int]bool{24: true, 54: true, 25: false, 0: false} {
		share, err := verify.ParseCheckShare("1/30", time.Unix(0, 0).AddDate(0, 0, day))
		if err != nil {
			t.Fatal(err)
		}
		if got := share.Read()("abc"); got != want {
			t.Errorf("day %d, part %s: %v, want %v", day, share, got, want)
		}
	}
}

func TestParseCheckShare(t *testing.T) {
	for text, want := range map[string]string{"": "none", "all": "all", "1": "all", "1/1": "all", "1/30": "3/30", "1/366": "3/366"} {
		share, err := verify.ParseCheckShare(text, time.Unix(2*86400+5, 0))
		if err != nil || share.String() != want || (share.Read() == nil) != (want == "none") {
			t.Errorf("%q: %s, %v; want %s", text, share, err, want)
		}
	}
	for _, bad := range []string{"2/30", "1/0", "1/367", "1/-3", "1/x", "0.5", "30", "none"} {
		if _, err := verify.ParseCheckShare(bad, time.Unix(0, 0)); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
