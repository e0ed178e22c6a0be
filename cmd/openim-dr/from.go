package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// What --from takes besides names of copies and URLs.
const (
	placeHome = "home"
	placeAny  = "any"
)

// fromHelp is what --from means, for the help of the verbs that have it.
const fromHelp = `--from names a copy of the configuration's copies, a URL, or home, which is the
repository itself; any means home, and then every copy in its order. It may be
repeated. The first place is used that can be read, is signed, and holds what is
wanted; a place other than home must say in its record that it is a copy of home
(exit code 4). Standard error says which one is used, and why those before it are
not.`

// place is one that points may be read from.
type place struct {
	name string
	url  string

	store storage.Storage        // nil where it could not be opened
	repo  *repository.Repository // nil where it is of no use
	why   error                  // it is of no use
	end   func()
}

// places are those that --from names.
type places struct {
	app   *app
	trust repository.Options
	home  *place // the repository itself, be it named or not
	asked []*place
}

// placePatience is how long a place that does not answer is asked where others are named
// to fall back on.
const placePatience = 20 * time.Second

// openPlaces opens the places that --from names, all at once, and the repository
// itself, which knows whose copies they are. What cannot be opened is told when it
// would be needed. The caller calls end.
func (a *app) openPlaces(ctx context.Context, d *deployment, from []string) (*places, error) {
	p := &places{app: a, trust: repository.Options{Trust: d.trust}, home: &place{name: placeHome, url: d.url}}
	if err := p.name(d, from); err != nil {
		return nil, err
	}
	a.log.Info("places to read from are looked at", "places", strings.Join(from, ", "))
	var opening sync.WaitGroup
	for _, one := range p.all() {
		policy := storage.Policy{Elapsed: placePatience}
		if len(p.asked) == 1 && one == p.asked[0] {
			policy.Elapsed = 0 // there is nothing else
		}
		opening.Go(func() { one.open(ctx, a, p.trust, policy) })
	}
	opening.Wait()
	if err := context.Cause(ctx); err != nil {
		p.end()
		return nil, err
	}
	for _, one := range p.asked {
		one.requireOrigin(p.home)
	}
	if p.home.why != nil && !slices.Contains(p.asked, p.home) {
		a.log.Warn("the repository itself cannot be read: nobody can tell whether it is the one that was copied", "at", p.home.url, "why", p.home.why.Error())
	}
	return p, nil
}

// name finds out what is meant.
func (p *places) name(d *deployment, from []string) error {
	for _, text := range from {
		switch {
		case text == placeAny:
			p.add(p.home)
			if d.config != nil {
				for _, c := range d.config.Copies {
					p.add(&place{name: c.Name, url: c.URL})
				}
			}
		case text == placeHome:
			p.add(p.home)
		case d.place(text) != text:
			p.add(&place{name: text, url: d.place(text)})
		case !strings.Contains(text, "/"):
			return usage("read flags", "--from %s names no copy: %s", text, d.copyNames()).
				Hint("give the name of a copy, %s, %s, a URL, or a directory with a slash in it", placeHome, placeAny)
		default:
			p.add(&place{name: text, url: text})
		}
	}
	return nil
}

// add adds a place, once.
func (p *places) add(one *place) {
	if one.url == p.home.url {
		one = p.home
	}
	if !slices.ContainsFunc(p.asked, func(known *place) bool { return known.url == one.url }) {
		p.asked = append(p.asked, one)
	}
}

func (d *deployment) copyNames() string {
	if d.config == nil || len(d.config.Copies) == 0 {
		return "none is configured"
	}
	var names []string
	for _, c := range d.config.Copies {
		names = append(names, c.Name)
	}
	return "configured are " + strings.Join(names, ", ")
}

func (p *places) all() []*place {
	if slices.Contains(p.asked, p.home) {
		return p.asked
	}
	return append([]*place{p.home}, p.asked...)
}

// end closes what was opened.
func (p *places) end() {
	for _, one := range p.all() {
		if one.end != nil {
			one.end()
		}
	}
}

func (o *place) open(ctx context.Context, a *app, options repository.Options, policy storage.Policy) {
	if o.store, o.end, o.why = a.openStorageFor(ctx, o.url, mustExist, policy); o.why != nil {
		return
	}
	o.repo, o.why = repository.Open(ctx, o.store, options)
}

// requireOrigin refuses what is no copy of the repository. Where that cannot be read
// nobody can tell which repository it is; a copy of one it must be all the same.
func (o *place) requireOrigin(home *place) {
	if o == home || o.repo == nil {
		return
	}
	record := o.repo.Record()
	refused := fault.New(fault.Refused, "read from "+o.name, "it is repository %s, and no copy of another", record.Repository).On(o.url).
		Hint("name a copy that openim-dr copy has made of this repository; --repository URL reads from any other")
	if home.repo != nil {
		id := home.repo.Record().Repository
		if record.Repository == id || slices.Contains(record.Homes, id) {
			return
		}
		refused.Err = fmt.Errorf("it is repository %s, and no copy of %s", record.Repository, id)
	} else if record.CopyOf != "" {
		return
	}
	o.repo, o.why = nil, refused
}

// choose returns the first place that serves what is wanted, and says on the way why
// the others do not. A place whose newest points cannot be read is taken only if no
// other one serves.
func (p *places) choose(ctx context.Context, serves func(*repository.Listing) error) (*place, error) {
	var doubtful *place
	for _, one := range p.asked {
		listing, err := one.list(ctx)
		if err == nil {
			err = serves(listing)
		}
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		if err == nil && len(listing.Broken) > 0 && len(p.asked) > 1 {
			if doubtful == nil {
				doubtful = one
			}
			err = fmt.Errorf("the manifests of %s cannot be read, the first of them: %w", plural(int64(len(listing.Broken)), "point"), listing.Broken[0].Err)
		}
		if err == nil {
			return p.take(one), nil
		}
		if one.why = err; len(p.asked) > 1 {
			p.app.log.Warn("points are not read from there", "place", one.name, "at", one.url, "why", err.Error())
		}
	}
	if doubtful != nil {
		return p.take(doubtful), nil
	}
	return nil, p.none()
}

func (p *places) take(one *place) *place {
	p.app.log.Info("points are read from there", "place", one.name, "at", one.url)
	return one
}

func (o *place) list(ctx context.Context) (*repository.Listing, error) {
	if o.repo == nil {
		return nil, o.why
	}
	return o.repo.List(ctx)
}

// none is the error where no place serves.
func (p *places) none() error {
	if len(p.asked) == 1 {
		return p.asked[0].why
	}
	var all error
	var texts []string
	for _, one := range p.asked {
		all = errors.Join(all, one.why)
		texts = append(texts, one.name+": "+one.why.Error())
	}
	return fault.New(fault.KindOf(all), "choose a place to read from", "none of %d serves: %s", len(p.asked), strings.Join(texts, "; ")).
		Hint("openim-dr list --repository NAME shows what a place holds")
}

// others are the storages that a file may come from that one place lacks.
func (p *places) others(but *place) []storage.Reader {
	var stores []storage.Reader
	for _, one := range p.asked {
		if one != but && one.repo != nil {
			stores = append(stores, one.store)
		}
	}
	return stores
}
