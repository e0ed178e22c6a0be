package main

import (
	"context"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/source"
)

const (
	// coverageInterval is how often a daemon looks what of the deployment no source
	// covers, and coveragePause how soon again where it could not see everything.
	coverageInterval = time.Hour
	coveragePause    = 5 * time.Minute
	// coverageTimeout bounds a look (invariant 9).
	coverageTimeout = time.Minute
)

// coverage is what a daemon knows of what no source covers. It is for one goroutine.
type coverage struct {
	config   *config.Config
	looked   time.Time
	findings []source.Finding
}

// look returns what doctor finds of the deployment, now or not long ago.
func (c *coverage) look(ctx context.Context) []source.Finding {
	keep := coverageInterval
	if slices.ContainsFunc(c.findings, func(f source.Finding) bool { return f.Unseen }) {
		keep = coveragePause
	}
	if !c.looked.IsZero() && time.Since(c.looked) < keep {
		return c.findings
	}
	ctx, cancel := context.WithTimeout(ctx, coverageTimeout)
	defer cancel()
	c.findings = append(examineCoverage(ctx, c.config), examineDeployed(ctx, c.config)...)
	c.looked = time.Now()
	return c.findings
}
