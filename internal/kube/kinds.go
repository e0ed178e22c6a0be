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

// kind is one kind of object as this server serves it.
type kind struct {
	schema.GroupVersionKind
	resource   string // plural, as in the path
	namespaced bool   // false: its objects belong to the cluster as a whole
}

func (k kind) gvr() schema.GroupVersionResource { return k.GroupVersion().WithResource(k.resource) }

// rbac names the resource as configuration and Roles do.
func (k kind) rbac() string { return k.gvr().GroupResource().String() }

// catalog is what discovery has said so far. It asks only for the groups that
// are needed: some clusters have hundreds, and a broken one must not matter. It is
// not safe for concurrent use.
type catalog struct {
	session *session
	served  map[schema.GroupVersion][]metav1.APIResource
	defined map[schema.GroupVersionKind]kind // what a point's own definitions will bring
}

func newCatalog(s *session) *catalog {
	return &catalog{session: s, served: map[schema.GroupVersion][]metav1.APIResource{}, defined: map[schema.GroupVersionKind]kind{}}
}

// configured resolves resources such as "secrets" or
// "ingresses.networking.k8s.io", in the version that the server prefers.
func (c *catalog) configured(ctx context.Context, names []string) ([]kind, error) {
	kinds := make([]kind, 0, len(names))
	for _, name := range names {
		found, err := c.named(ctx, schema.ParseGroupResource(strings.ToLower(name)))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.GroupKind() == found.GroupKind() }) {
			kinds = append(kinds, found)
		}
	}
	sortKinds(kinds)
	return kinds, nil
}

// named finds a resource in the first version of its group that serves it, the
// preferred one first.
func (c *catalog) named(ctx context.Context, name schema.GroupResource) (kind, error) {
	if name == namespaceResource.GroupResource() {
		return kind{}, c.unsupported("namespaces come with their objects, and are chosen by the setting namespaces")
	}
	versions, err := c.versions(ctx, name.Group)
	if err != nil {
		return kind{}, err
	}
	for _, version := range versions {
		found, r, err := c.find(ctx, version, func(r metav1.APIResource) bool { return r.Name == name.Resource })
		switch {
		case isUnserved(err):
			continue
		case err != nil:
			return kind{}, err
		case !capturable(r):
			return kind{}, c.unsupported("%s cannot be listed and created", name)
		}
		return found, nil
	}
	return kind{}, c.unsupported("the server serves no such kind in %s: %s", versions[0], name.Resource)
}

// capturable reports whether objects of a kind can be read and written at all: some
// are questions that are answered and forgotten, or views of something else.
func capturable(r metav1.APIResource) bool {
	return slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "create")
}

// captured finds the kind that an object of a point has, be it only one that the
// point itself will bring.
func (c *catalog) captured(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	found, _, err := c.find(ctx, gvk.GroupVersion(), func(r metav1.APIResource) bool { return r.Kind == gvk.Kind })
	if defined, ok := c.defined[gvk]; ok && isUnserved(err) {
		return defined, nil
	}
	return found, err
}

// serves reports whether the server has a kind, whatever a point will bring.
func (c *catalog) serves(ctx context.Context, gvk schema.GroupVersionKind) (bool, error) {
	_, _, err := c.find(ctx, gvk.GroupVersion(), func(r metav1.APIResource) bool { return r.Kind == gvk.Kind })
	if isUnserved(err) {
		return false, nil
	}
	return err == nil, err
}

func (c *catalog) find(ctx context.Context, gv schema.GroupVersion, wanted func(metav1.APIResource) bool) (kind, metav1.APIResource, error) {
	resources, err := c.resources(ctx, gv)
	if err != nil {
		return kind{}, metav1.APIResource{}, err
	}
	for _, r := range resources {
		if !isSubresource(r) && wanted(r) {
			return kindOf(gv, r), r, nil
		}
	}
	return kind{}, metav1.APIResource{}, c.unsupported("the server serves no such kind in %s", gv)
}

func isSubresource(r metav1.APIResource) bool { return strings.Contains(r.Name, "/") }

func kindOf(gv schema.GroupVersion, r metav1.APIResource) kind {
	return kind{GroupVersionKind: gv.WithKind(r.Kind), resource: r.Name, namespaced: r.Namespaced}
}

// versions returns those of a group, the preferred one first.
func (c *catalog) versions(ctx context.Context, group string) ([]schema.GroupVersion, error) {
	if group == "" {
		return []schema.GroupVersion{{Version: "v1"}}, nil
	}
	data, err := c.session.get(ctx, call{verb: "discover", resource: group}, "/apis/"+group)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, c.unsupported("the server has no API group %q", group)
	}
	if err != nil {
		return nil, err
	}
	var described metav1.APIGroup
	if err := json.Unmarshal(data, &described); err != nil || described.PreferredVersion.Version == "" {
		return nil, c.unsupported("the server does not describe its API group %q", group)
	}
	return versionsOf(described), nil
}

func versionsOf(group metav1.APIGroup) []schema.GroupVersion {
	versions := []schema.GroupVersion{{Group: group.Name, Version: group.PreferredVersion.Version}}
	for _, v := range group.Versions {
		if v.Version != group.PreferredVersion.Version {
			versions = append(versions, schema.GroupVersion{Group: group.Name, Version: v.Version})
		}
	}
	return versions
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
		Hint("`kubectl api-resources --verbs=list,create` lists what can be configured, written NAME or NAME.GROUP")
}

// unserved says in words what errUnserved is.
type unserved struct{ text string }

func (u *unserved) Error() string { return u.text }
func (u *unserved) Unwrap() error { return errUnserved }
