package retention

import (
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// verdict is what holds for all of a point's sources.
type verdict struct {
	keep    bool
	reasons []string
	settled bool // what single sources say does not matter
	// what it is, if it counts for nothing: it stays until something newer makes it
	// superfluous, of each source by itself.
	what string
}

func kept(format string, args ...any) verdict {
	return verdict{keep: true, reasons: []string{fmt.Sprintf(format, args...)}, settled: true}
}

// decide decides about one point, for each of its sources.
func (h *history) decide(p *Point, policy Policy) []Decision {
	whole := h.standing(p, policy)
	sources := p.Sources
	if len(sources) == 0 {
		sources = []Source{{}}
	}
	decisions := make([]Decision, len(sources))
	for i, s := range sources {
		d := Decision{Point: p.ID, Source: s.Name, Keep: whole.keep, Reasons: slices.Clone(whole.reasons)}
		if !whole.settled {
			reasons := h.lineage(s.Name).kept[p]
			d.Keep = d.Keep || len(reasons) > 0
			if whole.what != "" {
				alone, reason := h.useless(p, s.Name)
				d.Keep, reasons = d.Keep || alone, append([]string{whole.what + reason}, reasons...)
			}
			d.Reasons = append(d.Reasons, reasons...)
		}
		if len(d.Reasons) == 0 {
			d.Reasons = []string{"no rule keeps it"}
		}
		decisions[i] = d
	}
	return decisions
}

// standing says what holds for the whole point, the first that applies.
func (h *history) standing(p *Point, policy Policy) verdict {
	switch {
	case p.Instance != h.instance:
		return kept("belongs to instance %q", p.Instance)
	case p.Forgotten != nil && p.Forgotten.Sweeping:
		return verdict{reasons: []string{"is being swept"}, settled: true}
	}
	v := h.state(p, policy)
	if held := p.held(h.now); held != nil {
		v.keep, v.reasons = true, append([]string{held.String()}, v.reasons...)
	}
	return v
}

func (h *history) state(p *Point, policy Policy) verdict {
	switch {
	case p.Forgotten != nil:
		return verdict{reasons: []string{p.Forgotten.String()}}
	case p.Untrusted != "":
		return kept("is %s", p.Untrusted)
	case p.Quarantined != "":
		return kept("quarantined: %s", p.Quarantined)
	case p.future(h.now):
		return kept("is from the future: its time is later than now")
	case policy.Empty():
		return kept("there is no rule, and so everything is kept")
	case len(p.Sources) == 0:
		return kept("holds no source")
	case p.counts(h.now):
		return verdict{}
	}
	what := "incomplete"
	if p.Rollback {
		what = "rollback point"
	}
	if h.now.Sub(p.Time) < policy.Grace {
		return kept("%s, and younger than %s", what, quantity.Duration(policy.Grace))
	}
	return verdict{what: what}
}

// useless judges a source's part of what counts for nothing: an incomplete point, and
// what a restore has overwritten. It stays until something newer holds the source.
func (h *history) useless(p *Point, source string) (keep bool, reason string) {
	if newest := h.lineage(source).newest(); newest == nil || older(newest, p) < 0 {
		return true, ", and nothing newer holds " + source
	}
	return false, ", and newer points hold what it does"
}
