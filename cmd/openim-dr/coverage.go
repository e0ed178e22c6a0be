package main

import (
	"context"
	"errors"
	"strings"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/mysql"
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
	configured := make([]openim.Configured, 0, len(c.Sources))
	var clusters []cluster
	for _, s := range c.Sources {
		configured = append(configured, configuredSource(s))
		o, err := openSource(s, sourceOptions{limits: c.Limits})
		if err != nil {
			continue // examineSource says so
		}
		if seen, ok := o.Source.(cluster); ok {
			clusters = append(clusters, seen)
		}
	}
	all := func(ctx context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error {
		var failed []error
		for _, seen := range clusters {
			failed = append(failed, seen.Data(ctx, fn))
		}
		return errors.Join(failed...)
	}
	return openim.Coverage(ctx, all, configured)
}

// configuredSource is what a source covers, as far as its settings tell.
func configuredSource(s config.Source) openim.Configured {
	known := openim.Configured{Kind: s.Kind, Name: s.Name}
	switch settings := s.Settings.(type) {
	case *mysql.Settings:
		known.Holds = settings.HoldsSchema
		if !strings.HasPrefix(settings.Address, "unix:") { // a socket's path is no name to compare
			known.Address = settings.Address
		}
	case *bucket.Settings:
		known.Address, known.Holds = settings.Endpoint, settings.HoldsBucket
	}
	return known
}
