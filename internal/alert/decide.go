package alert

import (
	"maps"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// occasion is why something is told.
type occasion string

const (
	appeared occasion = "appeared"
	worsened occasion = "worse"
	reminder occasion = "reminder"
	over     occasion = "over"
)

// news is what one receiver is to be told.
type news struct {
	occasion occasion
	concern  Concern // where it is over, what is left of it: About, Event and Severity
	since    time.Time
}

// told is what one receiver was told, by what it is about.
type told map[string]repository.Notice

// decide compares what a receiver was told with what there is now. It says what to tell
// him, in the order of what it is about, and which notices nobody needs any more.
// seen is since when each concern is there.
func decide(rule *Rule, before told, concerns map[string]Concern, seen map[string]time.Time, now time.Time) (tell []news, forget []string) {
	for _, name := range slices.Sorted(maps.Keys(concerns)) {
		c := concerns[name]
		if !rule.takes(&c) {
			continue
		}
		if why := c.occasion(rule, before, now); why != "" {
			tell = append(tell, news{why, c, sinceWhen(before, c, seen[name])})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		c, there := concerns[name]
		notice := before[name]
		switch {
		case there && rule.takes(&c) || notice.Occurrence != "":
		case rule.wants(notify.Recovery):
			c.About, c.Severity = name, notice.Severity
			tell = append(tell, news{over, c, notice.Since})
		default:
			forget = append(forget, name)
		}
	}
	return tell, forget
}

// occasion is why the concern is told now, or nothing.
func (c *Concern) occasion(rule *Rule, before told, now time.Time) occasion {
	notice, was := before[c.About]
	switch {
	case !was, notice.Occurrence != c.Occurrence:
		return appeared
	case c.Occurrence != "":
		return ""
	case worse(c.Severity, notice.Severity):
		return worsened
	case now.Sub(notice.Told) >= rule.RemindAfter:
		return reminder
	default:
		return ""
	}
}

// sinceWhen is when a concern was first seen, be it by an earlier daemon.
func sinceWhen(before told, c Concern, seen time.Time) time.Time {
	if notice, ok := before[c.About]; ok && notice.Occurrence == c.Occurrence {
		return notice.Since
	}
	return seen
}
