// Package quantity reads sizes, rates, frequencies, durations and shares the
// way people write them: "192MiB", "50MiB/s", "200/s", "72h", "30d", "30%".
// It also writes how many of something there are.
//
// Errors say what is expected and never quote the text: it comes from files
// that may hold a secret in the wrong place (invariant 4).
package quantity

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

var (
	errSize      = errors.New(`it is not a size such as "192MiB"`)
	errRate      = errors.New(`it is not a rate such as "50MiB/s"`)
	errFrequency = errors.New(`it is not a frequency such as "200/s"`)
	errDuration  = errors.New(`it is not a duration such as "72h", "30d" or "1h30m"`)
	errPercent   = errors.New(`it is not a share such as "30%"`)
)

// Size is a number of bytes.
type Size int64

// ParseSize reads "192MiB", "64 MB" or a plain number of bytes.
func ParseSize(s string) (Size, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(strings.TrimSuffix(s, "B"), 10, 64); err == nil && n >= 0 {
		return Size(n), nil // humanize counts in floating point
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 {
		return 0, errSize
	}
	return Size(n), nil
}

// sizeUnits are those in which String is exact.
var sizeUnits = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String returns the size in the largest unit that divides it, so that
// ParseSize reads the same number again.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText returns String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseSize does.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// Rate is a number of bytes per second.
type Rate int64

// ParseRate reads a size followed by "/s".
func ParseRate(s string) (Rate, error) {
	size, found := strings.CutSuffix(strings.TrimSpace(s), "/s")
	n, err := ParseSize(size)
	if !found || err != nil {
		return 0, errRate
	}
	return Rate(n), nil
}

// String returns what ParseRate reads.
func (r Rate) String() string { return Size(r).String() + "/s" }

// MarshalText returns String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRate does.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// Frequency is how often something happens in a second.
type Frequency float64

// ParseFrequency reads a number followed by "/s".
func ParseFrequency(s string) (Frequency, error) {
	number, found := strings.CutSuffix(strings.TrimSpace(s), "/s")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !found || err != nil || !(n > 0) || math.IsInf(n, 0) {
		return 0, errFrequency
	}
	return Frequency(n), nil
}

// String returns what ParseFrequency reads.
func (f Frequency) String() string { return strconv.FormatFloat(float64(f), 'f', -1, 64) + "/s" }

// MarshalText returns String.
func (f Frequency) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what ParseFrequency does.
func (f *Frequency) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFrequency(string(text))
	return err
}

// Duration is a time.Duration that also knows days and weeks. A day is 24
// hours: nobody's calendar is meant.
type Duration time.Duration

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// ParseDuration reads what time.ParseDuration does, preceded by whole weeks
// and days: "30d", "2w", "1d12h".
func ParseDuration(s string) (Duration, error) {
	s = strings.TrimSpace(s)
	var whole time.Duration
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", week}, {"d", day}} {
		number, rest, found := strings.Cut(s, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n > uint64((math.MaxInt64-whole)/unit.length) {
			return 0, errDuration
		}
		whole += time.Duration(n) * unit.length
		if s = rest; s == "" {
			return Duration(whole), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || whole > math.MaxInt64-d {
		return 0, errDuration
	}
	return Duration(whole + d), nil
}

// Duration returns the time.Duration.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// String returns what ParseDuration reads.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest <= 0 || rest < day {
		return rest.String()
	}
	text := strconv.FormatInt(int64(rest/day), 10) + "d"
	if rest %= day; rest != 0 {
		text += rest.String()
	}
	return text
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// Percent is a share of a whole in hundredths: 30 is "30%".
type Percent float64

// ParsePercent reads a number from 0 to 100 followed by "%".
func ParsePercent(s string) (Percent, error) {
	number, found := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(n >= 0 && n <= 100) {
		return 0, errPercent
	}
	return Percent(n), nil
}

// Share returns the number between 0 and 1.
func (p Percent) Share() float64 { return float64(p) / 100 }

// String returns what ParsePercent reads.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText returns String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParsePercent does.
func (p *Percent) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePercent(string(text))
	return err
}
