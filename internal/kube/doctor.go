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
	kinds, err := newCatalog(s).configured(ctx, c.settings.Kinds)
	if err != nil {
		return append(findings, finding(checkKinds, err))
	}
	namespaces, unseen, err := s.chosen(ctx, c.settings)
	if err != nil {
		return append(findings, finding(checkNamespaces, err))
	}
	findings = append(findings, namespacesFinding(namespaces, unseen))
	return append(findings, c.rights(ctx, s, kinds, namespaces)...)
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
func (c *Cluster) rights(ctx context.Context, s *session, kinds []kind, namespaces []string) []source.Finding {
	var findings []source.Finding
	for _, k := range kinds {
		for _, namespace := range namespaces {
			what := call{verb: "list", resource: k.rbac(), namespace: namespace}
			allowed, err := s.may(ctx, k, what)
			if err != nil {
				return append(findings, finding(checkRights, err))
			}
			if !allowed {
				findings = append(findings, source.Finding{
					Check: checkRights, Severity: source.Error,
					Evidence: "the credentials lack the right " + what.right(),
					Remedy:   "grant it by a Role or ClusterRole",
				})
			}
		}
	}
	if len(findings) > 0 {
		return findings
	}
	return []source.Finding{{Check: checkRights, Severity: source.OK, Evidence: quantity.Count(len(kinds), "kind", "kinds") + " may be listed in " + quantity.Count(len(namespaces), "namespace", "namespaces")}}
}

// finding turns an error into what doctor prints.
func finding(check string, err error) source.Finding {
	f := source.Finding{Check: check, Severity: source.Error, Evidence: err.Error()}
	if e, ok := fault.Outermost(err); ok {
		f.Remedy = e.Try
	}
	return f
}
