package main

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// shownValues are the values of a Helm release, as the user has given them.
type shownValues struct {
	kube.CapturedRelease
	Values string `json:"values"` // YAML
}

// showValues prints the values of one release, which may hold passwords.
func (a *app) showValues(ctx context.Context, repo *repository.Repository, point *repository.Point, flags showFlags) error {
	if len(flags.identities) == 0 {
		return usage("show the values of release "+flags.helmValues, "they are sealed").Hint("give an operator's private key: --identity FILE")
	}
	source, err := clusterOf(point, flags.source)
	if err != nil {
		return err
	}
	identities, err := a.readIdentities(ctx, flags.identities)
	if err != nil {
		return err
	}
	from, ok := repository.SourceOf(repo.Unlock(point, identities), source)
	if !ok {
		return fault.New(fault.Usage, "choose the source", "point %s holds no source %q", point.Point, source)
	}
	release, err := kube.FindRelease(from, flags.helmValues)
	if err != nil {
		return err
	}
	var values bytes.Buffer
	if err := kube.ReleaseValues(ctx, from, release, &values); err != nil {
		return err
	}
	a.out.print(shownValues{release, values.String()}, func(p *page) { p.WriteString(values.String()) })
	return nil
}

// releaseLines are the releases of Helm that a source of a point holds, in words.
func releaseLines(captured json.RawMessage) []string {
	var record kube.Captured
	if json.Unmarshal(captured, &record) != nil {
		return nil // of another kind
	}
	var lines []string
	for _, r := range record.Releases {
		lines = append(lines, releaseName(r)+": "+revisionText(r))
	}
	return lines
}
