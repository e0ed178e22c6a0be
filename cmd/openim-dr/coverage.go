package main

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/source"
)

// cluster is the ability of a source to show the ConfigMaps and Secrets that
// it covers, as they are now.
type cluster interface {
	Data(ctx context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error
}

// examineCoverage reads OpenIM's own configuration wherever a source sees it,
// and says which of its stores nobody backs up.
func examineCoverage(ctx context.Context, c *config.Config) []source.Finding {
	kinds := make([]string, 0, len(c.Sources))
	var clusters []cluster
	for _, s := range c.Sources {
		kinds = append(kinds, s.Kind)
		o, err := openSource(s, sourceOptions{limits: c.Limits})
		if err != nil {
			continue // examineSource says so
		}
		if seen, ok := o.Source.(cluster); ok {
			clusters = append(clusters, seen)
		}
	}
	all := func(ctx context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error {
		for _, seen := range clusters {
			if err := seen.Data(ctx, fn); err != nil {
				return err
			}
		}
		return nil
	}
	return openim.Coverage(ctx, all, kinds)
}
