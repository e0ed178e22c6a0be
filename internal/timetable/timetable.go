// Package timetable says when a schedule is due: a cron expression in a time zone,
// on the days too on which the clocks there are changed.
package timetable

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Timetable is a cron expression. The zero Timetable is never due. It is safe for
// concurrent use.
type Timetable struct {
	text string
	// every is the spec of what is due in all hours, or at intervals: it goes by the
	// time that passes. Otherwise hours is the spec, in UTC, of what is due at hours
	// of the day: it goes by the clock on the wall of zone.
	every cron.Schedule
	hours *cron.SpecSchedule
	zone  *time.Location
}

// allHours are those of a day, as cron.SpecSchedule holds them.
const allHours = 1<<24 - 1

// Errors of Parse. None quotes what was given.
var (
	errForm  = errors.New("it is no cron expression such as CRON_TZ=Asia/Shanghai 0 2 * * *")
	errZone  = errors.New("it names no time zone that is known, such as Asia/Shanghai")
	errNever = errors.New("it names a day that never comes")
)

// Parse reads the five fields of cron (minute, hour, day of month, month, day of
// week), or one of @hourly, @daily, @weekly, @monthly, @yearly and @every DURATION.
// CRON_TZ=ZONE before it names an IANA zone; without it the zone is UTC.
func Parse(text string) (Timetable, error) {
	expression := text
	zone, rest, found := strings.Cut(text, " ")
	if _, name, named := strings.Cut(zone, "TZ="); named {
		if location, err := time.LoadLocation(name); err != nil || location == time.Local {
			return Timetable{}, errZone
		}
		if !found || strings.TrimSpace(rest) == "" {
			return Timetable{}, errForm // the library does not expect it
		}
	} else {
		expression = "CRON_TZ=UTC " + text
	}
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return Timetable{}, errForm
	}
	t := Timetable{text: text, every: parsed}
	if spec, ok := parsed.(*cron.SpecSchedule); ok && spec.Hour&allHours != allHours {
		wall := *spec
		wall.Location = time.UTC
		t = Timetable{text: text, hours: &wall, zone: spec.Location}
	}
	if t.Next(time.Unix(0, 0)).IsZero() {
		return Timetable{}, errNever
	}
	return t, nil
}

// String is the expression as it was given.
func (t Timetable) String() string { return t.text }

// UnmarshalText is Parse.
func (t *Timetable) UnmarshalText(text []byte) (err error) {
	*t, err = Parse(string(text))
	return err
}

// Next returns the first time after another at which it is due, and the zero time
// where that is never.
//
// What is due in all hours is due so often as hours pass: neither is left out nor
// comes twice when clocks are changed. What is due at hours of the day is due once on
// each day: an hour that the clock repeats counts when it comes first, and one that it
// leaves out when it has been left out.
func (t Timetable) Next(after time.Time) time.Time {
	if t.hours == nil {
		if t.every == nil {
			return time.Time{}
		}
		return t.every.Next(after).UTC()
	}
	for wall := onTheWall(after.In(t.zone)); ; {
		if wall = t.hours.Next(wall); wall.IsZero() {
			return wall
		}
		if due := instant(wall, t.zone); due.After(after) {
			return due.UTC()
		}
	}
}

// onTheWall is what the clock shows, as if it were UTC.
func onTheWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the clock of a zone first shows a time, or is first past it.
func instant(wall time.Time, zone *time.Location) time.Time {
	// Of two readings time.Date takes either, and of none a neighbour.
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := onTheWall(t); {
	case shown.Before(wall):
		return end
	case shown.After(wall):
		return start
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) && onTheWall(first.In(zone)).Equal(wall) {
		return first
	}
	return t
}
