package status

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// What the rule wants.
const (
	wantedCopies = 3
	wantedKinds  = 2
	wantedPlaces = 2
)

// copies judges what every place holds.
func (j *judging) copies() {
	j.status.Copies = []Copy{}
	kinds, where := []string{production}, []string{production}
	rule := ThreeTwoOne{Copies: 1}
	for _, p := range j.places {
		c := j.copy(p)
		j.status.Copies = append(j.status.Copies, c)
		if c.Counts {
			rule.Copies++
			kinds, where = append(kinds, c.Kind), append(where, c.Place)
		}
	}
	rule.Kinds, rule.Places = distinct(kinds), distinct(where)
	rule.Met = rule.Copies >= wantedCopies && rule.Kinds >= wantedKinds && rule.Places >= wantedPlaces
	if j.status.ThreeTwoOne = rule; !rule.Met {
		j.say(Warning, RuleNotMet, "", "3-2-1 is not met: %s of %d, production among them, %s of storage of %d, %s of %d",
			quantity.Count(rule.Copies, "copy", "copies"), wantedCopies, quantity.Count(rule.Kinds, "kind", "kinds"), wantedKinds, quantity.Count(rule.Places, "place", "places"), wantedPlaces)
	}
}

func distinct(list []string) int {
	slices.Sort(list)
	return len(slices.Compact(list))
}

// copy judges one place.
func (j *judging) copy(p Place) Copy {
	kind, where := kindAndPlace(p.URL)
	c := Copy{Name: p.Name, URL: p.URL, Kind: kind, Place: cmp.Or(p.Where, where), Reachable: p.Err == nil, Sources: []CopySource{}, StorageClass: p.Class}
	if p.Err != nil {
		c.Why = fault.OneLine(p.Err.Error())
		text := fmt.Sprintf("copy %s cannot be read: %s", p.Name, c.Why)
		if errors.Is(p.Err, repository.ErrNone) {
			text += "; openim-dr copy --to " + p.Name + " makes it"
		}
		j.say(Warning, CopyUnreadable, p.Name, "%s", text)
		return c
	}
	c.Counts = true
	if damaged := damagedIn(p.Listing); damaged > 0 && p.Name != j.places[0].Name {
		j.say(Warning, CopyDamaged, p.Name, "in copy %s %s damaged: openim-dr check --repository %s says which", p.Name, quantity.Plural(int64(damaged), "manifest")+are(damaged), p.Name)
	}
	for _, source := range j.sources {
		held := j.held(p, source)
		c.Sources = append(c.Sources, held)
		c.Counts = c.Counts && held.Time != nil
		switch {
		case p.Name == j.places[0].Name: // said of the source
		case held.Time == nil:
			j.say(Warning, CopyLacks, p.Name, "copy %s holds no restorable point of source %s", p.Name, source)
		case p.MaxBehind > 0 && held.BehindSeconds != nil && *held.BehindSeconds > p.MaxBehind.Seconds():
			j.say(Warning, CopyBehind, p.Name, "copy %s is %s behind for source %s, and maxBehind is %s", p.Name, quantity.Age(*held.BehindSeconds), source, quantity.Duration(p.MaxBehind))
		}
	}
	j.bill(p, &c)
	return c
}

// held is what a place holds of a source, beside what the repository does.
func (j *judging) held(p Place, source string) CopySource {
	held := CopySource{Source: source}
	there := p.Listing.Newest(j.config.Instance, source)
	if there != nil {
		held.Point, held.Time = there.Point, &there.Started
	}
	all := j.places[0].Listing
	for _, point := range all.Points {
		if j.restorable(point, source) && (there == nil || point.Started.After(there.Started)) {
			held.BehindPoints++
		}
	}
	if newest := all.Newest(j.config.Instance, source); newest != nil && there != nil {
		behind := max(newest.Started.Sub(there.Started), 0).Seconds()
		held.BehindSeconds = &behind
	}
	return held
}

// restorable reports whether a source comes back from a point.
func (j *judging) restorable(p *repository.Point, source string) bool {
	s, holds := p.SourceNamed(source)
	return holds && s.Complete && p.Instance == j.config.Instance && p.Eligible()
}

// bill adds what a place stores, and what that costs.
func (j *judging) bill(p Place, c *Copy) {
	if p.NotCounted != nil {
		j.say(Warning, StoredUncounted, p.Name, "what %s stores could not be counted: %s", p.Name, fault.OneLine(p.NotCounted.Error()))
	}
	if p.Stored == nil {
		return
	}
	c.Files, c.Stored, c.Monthly = &p.Stored.Files, &p.Stored.Bytes, j.config.PricingOf(p.Class).Of(p.Stored.Bytes)
	cost := &j.status.Cost
	total := p.Stored.Bytes
	if cost.Stored != nil {
		total += *cost.Stored
	}
	if cost.Stored = &total; cost.Counted == nil || p.Stored.At.Before(*cost.Counted) {
		cost.Counted = &p.Stored.At
	}
	if c.PerMonth == nil {
		return
	}
	sum := *c.PerMonth
	if cost.PerMonth != nil {
		sum = sum.Plus(*cost.PerMonth)
	}
	cost.Monthly = quantity.Monthly{PerMonth: &sum, Currency: c.Currency}
}
