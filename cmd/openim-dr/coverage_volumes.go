package main

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/source"
)

// examineDeployed looks at what runs where the kubernetes sources are, and says what
// of it no point brings back.
func examineDeployed(ctx context.Context, c *config.Config) []source.Finding {
	var findings []source.Finding
	for _, s := range c.Sources {
		settings, ok := s.Settings.(*kube.Settings)
		if !ok {
			continue
		}
		cluster, err := kube.New(s.Name, settings)
		if err != nil {
			continue // examineSource says so
		}
		deployed, uncovered := cluster.Uncovered(ctx)
		for _, f := range append(uncovered, openim.Storage(workloadsOf(deployed))...) {
			f.Evidence = "source " + s.Name + ": " + f.Evidence
			findings = append(findings, f)
		}
	}
	return findings
}

func workloadsOf(d *kube.Deployed) []openim.Workload {
	workloads := make([]openim.Workload, 0, len(d.Workloads))
	for _, r := range d.Workloads {
		w := openim.Workload{Name: r.String(), Images: r.Images, Words: r.Words, Labels: r.Labels, Volumes: map[string]string{}}
		for _, v := range r.Volumes {
			w.Volumes[v.Name] = v.On
		}
		workloads = append(workloads, w)
	}
	return workloads
}
