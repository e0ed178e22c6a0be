package kube

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// drillRights are what a scratch namespace takes. To list is among them, or nobody
// would remove those that killed drills have left.
var drillRights = []right{{"create", namespaceKind, ""}, {"list", namespaceKind, ""}, {"delete", namespaceKind, ""}}

// requireRights refuses a drill that could not offer what the point holds: a document
// that the server does not even look at is none that was tried. A kind that it does
// not serve is another matter.
func (d *dryRun) requireRights(ctx context.Context, captured Captured) error {
	needed := slices.Clone(drillRights)
	for _, part := range captured.parts() {
		for name := range part.Kinds {
			k, err := d.catalog.ofGroupKind(ctx, schema.ParseGroupKind(name))
			if isUnserved(err) {
				continue
			}
			if err != nil {
				return err
			}
			if r := (right{"create", k, ""}); !slices.Contains(needed, r) {
				needed = append(needed, r)
			}
		}
	}
	missing, err := d.session.lacking(ctx, needed)
	if err != nil || len(missing) == 0 {
		return err
	}
	slices.Sort(missing)
	return fault.New(fault.Usage, "offer documents in a dry run to", "the credentials lack the rights %s", strings.Join(missing, ", ")).On("kubernetes " + d.session.cluster).
		Hint("grant them as `openim-dr config rbac --for drill` prints them, or take the source out of the target verify.given: its documents are then held against their kinds alone")
}

// ofGroupKind finds a kind in the first version of its group that serves it.
func (c *catalog) ofGroupKind(ctx context.Context, gk schema.GroupKind) (kind, error) {
	versions, err := c.versions(ctx, gk.Group)
	if err != nil {
		return kind{}, err
	}
	for _, version := range versions {
		found, _, err := c.find(ctx, version, func(r metav1.APIResource) bool { return r.Kind == gk.Kind })
		if !isUnserved(err) {
			return found, err
		}
	}
	return kind{}, c.unsupported("the server serves no such kind in %s: %s", versions[0], gk.Kind)
}
