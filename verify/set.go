package verify

import (
	"cmp"
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
	if which.Unproven || which.Rotation {
		choose := newestUnproven
		if which.Rotation {
			choose = monthly
		}
		point, err := choose(listing, instance, now)
		if err != nil {
			return nil, err
		}
		which.Choice = restore.Choice{Point: point.Point}
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
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names, nil
}

// newestUnproven returns the newest point without a proof.
func newestUnproven(listing *repository.Listing, instance string, _ time.Time) (*repository.Point, error) {
	for _, p := range slices.Backward(listing.Points) {
		if p.Eligible() && (instance == "" || p.Instance == instance) && p.Proven == nil {
			return p, nil
		}
	}
	return nil, fault.New(fault.Usage, "choose a point without a proof", "there is none").
		Hint("openim-dr verify drills the newest one again")
}

// quarter is how old the proof of a monthly point may become.
const quarter = 91 * 24 * time.Hour

// monthly returns the point whose turn it is: of the last points of all months
// the newest that was never proven, then the one whose proof is the oldest. Where
// all were proven within a quarter it is the newest point of all.
func monthly(listing *repository.Listing, instance string, now time.Time) (*repository.Point, error) {
	var turn *repository.Point
	last := ""
	for _, p := range slices.Backward(listing.Points) {
		month := p.Started.UTC().Format("2006-01")
		if !p.Eligible() || instance != "" && p.Instance != instance || month == last {
			continue
		}
		last = month
		if p.Proven == nil {
			return p, nil
		}
		if now.Sub(*p.Proven) > quarter && (turn == nil || p.Proven.Before(*turn.Proven)) {
			turn = p
		}
	}
	if turn != nil {
		return turn, nil
	}
	return listing.Find(repository.Latest)
}
