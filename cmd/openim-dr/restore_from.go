package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/restore"
)

// openFrom opens the places that --from names, and reads from the first one that
// serves; where it lacks a file the others are fallen back on. The caller calls end.
func (o *restoreOrder) openFrom(ctx context.Context) (end func(), err error) {
	p, err := o.app.openPlaces(ctx, o.deployment, o.flags.from)
	if err != nil {
		return nil, err
	}
	if err := o.readFrom(ctx, p); err != nil {
		p.end()
		return nil, err
	}
	return p.end, nil
}

func (o *restoreOrder) readFrom(ctx context.Context, p *places) error {
	if p.home.repo != nil {
		o.store, o.journalled = p.home.store, p.home.repo
	}
	o.away, o.falls = p.home.why, len(p.asked) > 1
	if o.flags.resume != "" {
		var repos []*repository.Repository
		for _, one := range p.all() {
			if one.repo != nil {
				repos = append(repos, one.repo)
			}
		}
		if err := o.findJournal(ctx, repos); err != nil {
			return err
		}
	}
	from, err := p.choose(ctx, o.servedBy)
	if err != nil {
		return err
	}
	if o.repo, err = repository.Open(ctx, from.store, repository.Options{Trust: o.deployment.trust, Copies: p.others(from)}); err != nil {
		return err
	}
	if o.journalled == nil {
		o.journalled = o.repo
	}
	o.deployment.url = from.url
	if o.flags.resume != "" {
		if err := o.unseal(ctx, o.request.Resumed); err != nil {
			return err
		}
	}
	if err := o.remember(); err != nil {
		return err
	}
	return o.openTargets()
}

// servedBy says why a place does not serve: it has not the points that are wanted, or
// nobody trusted has signed them. What else speaks against a point the plan says.
func (o *restoreOrder) servedBy(listing *repository.Listing) error {
	names := o.remembered.Sources
	if o.request.Resumed != nil {
		names = slices.Sorted(maps.Keys(o.request.Points))
	}
	for _, name := range names {
		point, err := o.request.For(listing, o.request.Instance, name)
		if err != nil {
			return err
		}
		if point.Untrusted != nil && !slices.Contains(o.remembered.Allow, restore.Unsigned) && !slices.Contains(o.flags.allow, string(restore.Unsigned)) {
			return fault.New(fault.Refused, "read point "+point.Point, "it is %w", point.Untrusted)
		}
	}
	return nil
}

// fellBack says what came from another place than the one that is read from.
func fellBack(fell *repository.FellBack) (texts []string) {
	if fell == nil {
		return nil
	}
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	for _, u := range fell.Unreachable {
		add("%s could not be read any more, and the rest came from elsewhere: %s", u.Place, u.Why)
	}
	for _, f := range fell.Files {
		add("%s is %s in %s, and came from %s", printable(f.File), f.Damage, f.Place, f.From)
	}
	if more := fell.Count - int64(len(fell.Files)); more > 0 {
		add("and so did %s more", plural(more, "file"))
	}
	if fell.Count > 0 {
		add("openim-dr check says all that is damaged there; nothing was repaired")
	}
	return texts
}

// offerCopies says that a copy may hold what is damaged.
func (o *restoreOrder) offerCopies(err error) error {
	c := o.deployment.config
	if err == nil || fault.KindOf(err) != fault.Corrupt || len(o.flags.from) > 0 || c == nil || len(c.Copies) == 0 {
		return err
	}
	return hinted(err, "--from any takes from a copy what is damaged")
}
