package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// changesSince compares a point with the cluster as it is. The digest key of the
// repository is opened by the catalog identity of the configuration, unless an operator
// has given a key.
func (a *app) changesSince(ctx context.Context, d *deployment, repo *repository.Repository, listing *repository.Listing, flags changesFlags, identities []seal.Identity) (*changeLog, error) {
	if d.config == nil {
		return nil, usage("compare the cluster with a point", "no configuration says how the cluster is reached").Hint("give --config FILE or set OPENIM_DR_CONFIG")
	}
	configured, err := configuredCluster(d.config, flags.source)
	if err != nil {
		return nil, err
	}
	var point *repository.Point
	if flags.from != "" {
		point, err = listing.Find(flags.from)
	} else {
		point, err = newestOf(listing, "the point", func(p *repository.Point) bool {
			return p.Eligible() && p.Instance == d.config.Instance && len(clustersIn(p, configured.Name)) > 0
		})
	}
	if err != nil {
		return nil, err
	}
	if _, err := clusterOf(point, configured.Name); err != nil {
		return nil, err
	}
	a.warnUntrusted(point)
	if len(identities) == 0 {
		catalog, err := readCatalog(d.config.Repository.CatalogIdentity)
		if err != nil {
			return nil, err
		}
		identities = []seal.Identity{catalog}
	}
	cluster, err := kube.New(configured.Name, configured.Settings.(*kube.Settings)) //nolint:forcetypeassert // of this kind
	if err != nil {
		return nil, err
	}
	from, _ := repository.SourceOf(repo.Unlock(point, identities), configured.Name)
	log := &changeLog{
		source: configured.Name, from: momentOf(from), to: moment{live, time.Now()},
		hint: "what has changed in fields is said of two points: take one, and give an operator's key, --identity FILE",
	}
	log.changes, err = cluster.LiveChanges(ctx, from)
	return log, err
}

// configuredCluster is the source of kind kubernetes, or that of a name.
func configuredCluster(c *config.Config, name string) (config.Source, error) {
	sources := slices.DeleteFunc(slices.Clone(c.Sources), func(s config.Source) bool {
		return s.Kind != kube.Kind || name != "" && s.Name != name
	})
	switch len(sources) {
	case 0:
		return config.Source{}, usage("choose the source", "the configuration has no source of kind kubernetes%s", named(name)).Hint("openim-dr config example shows one")
	case 1:
		return sources[0], nil
	default:
		return config.Source{}, usage("choose the source", "the configuration has several of kind kubernetes").Hint("--source takes one of %s", strings.Join(namesOf(sources), ", "))
	}
}
