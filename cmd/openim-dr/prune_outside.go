package main

import (
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/retention"
)

// outsiders are the configured sources that keep something outside the repository.
// No other is opened: whoever prunes need not have its secrets.
func (d *deployment) outsiders() (map[string]source.Outsider, error) {
	found := map[string]source.Outsider{}
	for _, s := range d.config.Sources {
		settings, ok := s.Settings.(*kube.Settings)
		if !ok || len(settings.Volumes) == 0 {
			continue
		}
		cluster, err := kube.New(s.Name, settings)
		if err != nil {
			return nil, err
		}
		found[s.Name] = cluster
	}
	return found, nil
}

// writeOutside says what goes that stands outside the repository.
func writeOutside(p *page, outside []*retention.Outside) {
	for _, o := range outside {
		switch {
		case o.Warning != "":
			p.line("warning  source %s: %s", o.Source, o.Warning)
		case o.Objects > 0:
			p.line("source %s: %s of volumes (%s) to be deleted in the cluster, for points that are gone (%d); %d stay", o.Source, plural(int64(o.Objects), "snapshot"), size(o.Bytes), len(o.Points), o.Kept)
		}
	}
}

// logOutside says what was removed outside the repository.
func (a *app) logOutside(outside []*retention.Outside) {
	for _, o := range outside {
		if o.Removed > 0 {
			a.log.Info("snapshots of volumes were deleted whose points are gone", "source", o.Source, "snapshots", o.Removed)
		}
		if o.Warning != "" {
			a.log.Warn("snapshots of volumes wait for a later prune", "source", o.Source, "error", o.Warning)
		}
	}
}
