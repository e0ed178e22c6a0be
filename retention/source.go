package retention

import (
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// lineage is the history of one source.
type lineage struct {
	name     string
	counting []*Point            // newest first
	kept     map[*Point][]string // and why
}

func (l *lineage) keep(p *Point, format string, args ...any) {
	l.kept[p] = append(l.kept[p], fmt.Sprintf(format, args...))
}

// newest returns the newest point that counts, or nil.
func (l *lineage) newest() *Point {
	if len(l.counting) == 0 {
		return nil
	}
	return l.counting[0]
}

// apply lets the policy choose among the points that count.
func (l *lineage) apply(policy Policy) {
	short := ""
	for _, r := range rules {
		wanted := r.number(policy)
		if wanted <= 0 {
			continue
		}
		if found := l.fill(r, wanted, policy.zone()); found < wanted && r.of != nil && short == "" {
			short = fmt.Sprintf("%s has %d of %d", r.name, found, wanted)
		}
	}
	// While a rule reaches back further than the history does, nothing newer can
	// stand for its beginning.
	if short != "" && len(l.counting) > 0 {
		l.keep(l.counting[len(l.counting)-1], "oldest, while %s", short)
	}
	l.within(policy.Within)
}

// fill keeps the newest point of each of the newest slots, and returns how many
// slots there are.
func (l *lineage) fill(r rule, wanted int, zone *time.Location) int {
	seen := map[slot]bool{}
	found := 0
	for _, p := range l.counting {
		if r.of != nil {
			at := r.of(p.Time.In(zone))
			if seen[at] {
				continue
			}
			seen[at] = true
		}
		if found++; found > wanted {
			break
		}
		l.keep(p, "%s %d of %d", r.name, found, wanted)
	}
	return found
}

func (l *lineage) within(age time.Duration) {
	for _, p := range l.counting {
		if age <= 0 || l.newest().Time.Sub(p.Time) > age {
			break
		}
		l.keep(p, "within %s", quantity.Duration(age))
	}
}
