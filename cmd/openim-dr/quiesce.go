package main

import (
	"context"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/cache"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// newQuiescer makes what stops the workloads that write, where a restore goes
// to. That is one of targets: the sources themselves, or what --target names in
// their place. Without a section quiesce, or a configuration at all, its defaults
// are meant.
func newQuiescer(c *config.Config, targets []config.Source, elsewhere bool) (*kube.Quiescer, error) {
	var q config.Quiesce
	if c != nil && c.Quiesce != nil {
		q = *c.Quiesce
	}
	name, settings, err := quiescedCluster(q, targets, elsewhere)
	if err != nil {
		return nil, err
	}
	if q.Namespaces != nil {
		settings.Namespaces = q.Namespaces
	}
	if settings.Namespaces == nil {
		// A pattern such as *-admin-api may mean others' workloads elsewhere.
		return nil, usage("stop workloads", "it is not said in which namespaces OpenIM runs").Hint("set quiesce.namespaces, or namespaces of the source of kind kubernetes")
	}
	cluster, err := kube.New(name, &settings)
	if err != nil {
		return nil, err
	}
	return kube.NewQuiescer(cluster, quiesceStages(q.Stages), time.Duration(q.Timeout))
}

// quiescedCluster finds the cluster that is meant: never one that is not restored
// to, lest a restore into a second site stop the first.
func quiescedCluster(q config.Quiesce, targets []config.Source, elsewhere bool) (name string, settings kube.Settings, err error) {
	const doing = "choose the cluster whose workloads are stopped"
	if q.Kubeconfig != "" || q.Context != "" {
		if elsewhere {
			return "", settings, usage(doing, "quiesce names a kubeconfig, which is not that of --target").
				Hint("name a source of kind kubernetes in quiesce.source, and list one of that name in the target; or stop by hand what writes there, and leave --quiesce out")
		}
		return "quiesce", kube.Settings{Kubeconfig: q.Kubeconfig, Context: q.Context}, nil
	}
	clusters := slices.DeleteFunc(slices.Clone(targets), func(s config.Source) bool {
		return s.Kind != kube.Kind || q.Source != "" && s.Name != q.Source
	})
	switch len(clusters) {
	case 1:
		return clusters[0].Name, *clusters[0].Settings.(*kube.Settings), nil
	case 0:
		return "", settings, usage(doing, "there is no source of kind kubernetes%s where the restore goes to", named(q.Source)).
			Hint("list one, or name a kubeconfig in quiesce.kubeconfig; or stop by hand what writes, and leave --quiesce out")
	default:
		return "", settings, usage(doing, "there are %s of kind kubernetes", plural(int64(len(clusters)), "source")).Hint("name one in quiesce.source")
	}
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " of the name " + name
}

// quiesceStages are the configured stages, or OpenIM's own.
func quiesceStages(configured []config.Stage) []kube.Stage {
	var stages []kube.Stage
	for _, s := range configured {
		stages = append(stages, kube.Stage{Name: s.Name, Workloads: s.Workloads, Selector: s.Selector})
	}
	if len(stages) > 0 {
		return stages
	}
	for _, s := range openim.Stages() {
		stages = append(stages, kube.Stage{Name: s.Name, Workloads: s.Workloads, Optional: true})
	}
	return stages
}

// newCaches makes what deletes stale keys, one for each configured cache; with
// messages also the keys that are stale where MongoDB was rolled back.
func newCaches(c *config.Config, messages bool) ([]*cache.Cache, error) {
	if c == nil || len(c.Caches) == 0 {
		return nil, usage("find the caches", "none is configured").Hint("list Redis or Dragonfly under caches in the configuration")
	}
	keys := cache.Keys{Delete: openim.CacheKeys(messages), Protect: openim.ProtectedKeys()}
	made := make([]*cache.Cache, 0, len(c.Caches))
	for _, s := range c.Caches {
		one, err := cache.New(cache.Settings{
			Name: s.Name, Address: s.Address, User: s.User, Password: s.Password,
			TLS: tlsmode.Mode(s.TLS), TLSCA: s.TLSCA, TLSCert: s.TLSCert, TLSKey: s.TLSKey, Databases: s.Databases,
		}, keys)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
}

// examineQuiesce looks whether a restore could stop what writes. Nothing is said
// where nobody has configured that.
func examineQuiesce(ctx context.Context, c *config.Config) []source.Finding {
	if c.Quiesce == nil {
		return nil
	}
	q, err := newQuiescer(c, c.Sources, false)
	if err != nil {
		return []source.Finding{found("quiesce.configured", "", err)}
	}
	return q.Examine(ctx)
}

// examineCaches looks whether a restore could delete what is stale in the caches.
func examineCaches(ctx context.Context, c *config.Config) []source.Finding {
	if len(c.Caches) == 0 {
		return nil
	}
	caches, err := newCaches(c, true)
	if err != nil {
		return []source.Finding{found("caches.configured", "", err)}
	}
	var findings []source.Finding
	for _, one := range caches {
		findings = append(findings, one.Examine(ctx)...)
	}
	return findings
}
