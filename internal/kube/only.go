package kube

import (
	"slices"
	"strings"
)

// Only returns settings with which just these parts are captured, each a namespace
// or _cluster, with a slash and a kind behind where it is only that: all objects of
// these kinds, since a restore may overwrite any.
func (s *Settings) Only(parts []string) *Settings {
	only := *s
	only.Namespaces, only.Names, only.LabelSelector, only.Exclude.Kinds = []string{}, nil, "", nil
	only.Volumes = nil // a restore leaves claims alone that exist
	only.Exclude.HelmHistory = new(int)
	only.scope = scope{withoutCluster: true}
	var kinds []string
	for _, part := range parts {
		name, kind, _ := strings.Cut(part, "/")
		if kind != "" && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if name == clusterPart {
			only.scope.withoutCluster = false
		} else if !slices.Contains(only.Namespaces, name) {
			only.Namespaces = append(only.Namespaces, name)
		}
	}
	only.scope.onlyCluster = len(only.Namespaces) == 0
	if len(kinds) > 0 {
		only.Kinds = kinds
	}
	return &only
}

// At returns the settings as those of another cluster, in which what they choose is
// looked for.
func (s *Settings) At(other *Settings) *Settings {
	at := *s
	at.Kubeconfig, at.Context, at.Cluster = other.Kubeconfig, other.Context, other.Cluster
	return &at
}
