package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// restoreChoices are what the questions of a restore offer.
type restoreChoices struct {
	latest  []sourceAge    // what "latest" means: the newest state of every source
	points  []pointChoice  // newest first
	left    int            // how many points are not offered
	targets []targetChoice // where to; without any a file is asked for
}

// sourceAge is the newest state of one source.
type sourceAge struct {
	source string
	age    time.Duration
}

// pointChoice is a point that can be restored without overruling anything.
type pointChoice struct {
	id      string
	age     time.Duration
	stream  string
	sources []string
}

// targetChoice is a place to restore to. Without a name it is the sources
// themselves.
type targetChoice struct {
	name    string
	sources []string
}

// restoreChoices looks at the repository and at the configuration.
func (a *app) restoreChoices(ctx context.Context) (restoreChoices, error) {
	d, err := a.deployment()
	if err != nil {
		return restoreChoices{}, err
	}
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return restoreChoices{}, err
	}
	defer end()
	listing, err := repo.List(ctx)
	if err != nil {
		return restoreChoices{}, err
	}
	newest, err := listing.Find(repository.Latest)
	if err != nil {
		return restoreChoices{}, err // nothing could be offered
	}
	instance := d.instance()
	if instance == "" {
		instance = newest.Instance
	}
	c := choicesOf(listing, instance, time.Now())
	c.targets = d.targetChoices()
	return c, nil
}

// choicesOf offers what a listing holds of one instance.
func choicesOf(listing *repository.Listing, instance string, now time.Time) restoreChoices {
	c := restoreChoices{left: len(listing.Broken)}
	seen := map[string]bool{}
	for _, p := range slices.Backward(listing.Points) {
		if !p.Eligible() || p.Instance != instance {
			c.left++
			continue
		}
		choice := pointChoice{id: p.Point, age: now.Sub(p.Started), stream: p.Stream}
		for _, s := range p.Sources {
			choice.sources = append(choice.sources, s.Name)
			if !seen[s.Name] {
				seen[s.Name] = true
				c.latest = append(c.latest, sourceAge{s.Name, choice.age})
			}
		}
		c.points = append(c.points, choice)
	}
	return c
}

// targetChoices are the sources themselves, and what the configuration names.
func (d *deployment) targetChoices() []targetChoice {
	if d.config == nil {
		return nil
	}
	choices := []targetChoice{{sources: namesOf(d.config.Sources)}}
	for _, name := range slices.Sorted(maps.Keys(d.config.Targets)) {
		choices = append(choices, targetChoice{name, namesOf(d.config.Targets[name])})
	}
	return choices
}

func namesOf(sources []config.Source) []string {
	names := make([]string, 0, len(sources))
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return names
}
