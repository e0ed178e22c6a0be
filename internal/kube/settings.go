package kube

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Settings configure one cluster as a source.
type Settings struct {
	Kubeconfig string   `yaml:"kubeconfig,omitempty" jsonschema_description:"path of a kubeconfig file; without it the pod's own service account, and outside a cluster KUBECONFIG or ~/.kube/config"`
	Context    string   `yaml:"context,omitempty" jsonschema_description:"context of the kubeconfig; without it the current one"`
	Cluster    string   `yaml:"cluster,omitempty" jsonschema_description:"name of the cluster in kubernetes/CLUSTER/NAMESPACE; without it the name that the kubeconfig gives it, or in-cluster"`
	Namespaces []string `yaml:"namespaces,omitempty" jsonschema_description:"names or patterns with * and ?; without it all but those excluded"`
	Kinds      []string `yaml:"kinds,omitempty" jsonschema_description:"resources as the API names them, or patterns of them: secrets, ingresses.networking.k8s.io, *.example.com, *; without it secrets and configmaps"`
	Names      []string `yaml:"names,omitempty" jsonschema_description:"only objects of these names or patterns"`
	Exclude    Exclude  `yaml:"exclude,omitempty" jsonschema_description:"what is left out; each list replaces its default"`
	// LabelSelector is empty for all objects.
	LabelSelector string    `yaml:"labelSelector,omitempty" jsonschema_description:"only objects that this label selector chooses"`
	Volumes       []Volumes `yaml:"volumes,omitempty" jsonschema_description:"claims whose volumes are snapped by their CSI driver; see docs/VOLUMES.md for what that is good for"`

	scope scope
}

// Exclude says what is left out. A list that is not given is the default, an
// empty one leaves nothing out.
type Exclude struct {
	Types      []string `yaml:"types,omitempty" jsonschema_description:"types of Secrets; default kubernetes.io/service-account-token and bootstrap.kubernetes.io/token"`
	Names      []string `yaml:"names,omitempty" jsonschema_description:"names or patterns of objects; default kube-root-ca.crt"`
	Kinds      []string `yaml:"kinds,omitempty" jsonschema_description:"resources as the API names them, or patterns of them"`
	Namespaces []string `yaml:"namespaces,omitempty" jsonschema_description:"names or patterns, unless named in namespaces; default kube-system, kube-public and kube-node-lease"`
	// HelmHistory is nil for the default.
	HelmHistory *int `yaml:"helmHistory,omitempty" jsonschema:"minimum=0" jsonschema_description:"revisions of a Helm release that are older than this many, unless deployed; 0: none is left out; default 3"`
}

// keptRevisions are the newest revisions of each Helm release that are captured
// where the settings say nothing: with fewer there is nothing to roll back to.
const keptRevisions = 3

// effective returns the settings with the defaults filled in.
func (s Settings) effective() Settings {
	s.Namespaces = orDefault(s.Namespaces, "*")
	s.Kinds = orDefault(s.Kinds, "secrets", "configmaps")
	// A cluster makes these itself; restored, they would not be valid there.
	s.Exclude.Types = orDefault(s.Exclude.Types, "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")
	s.Exclude.Names = orDefault(s.Exclude.Names, "kube-root-ca.crt")
	s.Exclude.Namespaces = orDefault(s.Exclude.Namespaces, "kube-system", "kube-public", "kube-node-lease")
	if s.Exclude.HelmHistory == nil {
		newest := keptRevisions
		s.Exclude.HelmHistory = &newest
	}
	return s
}

func orDefault(given []string, otherwise ...string) []string {
	if given == nil {
		return otherwise
	}
	return given
}

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	if strings.Contains(s.Cluster, "/") {
		return invalid("cluster: %q contains a slash, which separates the parts of a target", s.Cluster)
	}
	lists := []struct {
		name     string
		patterns []string
	}{
		{"namespaces", s.Namespaces},
		{"names", s.Names},
		{"kinds", s.Kinds},
		{"exclude.names", s.Exclude.Names},
		{"exclude.kinds", s.Exclude.Kinds},
		{"exclude.namespaces", s.Exclude.Namespaces},
	}
	for _, list := range lists {
		for _, pattern := range list.patterns {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
				return invalid("%s: %q is neither a name nor a pattern", list.name, pattern)
			}
		}
	}
	for _, kind := range s.Kinds {
		if strings.Contains(kind, " ") {
			return invalid("kinds: %q is not a resource's name such as secrets or ingresses.networking.k8s.io", kind)
		}
	}
	if s.Exclude.HelmHistory != nil && *s.Exclude.HelmHistory < 0 {
		return invalid("exclude.helmHistory: %d is not a number of revisions", *s.Exclude.HelmHistory)
	}
	if s.Kinds != nil && len(s.Kinds) == 0 || s.Namespaces != nil && len(s.Namespaces) == 0 && !s.scope.onlyCluster {
		return invalid("namespaces and kinds: an empty list chooses nothing; leave it out for the default")
	}
	if _, err := labels.Parse(s.LabelSelector); err != nil { // err quotes the file, which may hold a secret
		return invalid("labelSelector: it is not a label selector such as app=openim")
	}
	return validateVolumes(s.Volumes)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Usage, "read settings of kubernetes source", "%w", fmt.Errorf(format, args...))
}

// isPattern reports whether a configured name may stand for several.
func isPattern(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// matchesAny reports whether one of the patterns, which Validate has seen,
// matches the whole name.
func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}
