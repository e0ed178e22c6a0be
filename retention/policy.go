package retention

import (
	"errors"
	"fmt"
	"time"
)

// Policy says what is kept. Zero numbers keep nothing by themselves; a policy of
// which all are zero keeps everything, for it was hardly meant to keep nothing.
type Policy struct {
	Last    int // newest points
	Hourly  int // hours, and so on: the newest point of each
	Daily   int
	Weekly  int // as of ISO 8601: from Monday to Sunday
	Monthly int
	Yearly  int
	// Within keeps all that is no older than that, reckoned from the newest point.
	Within time.Duration
	// Grace is how old a point must be that counts for nothing (incomplete, or
	// what a restore has overwritten) before it is forgotten, and how long a
	// forgotten one stays restorable.
	Grace time.Duration
	// MaxDeleteShare bounds what one prune may forget, between 0 and 1.
	MaxDeleteShare float64
	// Zone is where hours, days, weeks, months and years begin; nil is UTC.
	Zone *time.Location
}

// Defaults of a policy.
const (
	DefaultGrace          = 72 * time.Hour
	DefaultMaxDeleteShare = 0.3
)

// Empty reports whether nothing is said of what to keep.
func (p Policy) Empty() bool {
	for _, r := range rules {
		if r.number(p) > 0 {
			return false
		}
	}
	return p.Within <= 0
}

// Validate reports what cannot be meant.
func (p Policy) Validate() error {
	for _, r := range rules {
		if n := r.number(p); n < 0 {
			return fmt.Errorf("%s: %d is less than nothing", r.name, n)
		}
	}
	switch {
	case p.Within < 0:
		return errors.New("within: it is less than nothing")
	case p.Grace < 0:
		return errors.New("grace: it is less than nothing")
	case !(p.MaxDeleteShare >= 0 && p.MaxDeleteShare <= 1):
		return errors.New("maxDeleteShare: it is not between 0% and 100%")
	case p.Empty():
		return errors.New("it keeps nothing: one of last, hourly, daily, weekly, monthly, yearly and within must be more than 0")
	}
	return nil
}

// grace is that of the policy. Who says nothing of what to keep has hardly meant to
// keep nothing of what was forgotten.
func (p Policy) grace() time.Duration {
	if p.Empty() && p.Grace == 0 {
		return DefaultGrace
	}
	return p.Grace
}

func (p Policy) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// slot names a stretch of time among others of the same rule.
type slot struct{ year, part, offset int }

// rule keeps the newest point of each of a number of slots.
type rule struct {
	name   string
	number func(Policy) int
	of     func(time.Time) slot // nil: each point is a slot of its own
}

var rules = []rule{
	{"last", func(p Policy) int { return p.Last }, nil},
	{"hourly", func(p Policy) int { return p.Hourly }, hourOf},
	{"daily", func(p Policy) int { return p.Daily }, func(t time.Time) slot { return slot{t.Year(), t.YearDay(), 0} }},
	{"weekly", func(p Policy) int { return p.Weekly }, weekOf},
	{"monthly", func(p Policy) int { return p.Monthly }, func(t time.Time) slot { return slot{t.Year(), int(t.Month()), 0} }},
	{"yearly", func(p Policy) int { return p.Yearly }, func(t time.Time) slot { return slot{t.Year(), 0, 0} }},
}

// hourOf tells the two hours apart that have the same name when clocks are set
// back.
func hourOf(t time.Time) slot {
	_, offset := t.Zone()
	return slot{t.Year(), t.YearDay()*24 + t.Hour(), offset}
}

func weekOf(t time.Time) slot {
	year, week := t.ISOWeek()
	return slot{year, week, 0}
}
