package quantity_test

import (
	"encoding"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

func TestParse(t *testing.T) {
	size := func(text string, want int64) func(*testing.T) {
		return parses(quantity.ParseSize, text, quantity.Size(want))
	}
	rate := func(text string, want int64) func(*testing.T) {
		return parses(quantity.ParseRate, text, quantity.Rate(want))
	}
	frequency := func(text string, want float64) func(*testing.T) {
		return parses(quantity.ParseFrequency, text, quantity.Frequency(want))
	}
	duration := func(text string, want time.Duration) func(*testing.T) {
		return parses(quantity.ParseDuration, text, quantity.Duration(want))
	}
	percent := func(text string, want float64) func(*testing.T) {
		return parses(quantity.ParsePercent, text, quantity.Percent(want))
	}
	tests := map[string]func(*testing.T){
		"binary size":             size("192MiB", 192<<20),
		"decimal size":            size("64 MB", 64_000_000),
		"plain bytes":             size("1024", 1024),
		"rate":                    rate("50MiB/s", 50<<20),
		"frequency":               frequency("200/s", 200),
		"less than one a second":  frequency("0.5 /s", 0.5),
		"hours":                   duration("72h", 72*time.Hour),
		"days":                    duration("30d", 720*time.Hour),
		"weeks":                   duration("2w", 336*time.Hour),
		"weeks, days and minutes": duration("1w1d30m", 192*time.Hour+30*time.Minute),
		"percent":                 percent("30%", 30),
		"fraction of a percent":   percent("0.5%", 0.5),
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}

func parses[T comparable](parse func(string) (T, error), text string, want T) func(*testing.T) {
	return func(t *testing.T) {
		got, err := parse(text)
		if err != nil || got != want {
			t.Errorf("parse %q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestRefusedTextIsNotQuoted(t *testing.T) {
	texts := map[string]string{
		"nothing": "", "word": "hunter2", "unit alone": "MiB", "negative": "-1h", "unknown unit": "3 parsecs",
		"too many days": "2000000d", "two units of one": "1d1d", "more than the whole": "101%", "no number": "NaN%",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			into := map[string]encoding.TextUnmarshaler{
				"size": new(quantity.Size), "rate": new(quantity.Rate), "frequency": new(quantity.Frequency),
				"duration": new(quantity.Duration), "percent": new(quantity.Percent),
			}
			for what, into := range into {
				err := into.UnmarshalText([]byte(text))
				if err == nil {
					t.Errorf("%s: %q was accepted", what, text)
				} else if text != "" && text != "MiB" && strings.Contains(err.Error(), text) {
					t.Errorf("%s: the error quotes the text: %v", what, err)
				}
			}
		})
	}
}

func TestWhatIsPrintedIsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<53).Draw(t, "n")
		requireRoundTrip(t, quantity.ParseSize, quantity.Size(n))
		requireRoundTrip(t, quantity.ParseRate, quantity.Rate(n))
		requireRoundTrip(t, quantity.ParseFrequency, quantity.Frequency(float64(n+1)/8))
		requireRoundTrip(t, quantity.ParseDuration, quantity.Duration(n))
		requireRoundTrip(t, quantity.ParsePercent, quantity.Percent(float64(n%1000)/10))
	})
}

func requireRoundTrip[T interface {
	comparable
	String() string
}](t *rapid.T, parse func(string) (T, error), value T) {
	got, err := parse(value.String())
	if err != nil || got != value {
		t.Fatalf("%v is printed as %q and read as %v, %v", value, value.String(), got, err)
	}
}
