package kube

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Outsider = (*Cluster)(nil)

// Outside lists the snapshots that bear our labels: in all namespaces, or, where that
// is not allowed, in those of the configured groups. Without a group nothing is
// asked of the cluster. What is being deleted already is not among them.
func (c *Cluster) Outside(ctx context.Context, instance, repository string) ([]source.Outlying, error) {
	if len(c.settings.Volumes) == 0 {
		return nil, nil
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	found, err := c.labelled(ctx, s, belonging{instance: instance, repository: repository, source: c.name}.selector())
	if err != nil {
		return nil, err
	}
	var listed []source.Outlying
	for _, u := range found {
		if u.GetDeletionTimestamp() == nil {
			listed = append(listed, source.Outlying{
				Point: u.GetLabels()[pointLabel], Name: u.GetKind() + " " + named(u.GetNamespace(), u.GetName()), Bytes: restoreSizeOf(u), Private: u,
			})
		}
	}
	return listed, nil
}

func (c *Cluster) labelled(ctx context.Context, s *session, selector string) ([]*unstructured.Unstructured, error) {
	found, err := s.ownSnapshots(ctx, "", selector, c.takesGroups(""))
	if !answered(err, metav1.StatusReasonForbidden) {
		return found, err
	}
	found = nil
	asked := map[string]bool{}
	for _, g := range c.settings.Volumes {
		if asked[g.Namespace] {
			continue
		}
		asked[g.Namespace] = true
		here, err := s.ownSnapshots(ctx, g.Namespace, selector, c.takesGroups(g.Namespace))
		if err != nil {
			return nil, err
		}
		found = append(found, here...)
	}
	return found, nil
}

// takesGroups reports whether group snapshots are taken in a namespace, or in any.
func (c *Cluster) takesGroups(namespace string) bool {
	return slices.ContainsFunc(c.settings.Volumes, func(g Volumes) bool { return g.Group && (namespace == "" || g.Namespace == namespace) })
}

// restoreSizeOf is how large a snapshot says that it is; 0 where it does not.
func restoreSizeOf(u *unstructured.Unstructured) int64 {
	text, _, _ := unstructured.NestedString(u.Object, "status", "restoreSize")
	size, err := resource.ParseQuantity(text)
	if err != nil {
		return 0
	}
	return size.Value()
}

// RemoveOutside deletes snapshots that Outside has listed, those of the driver with
// them, whatever the policy of their class: see discard.
func (c *Cluster) RemoveOutside(ctx context.Context, listed []source.Outlying) (removed int, err error) {
	s, err := c.open(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	var failed []error
	for _, one := range listed {
		u, ours := one.Private.(*unstructured.Unstructured)
		if !ours {
			return removed, errors.New("remove snapshots: they were listed by another source")
		}
		if err := s.discard(ctx, u); err != nil {
			failed = append(failed, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(failed...)
}
