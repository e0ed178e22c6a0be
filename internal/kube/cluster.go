package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Kind is what configuration and manifests call this kind of source.
const Kind = "kubernetes"

// Cluster is one Kubernetes cluster as a source. It is safe for concurrent
// use.
type Cluster struct {
	name     string
	settings Settings // with defaults
	log      *slog.Logger
}

var (
	_ source.Source = (*Cluster)(nil)
	_ source.Doctor = (*Cluster)(nil)
)

// New returns the source of that name. It talks to nobody yet.
func New(name string, settings *Settings) (*Cluster, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("source %q: %w", name, err)
	}
	return &Cluster{name: name, settings: settings.effective()}, nil
}

// excluded reports whether the settings leave an object out.
func (c *Cluster) excluded(u *unstructured.Unstructured) bool {
	if matchesAny(c.settings.Exclude.Names, u.GetName()) || isNative(u) || isOwnSnapshot(u) {
		return true
	}
	secretType, _, _ := unstructured.NestedString(u.Object, "type")
	return u.GetAPIVersion() == "v1" && u.GetKind() == "Secret" && slices.Contains(c.settings.Exclude.Types, secretType)
}

// Data calls fn with the decoded content of every ConfigMap and Secret of the
// configured namespaces, so far as these kinds are configured, as it is in
// the cluster now. A kind that only a pattern configures and that is forbidden is
// passed over, as in a capture. Of a Helm release, which its Secret packs, the values
// that were given to it are shown, under a key that names its chart.
func (c *Cluster) Data(ctx context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	chosen, err := newCatalog(s).choose(ctx, c.settings)
	if err != nil {
		return err
	}
	namespaces, _, err := s.chosen(ctx, c.settings)
	if err != nil {
		return err
	}
	for _, namespace := range namespaces {
		for _, k := range chosen.kinds {
			if k.Group != "" || k.Kind != "Secret" && k.Kind != "ConfigMap" {
				continue
			}
			l := listing{kind: k, namespace: namespace, selector: c.settings.LabelSelector}
			err := s.list(ctx, l, func(u *unstructured.Unstructured) error {
				if u.GetLabels()[helm.StatusLabel] != "" && u.GetLabels()["owner"] == "helm" {
					return showRelease(namespace, u, fn)
				}
				return fn(namespace, k.Kind, u.GetName(), content(u))
			})
			if err != nil && (chosen.named[k.GroupKind()] || !answered(err, metav1.StatusReasonForbidden)) {
				return err
			}
		}
	}
	return nil
}

// showRelease calls fn with the values of a release that is deployed. Of its other
// revisions nothing is used any more, and one that cannot be read is no matter here: a
// capture says so.
func showRelease(namespace string, u *unstructured.Unstructured, fn func(namespace, kind, name string, data map[string][]byte) error) error {
	release, err := helm.Read(u)
	if err != nil || release.Status != helm.Deployed {
		return nil //nolint:nilerr // see above
	}
	values, err := kubeyaml.Marshal(release.Values)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	return fn(namespace, "Helm release", release.Name, map[string][]byte{ValuesOfChart + release.Chart.Name: values})
}

// ValuesOfChart begins the keys under which Data shows the values that were given to a
// Helm release; the name of its chart follows.
const ValuesOfChart = "values.yaml of chart "
