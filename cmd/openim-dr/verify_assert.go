package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/verify"
)

// defaultAssertionTime bounds a command.
const defaultAssertionTime = 10 * time.Minute

// assertions translates what the configuration expects of the copy.
func (o *drillOrder) assertions(servers *scratchServers) ([]verify.Assertion, error) {
	assertions := make([]verify.Assertion, 0, len(o.settings.Assertions))
	for _, a := range o.settings.Assertions {
		translated := verify.Assertion{Name: a.Name, Source: a.Source, Query: a.SQL, Want: a.Want}
		switch {
		case !a.Newest.IsZero():
			translated.Newest, translated.Within = true, a.Within.Duration()
			zone, err := time.LoadLocation(a.Zone)
			if err != nil {
				return nil, usage("read assertion "+a.Name, "%w", err)
			}
			translated.Zone = zone
			translated.Query = mysql.NewestQuery(a.Newest.Schema, a.Newest.Table, a.Newest.Name)
		case a.RowsDrop != nil:
			share := float64(*a.RowsDrop) / 100
			translated.RowsDrop, translated.Before = &share, o.before
		case len(a.Command) > 0:
			translated.Run = func(ctx context.Context) error { return o.runCommand(ctx, a, servers) }
		}
		assertions = append(assertions, translated)
	}
	return assertions, nil
}

// before returns the last full proof of an older state of a source than the one
// that is drilled, or nil.
func (o *drillOrder) before(ctx context.Context, name string) (*repository.Proof, error) {
	at := slices.IndexFunc(o.set.Members, func(m verify.Member) bool { return m.Source == name })
	var newest *repository.BriefProof
	var where *repository.Point
	for _, p := range o.listing.Points {
		if p.Instance != o.instance() || at < 0 || !p.Started.Before(o.set.Members[at].Point.Started) {
			continue
		}
		for _, proof := range p.Proofs {
			from, ok := proof.PointOf(name)
			if ok && from.Point == p.Point && proof.Proves() {
				newest, where = proof, p // points are in the order of their age
				break
			}
		}
	}
	if newest == nil {
		return nil, nil // there is none yet
	}
	return o.repo.ReadProof(ctx, where, newest.Drill)
}

// runCommand runs a command that is told where the scratch servers are.
func (o *drillOrder) runCommand(ctx context.Context, a config.Assertion, servers *scratchServers) error {
	limit := a.Timeout.Duration()
	if limit == 0 {
		limit = defaultAssertionTime
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it was not done after %s", limit))
	defer cancel()
	log := o.app.log.With("assertion", a.Name)
	if a.Image != "" {
		return servers.runImage(ctx, a.Image, a.Command, log)
	}
	return hook.Command(ctx, a.Command, servers.environment, log)
}

// references finds out what a database refers to: as configured, or as OpenIM
// does it.
func (o *drillOrder) references(ctx context.Context, database string, ask source.Ask) ([]source.Reference, error) {
	if len(o.settings.References) == 0 {
		return openim.References(ctx, ask)
	}
	var references []source.Reference
	for _, r := range o.settings.References {
		if r.Source == database {
			references = append(references, source.Reference{Query: r.Query, Bucket: r.Bucket, Read: readReference})
		}
	}
	return references, nil
}

// readReference reads key and size, in this order, of a configured query.
func readReference(row []*string) (source.Referred, bool) {
	if len(row) == 0 || row[0] == nil || *row[0] == "" {
		return source.Referred{}, false
	}
	r := source.Referred{Key: *row[0], Size: -1}
	if len(row) > 1 && row[1] != nil {
		if n, err := strconv.ParseInt(*row[1], 10, 64); err == nil {
			r.Size = n
		}
	}
	return r, true
}

// mustBeReferred says which objects something has to refer to; with references
// of one's own nothing is known about that.
func (o *drillOrder) mustBeReferred() func(key string) bool {
	if len(o.settings.References) > 0 {
		return func(string) bool { return false }
	}
	return openim.IsReferred
}

// kindNamed returns a kind of source.
func kindNamed(name string) (kind, bool) {
	all := kinds()
	at := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if at < 0 {
		return kind{}, false
	}
	return all[at], true
}
