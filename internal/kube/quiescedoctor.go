package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks of Quiescer.Examine.
const (
	checkQuiesceReachable  = "quiesce.reachable"
	checkQuiesceNamespaces = "quiesce.namespaces"
	checkQuiesceRights     = "quiesce.rights"
	checkQuiesceWorkloads  = "quiesce.workloads"
	checkQuiesceDisturbed  = "quiesce.disturbed"
)

// Examine finds out whether the workloads could be stopped and would stay so. It
// changes nothing.
func (q *Quiescer) Examine(ctx context.Context) []source.Finding {
	s, err := q.cluster.open(ctx)
	if err != nil {
		return []source.Finding{finding(checkQuiesceReachable, err)}
	}
	defer s.close()
	namespaces, _, err := s.chosen(ctx, q.cluster.settings)
	if err != nil {
		return []source.Finding{finding(checkQuiesceNamespaces, err)}
	}
	if err := s.requireRights(ctx, namespaces); err != nil {
		return []source.Finding{finding(checkQuiesceRights, err)}
	}
	chosen, err := q.choose(ctx, s, namespaces)
	if err != nil {
		return []source.Finding{finding(checkQuiesceWorkloads, err)}
	}
	findings := []source.Finding{
		{Check: checkQuiesceRights, Severity: source.OK, Evidence: "the workloads in " + strings.Join(namespaces, ", ") + " may be stopped"},
		q.workloadsFinding(chosen),
	}
	disturbing, err := s.disturbances(ctx, namespaces, slices.Concat(chosen...))
	if err != nil {
		return append(findings, finding(checkQuiesceDisturbed, err))
	}
	for _, text := range append(heldWarnings(chosen), disturbing...) {
		findings = append(findings, source.Finding{
			Check: checkQuiesceDisturbed, Severity: source.Warning, Evidence: text, Remedy: "know it before an incident: a restore with --quiesce says it again in its plan",
		})
	}
	return findings
}

func (q *Quiescer) workloadsFinding(chosen [][]*workload) source.Finding {
	var stages []string
	for i, found := range chosen {
		var names []string
		for _, w := range found {
			names = append(names, w.described().String())
		}
		if len(names) == 0 {
			names = []string{"nothing"}
		}
		stages = append(stages, fmt.Sprintf("%s: %s", q.stages[i].Name, strings.Join(names, ", ")))
	}
	return source.Finding{Check: checkQuiesceWorkloads, Severity: source.OK, Evidence: "a restore with --quiesce would stop " + strings.Join(stages, "; then ")}
}
