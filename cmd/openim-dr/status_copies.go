package main

import (
	"cmp"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// home is what status calls the repository itself among its copies.
const home = "repository"

// production is the kind and the place of the data that are backed up.
const production = "production"

// visited is one place that holds points, and what was found there.
type visited struct {
	name, url, class, where string
	maxBehind               time.Duration

	err        error // why it could not be read
	listing    *repository.Listing
	runs       map[string]*repository.ScheduleRun // by schedule, the last ones; of the repository alone
	stored     *stored                            // nil where it was not counted
	notCounted error                              // why not
}

// placesOf are the repository, or what stands in for it, and the other copies.
func placesOf(c *config.Config, at string) []visited {
	places := []visited{{name: home, url: c.Repository.URL, class: c.Repository.StorageClass, where: c.Repository.Place}}
	for _, one := range c.Copies {
		places = append(places, visited{name: one.Name, url: one.URL, class: one.StorageClass, where: one.Place, maxBehind: one.MaxBehind.Duration()})
	}
	here := slices.IndexFunc(places, func(p visited) bool { return p.url == at })
	if here < 0 {
		return append([]visited{{name: at, url: at}}, places...)
	}
	first := places[here]
	return append([]visited{first}, slices.Delete(places, here, here+1)...)
}

// copyStatus is what one place holds.
type copyStatus struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Kind is of its storage, Place where that is.
	Kind      string       `json:"kind"`
	Place     string       `json:"place"`
	Reachable bool         `json:"reachable"`
	Why       string       `json:"why,omitempty"` // it cannot be reached
	Sources   []copySource `json:"sources"`
	// Counts says that it can be reached and holds every source.
	Counts       bool   `json:"counts"`
	StorageClass string `json:"storageClass,omitempty"`
	Files        *int64 `json:"files"`
	Stored       *int64 `json:"stored"`
	monthly
}

// copySource is what one place holds of a source.
type copySource struct {
	Source string     `json:"source"`
	Point  string     `json:"point,omitempty"`
	Time   *time.Time `json:"time"` // null where there is no point
	// BehindPoints counts the points of the repository that are newer.
	BehindPoints  int      `json:"behindPoints"`
	BehindSeconds *float64 `json:"behindSeconds"` // null where there is no point to compare
}

// threeTwoOne is the rule, with production as one of the copies.
type threeTwoOne struct {
	Copies int  `json:"copies"`
	Kinds  int  `json:"kinds"`
	Places int  `json:"places"`
	Met    bool `json:"met"`
}

// What the rule wants.
const (
	wantedCopies = 3
	wantedKinds  = 2
	wantedPlaces = 2
)

// costStatus is what all places hold.
type costStatus struct {
	Stored  *int64     `json:"stored"`  // null where it was not counted
	Counted *time.Time `json:"counted"` // when, the place that was counted first
	monthly
}

// copies judges what every place holds.
func (j *judging) copies() {
	j.status.Copies = []copyStatus{}
	kinds, where := []string{production}, []string{production}
	rule := threeTwoOne{Copies: 1}
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
		j.say(stateWarning, "3-2-1 is not met: %s of %d, production among them, %s of storage of %d, %s of %d",
			quantity.Count(rule.Copies, "copy", "copies"), wantedCopies, quantity.Count(rule.Kinds, "kind", "kinds"), wantedKinds, quantity.Count(rule.Places, "place", "places"), wantedPlaces)
	}
}

func distinct(list []string) int {
	slices.Sort(list)
	return len(slices.Compact(list))
}

// copy judges one place.
func (j *judging) copy(p visited) copyStatus {
	kind, where := kindAndPlace(p.url)
	c := copyStatus{Name: p.name, URL: p.url, Kind: kind, Place: cmp.Or(p.where, where), Reachable: p.err == nil, Sources: []copySource{}, StorageClass: p.class}
	if p.err != nil {
		c.Why = oneLine(p.err.Error())
		j.say(stateWarning, "copy %s cannot be read: %s", p.name, c.Why)
		return c
	}
	c.Counts = true
	if damaged := damagedIn(p.listing); damaged > 0 && p.name != j.places[0].name {
		j.say(stateWarning, "in copy %s %s damaged: openim-dr check --repository %s says which", p.name, plural(int64(damaged), "manifest")+are(damaged), p.name)
	}
	for _, source := range j.sources {
		held := j.held(p, source)
		c.Sources = append(c.Sources, held)
		c.Counts = c.Counts && held.Time != nil
		switch {
		case p.name == j.places[0].name: // said of the source
		case held.Time == nil:
			j.say(stateWarning, "copy %s holds no restorable point of source %s", p.name, source)
		case p.maxBehind > 0 && held.BehindSeconds != nil && *held.BehindSeconds > p.maxBehind.Seconds():
			j.say(stateWarning, "copy %s is %s behind for source %s, and maxBehind is %s", p.name, ageOf(*held.BehindSeconds), source, quantity.Duration(p.maxBehind))
		}
	}
	j.bill(p, &c)
	return c
}

// held is what a place holds of a source, beside what the repository does.
func (j *judging) held(p visited, source string) copySource {
	held := copySource{Source: source}
	there := p.listing.Newest(j.config.Instance, source)
	if there != nil {
		held.Point, held.Time = there.Point, &there.Started
	}
	all := j.places[0].listing
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
func (j *judging) bill(p visited, c *copyStatus) {
	if p.notCounted != nil {
		j.say(stateWarning, "what %s stores could not be counted: %s", p.name, oneLine(p.notCounted.Error()))
	}
	if p.stored == nil {
		return
	}
	c.Files, c.Stored, c.monthly = &p.stored.files, &p.stored.bytes, pricingOf(j.config, p.class).of(p.stored.bytes)
	cost := &j.status.Cost
	total := p.stored.bytes
	if cost.Stored != nil {
		total += *cost.Stored
	}
	if cost.Stored = &total; cost.Counted == nil || p.stored.at.Before(*cost.Counted) {
		cost.Counted = &p.stored.at
	}
	if c.PerMonth == nil {
		return
	}
	sum := *c.PerMonth
	if cost.PerMonth != nil {
		sum = sum.Plus(*cost.PerMonth)
	}
	cost.monthly = monthly{&sum, c.Currency}
}

// kindAndPlace is what a URL tells of where something is stored. What it does not
// tell is taken to be in one place.
func kindAndPlace(at string) (kind, where string) {
	scheme, rest, hasScheme := strings.Cut(at, "://")
	switch {
	case hasScheme && scheme == "gs":
		return "gcs", "Google Cloud"
	case hasScheme && scheme == "s3":
		return "s3", placeOfS3(rest)
	default:
		return "directory", production
	}
}

// placeOfS3 is a region of a service.
func placeOfS3(rest string) string {
	_, query, _ := strings.Cut(rest, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		given = url.Values{} // opening it says what is wrong
	}
	region := cmp.Or(given.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	service := "Amazon"
	endpoint := cmp.Or(given.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if e, err := url.Parse(endpoint); err == nil && e.Host != "" {
		service = e.Host
	}
	return region + " at " + service
}
