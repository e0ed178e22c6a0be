package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// kind is one kind of namespaced object as this server serves it.
type kind struct {
	schema.GroupVersionKind
	resource string // plural, as in the path
}

func (k kind) gvr() schema.GroupVersionResource { return k.GroupVersion().WithResource(k.resource) }

// rbac names the resource as configuration and Roles do.
func (k kind) rbac() string { return k.gvr().GroupResource().String() }

// catalog is what discovery has said so far. It asks only for the groups that
// are needed: some clusters have hundreds, and a broken one must not matter.
type catalog struct {
	session *session
	served  map[schema.GroupVersion][]metav1.APIResource
}

func newCatalog(s *session) *catalog {
	return &catalog{session: s, served: map[schema.GroupVersion][]metav1.APIResource{}}
}

// configured resolves resources such as "secrets" or
// "ingresses.networking.k8s.io", in the version that the server prefers.
func (c *catalog) configured(ctx context.Context, names []string) ([]kind, error) {
	kinds := make([]kind, 0, len(names))
	for _, name := range names {
		resource := schema.ParseGroupResource(strings.ToLower(name))
		version, err := c.preferred(ctx, resource.Group)
		if err != nil {
			return nil, err
		}
		found, err := c.find(ctx, version, func(r metav1.APIResource) bool { return r.Name == resource.Resource })
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.GroupKind() == found.GroupKind() }) {
			kinds = append(kinds, found)
		}
	}
	// The order in a point does not depend on the order in the configuration.
	slices.SortFunc(kinds, func(a, b kind) int { return strings.Compare(a.GroupKind().String(), b.GroupKind().String()) })
	return kinds, nil
}

// captured finds the kind that an object of a point has.
func (c *catalog) captured(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	return c.find(ctx, gvk.GroupVersion(), func(r metav1.APIResource) bool { return r.Kind == gvk.Kind })
}

func (c *catalog) find(ctx context.Context, gv schema.GroupVersion, wanted func(metav1.APIResource) bool) (kind, error) {
	resources, err := c.resources(ctx, gv)
	if err != nil {
		return kind{}, err
	}
	for _, r := range resources {
		if strings.Contains(r.Name, "/") || !wanted(r) { // a slash: a subresource
			continue
		}
		if !r.Namespaced {
			return kind{}, c.unsupported("%s do not belong to a namespace", r.Name)
		}
		return kind{GroupVersionKind: gv.WithKind(r.Kind), resource: r.Name}, nil
	}
	return kind{}, c.unsupported("the server serves no such kind in %s", gv)
}

func (c *catalog) preferred(ctx context.Context, group string) (schema.GroupVersion, error) {
	if group == "" {
		return schema.GroupVersion{Version: "v1"}, nil
	}
	data, err := c.session.get(ctx, call{verb: "discover", resource: group}, "/apis/"+group)
	if answered(err, metav1.StatusReasonNotFound) {
		return schema.GroupVersion{}, c.unsupported("the server has no API group %q", group)
	}
	if err != nil {
		return schema.GroupVersion{}, err
	}
	var described metav1.APIGroup
	if err := json.Unmarshal(data, &described); err != nil || described.PreferredVersion.Version == "" {
		return schema.GroupVersion{}, c.unsupported("the server does not describe its API group %q", group)
	}
	return schema.GroupVersion{Group: group, Version: described.PreferredVersion.Version}, nil
}

func (c *catalog) resources(ctx context.Context, gv schema.GroupVersion) ([]metav1.APIResource, error) {
	if known, ok := c.served[gv]; ok {
		return known, nil
	}
	path := "/apis/" + gv.String()
	if gv.Group == "" {
		path = "/api/" + gv.Version
	}
	data, err := c.session.get(ctx, call{verb: "discover", resource: gv.String()}, path)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, c.unsupported("the server does not serve %s", gv)
	}
	if err != nil {
		return nil, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read what %s serves: %w", gv, err)
	}
	c.served[gv] = list.APIResources
	return list.APIResources, nil
}

// errUnserved: the server has no such kind.
var errUnserved = errors.New("the server does not serve it")

// isUnserved reports whether a kind was not found, and not for want of an answer.
func isUnserved(err error) bool { return errors.Is(err, errUnserved) }

func (c *catalog) unsupported(format string, args ...any) error {
	return fault.New(fault.Usage, "find the configured kinds in", "%w", &unserved{fmt.Sprintf(format, args...)}).On("kubernetes " + c.session.cluster).
		Hint("`kubectl api-resources --namespaced` lists what can be configured, written NAME or NAME.GROUP")
}

// unserved says in words what errUnserved is.
type unserved struct{ text string }

func (u *unserved) Error() string { return u.text }
func (u *unserved) Unwrap() error { return errUnserved }
