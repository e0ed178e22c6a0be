package kube

import (
	"context"
	"fmt"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks of Examine.
const (
	checkReachable  = "kubernetes.reachable"
	checkKinds      = "kubernetes.kinds"
	checkNamespaces = "kubernetes.namespaces"
	checkRights     = "kubernetes.rights"
)

// Examine finds out whether a capture would work: the server answers, serves
// the kinds, has the namespaces and grants the rights.
func (c *Cluster) Examine(ctx context.Context) []source.Finding {
	s, err := c.open(ctx)
	if err != nil {
		return []source.Finding{finding(checkReachable, err)}
	}
	defer s.close()
	findings := []source.Finding{{
		Check: checkReachable, Severity: source.OK,
		Evidence: fmt.Sprintf("kubernetes %s (%s) answers, version %s", s.cluster, s.host, s.version),
	}}
	chosen, err := newCatalog(s).choose(ctx, c.settings)
	if err != nil {
		return append(findings, finding(checkKinds, err))
	}
	namespaces, unseen, err := s.chosen(ctx, c.settings)
	if err != nil {
		return append(findings, finding(checkNamespaces, err))
	}
	findings = append(findings, namespacesFinding(namespaces, unseen))
	findings = append(findings, kindsFindings(chosen)...)
	findings = append(findings, s.rights(ctx, chosen, namespaces)...)
	return append(findings, c.examineVolumes(ctx, s)...)
}

// kindsFindings tell what patterns do not choose, though they match it.
func kindsFindings(chosen *choice) []source.Finding {
	var findings []source.Finding
	for _, group := range chosen.broken {
		findings = append(findings, source.Finding{
			Check: checkKinds, Severity: source.Warning,
			Evidence: fmt.Sprintf("API group %q does not answer, and nothing of it would be captured", group),
			Remedy:   "`kubectl get apiservices` says which server is down; a kind of it that is named in kinds would fail the run",
		})
	}
	if len(chosen.leftOut) > 0 {
		findings = append(findings, source.Finding{
			Check: checkKinds, Severity: source.Info,
			Evidence: "matched by a pattern and left out, as a cluster makes them anew: " + strings.Join(chosen.leftOut, ", "),
			Remedy:   "a kind that is named in kinds is captured all the same",
		})
	}
	return findings
}

func namespacesFinding(namespaces, unseen []string) source.Finding {
	if len(unseen) == 0 {
		return source.Finding{Check: checkNamespaces, Severity: source.OK, Evidence: fmt.Sprintf("%s: %s", quantity.Count(len(namespaces), "namespace", "namespaces"), strings.Join(namespaces, ", "))}
	}
	return source.Finding{
		Check: checkNamespaces, Severity: source.Warning,
		Evidence: "the credentials may not see whether these namespaces exist: " + strings.Join(unseen, ", "),
		Remedy:   `grant "get" on namespaces, so that a misspelt name is noticed and labels of namespaces come back`,
	}
}

// rights asks for every right that a capture needs.
func (s *session) rights(ctx context.Context, chosen *choice, namespaces []string) []source.Finding {
	missing, err := s.forbidden(ctx, chosen.kinds, namespaces)
	if err != nil {
		return []source.Finding{finding(checkRights, err)}
	}
	var findings []source.Finding
	for _, f := range missing {
		found := source.Finding{Check: checkRights, Severity: source.Error, Evidence: "the credentials lack the right " + f.right(), Remedy: "grant it by a Role or ClusterRole, as `openim-dr config rbac` prints them"}
		if !chosen.named[f.kind.GroupKind()] {
			found.Severity, found.Remedy = source.Warning, "grant it by a Role or ClusterRole, as `openim-dr config rbac` prints them; or leave the kind out with exclude.kinds, since a pattern alone asks for it"
		}
		findings = append(findings, found)
	}
	if len(findings) > 0 {
		return findings
	}
	return []source.Finding{{Check: checkRights, Severity: source.OK, Evidence: quantity.Count(len(chosen.kinds), "kind", "kinds") + " may be listed in " + quantity.Count(len(namespaces), "namespace", "namespaces")}}
}

// finding turns an error into what doctor prints.
func finding(check string, err error) source.Finding {
	f := source.Finding{Check: check, Severity: source.Error, Evidence: err.Error()}
	if e, ok := fault.Outermost(err); ok {
		f.Remedy = e.Try
	}
	return f
}
