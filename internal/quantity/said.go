package quantity

import (
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Plural writes "1 row" and "2,000 rows".
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// Age is some seconds, rounded to what matters at that length.
func Age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	default:
		return Plural(int64(d/(24*time.Hour)), "day")
	}
}

// Whole is a time to the second.
func Whole(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// UTC is a moment as people read it.
func UTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
