package retention

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// guard keeps what is never deleted (invariant 6): the newest point of a source
// and its newest proven one. What was forgotten is looked at too, for where all
// that came after it is gone, it is the newest that can be restored; and so is
// what is incomplete, but holds this very source completely.
func (h *history) guard(l *lineage) {
	for _, why := range []string{"newest", "newest proven"} {
		var guarded *Point
		for _, wider := range []struct {
			among func(*Point) bool
			say   string
		}{
			{func(p *Point) bool { return p.counts(h.now) }, ""},
			{func(p *Point) bool { return h.restorable(p) && p.Complete }, ", though forgotten"},
			{h.restorable, ", though incomplete"},
		} {
			newest := h.newest(l.name, why == "newest proven", wider.among)
			if newest != nil && newest != guarded {
				l.keep(newest, "%s", why+wider.say)
				guarded = newest
			}
		}
	}
}

// restorable reports whether the point can be restored by name, as a state of the
// sources rather than of a restore's target.
func (h *history) restorable(p *Point) bool {
	return p.sound(h.now) && !p.Rollback && (p.Forgotten == nil || !p.Forgotten.Sweeping)
}

// newest returns the newest point among some that holds a source completely.
func (h *history) newest(source string, proven bool, among func(*Point) bool) *Point {
	for _, p := range slices.Backward(h.points) {
		if p.Instance != h.instance || !among(p) {
			continue
		}
		if slices.ContainsFunc(p.Sources, func(s Source) bool { return s.Name == source && s.Complete && (s.Proven || !proven) }) {
			return p
		}
	}
	return nil
}

// MayForget fails where a point may not be forgotten, whoever asks: it belongs to
// another instance, is held, or is the newest point or the newest proven one of a
// source.
func MayForget(points []Point, instance, id string, now time.Time) error {
	h := newHistory(points, instance, now)
	at := slices.IndexFunc(h.points, func(p *Point) bool { return p.ID == id })
	if at < 0 {
		return fmt.Errorf("there is no point %s", id)
	}
	p := h.points[at]
	if p.Instance != instance {
		return refuseForget(id, fmt.Sprintf("it belongs to instance %q", p.Instance)).Hint("use the configuration of that instance")
	}
	if held := p.held(now); held != nil {
		return refuseForget(id, "it is "+held.String()).Hint("if the hold has served its purpose: openim-dr unhold %s", id)
	}
	var why []string
	for _, s := range p.Sources {
		for _, reason := range h.lineage(s.Name).kept[p] {
			why = append(why, fmt.Sprintf("the %s point of source %s", reason, s.Name))
		}
	}
	if source := h.onlyHolder(p); source != "" {
		why = append(why, "the only point that holds source "+source)
	}
	if len(why) > 0 {
		return refuseForget(id, "it is "+strings.Join(why, " and ")).Hint("take a newer point, or prove one, before this one goes: openim-dr backup, openim-dr verify")
	}
	return nil
}

// onlyHolder names a source that no point holds of which the times can be believed,
// while this one does: better such a state than none.
func (h *history) onlyHolder(p *Point) string {
	for _, s := range p.Sources {
		if s.Complete && p.Untrusted == "" && !p.Rollback && h.newest(s.Name, false, h.restorable) == nil {
			return s.Name
		}
	}
	return ""
}

func refuseForget(id, why string) *fault.Error {
	return fault.New(fault.Refused, "forget point "+id, "%s", why)
}

// String says who holds the point, until when and why.
func (h *Hold) String() string {
	until := ""
	if !h.Until.IsZero() {
		until = " until " + day(h.Until)
	}
	return fmt.Sprintf("held by %s%s: %s", h.By, until, h.Reason)
}

// String says who has forgotten the point, when and why.
func (f *Forgotten) String() string {
	text := fmt.Sprintf("forgotten by %s on %s", f.By, day(f.At))
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
