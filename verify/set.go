package verify

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/restore"
)

// Which says which points a drill restores.
type Which struct {
	restore.Choice
	// Unproven chooses the newest point without a proof, Rotation the monthly one
	// whose turn it is.
	Unproven, Rotation bool
	Sources            []string // empty: all that the points hold
	// Known are the sources that are configured; what only old points hold is not
	// drilled for ever. Empty: nobody knows.
	Known []string
}

// Set is what a drill restores: of each source one point.
type Set struct {
	Members []Member
	// Newest says that no newer state can be restored: what the set is old is the
	// RPO.
	Newest  bool
	listing *repository.Listing
}

// Member is one source with the point that it is restored from.
type Member struct {
	Source string
	Kind   string
	Point  *repository.Point
}

// Captured returns what the point says of the source.
func (m Member) Captured() repository.Source {
	s, _ := m.Point.SourceNamed(m.Source)
	return s
}

// Points returns the ids of all points of the set, each once.
func (s *Set) Points() []string {
	var ids []string
	for _, m := range s.Members {
		if !slices.Contains(ids, m.Point.Point) {
			ids = append(ids, m.Point.Point)
		}
	}
	return ids
}

// choice names the points of the set, as a restore takes them.
func (s *Set) choice() restore.Choice {
	points := map[string]string{}
	for _, m := range s.Members {
		points[m.Source] = m.Point.Point
	}
	return restore.Choice{Points: points}
}

// Choose picks the points of a drill, by the same rules as for a restore.
func Choose(listing *repository.Listing, instance string, which Which, now time.Time) (*Set, error) {
	switch {
	case which.Unproven:
		point, err := newestUnproven(listing, instance)
		if err != nil {
			return nil, err
		}
		which.Choice = restore.Choice{Point: point.Point}
	case which.Rotation:
		which.Choice = restore.Choice{}
		if turn := monthly(listing, instance, now); turn != nil {
			which.Points = turn
			which.Sources = slices.Sorted(maps.Keys(turn))
		}
	}
	names, err := sourcesOf(listing, instance, which)
	if err != nil {
		return nil, err
	}
	set := &Set{listing: listing, Newest: true}
	for _, name := range names {
		point, err := which.For(listing, instance, name)
		if err != nil {
			return nil, err
		}
		captured, _ := point.SourceNamed(name)
		set.Members = append(set.Members, Member{name, captured.Kind, point})
		set.Newest = set.Newest && point == listing.Newest(point.Instance, name)
	}
	return set, nil
}

// sourcesOf names the sources that are drilled: those asked for, those of the
// point that is named, or all that eligible points of the instance hold.
func sourcesOf(listing *repository.Listing, instance string, which Which) ([]string, error) {
	if len(which.Sources) > 0 {
		return which.Sources, nil
	}
	known := func(name string) bool { return len(which.Known) == 0 || slices.Contains(which.Known, name) }
	point, err := listing.Find(which.Point)
	if err != nil {
		return nil, err
	}
	points := []*repository.Point{point}
	if which.Point == "" || which.Point == repository.Latest {
		instance = cmp.Or(instance, point.Instance)
		points = slices.DeleteFunc(slices.Clone(listing.Points), func(p *repository.Point) bool { return p.Instance != instance || !p.Eligible() })
	}
	var names []string
	for _, p := range points {
		for _, s := range p.Sources {
			// A point that is named is drilled whole.
			if !slices.Contains(names, s.Name) && (len(points) == 1 || known(s.Name)) {
				names = append(names, s.Name)
			}
		}
	}
	return names, nil
}

// newestUnproven returns the newest point that no drill has restored; where there
// is none, the newest that none has shown to be good.
func newestUnproven(listing *repository.Listing, instance string) (*repository.Point, error) {
	var failed *repository.Point
	for _, p := range slices.Backward(listing.Points) {
		switch {
		case !p.Eligible() || instance != "" && p.Instance != instance || p.Proven != nil:
		case len(p.Proofs) == 0:
			return p, nil
		case failed == nil:
			failed = p
		}
	}
	if failed != nil {
		return failed, nil
	}
	return nil, fault.New(fault.Usage, "choose a point without a proof", "there is none").
		Hint("openim-dr verify drills the newest one again")
}

// quarter is how old the last drill of a month may become.
const quarter = 91 * 24 * time.Hour

// month is the last state of every source in one month.
type month struct {
	points  map[string]*repository.Point // by source
	drilled time.Time                    // of the source that was not drilled for the longest; zero: never
}

// monthly returns the points of the month whose turn it is, by source: of all
// months that have ended, the newest that was never drilled, then the one that was
// not for the longest. Where each was within a quarter there is none.
func monthly(listing *repository.Listing, instance string, now time.Time) map[string]string {
	var turn *month
	for _, m := range months(listing, instance, now) {
		switch {
		case m.drilled.IsZero():
			return m.ids()
		case now.Sub(m.drilled) > quarter && (turn == nil || m.drilled.Before(turn.drilled)):
			turn = m
		}
	}
	if turn == nil {
		return nil
	}
	return turn.ids()
}

func (m *month) ids() map[string]string {
	ids := map[string]string{}
	for name, p := range m.points {
		ids[name] = p.Point
	}
	return ids
}

// months are those that have ended, newest first.
func months(listing *repository.Listing, instance string, now time.Time) []*month {
	var all []*month
	name := func(at time.Time) string { return at.UTC().Format("2006-01") }
	last := name(now)
	for _, p := range slices.Backward(listing.Points) {
		if !p.Eligible() || instance != "" && p.Instance != instance || name(p.Started) >= name(now) {
			continue
		}
		if name(p.Started) != last {
			last = name(p.Started)
			all = append(all, &month{points: map[string]*repository.Point{}})
		}
		m := all[len(all)-1]
		for _, s := range p.Sources {
			if m.points[s.Name] == nil && s.Complete {
				m.points[s.Name] = p
			}
		}
	}
	for _, m := range all {
		m.drilled = m.lastDrill()
	}
	return all
}

func (m *month) lastDrill() time.Time {
	var oldest time.Time
	first := true
	for name, p := range m.points {
		drill := p.LastDrill(name)
		if drill == nil {
			return time.Time{}
		}
		if first || drill.Ended.Before(oldest) {
			oldest, first = drill.Ended, false
		}
	}
	return oldest
}
