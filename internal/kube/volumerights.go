package kube

import "context"

// right is one that a Role grants; in the whole cluster where no namespace is named.
type right struct {
	verb      string
	kind      kind
	namespace string
}

// lacking returns in words which of some rights these credentials do not have.
func (s *session) lacking(ctx context.Context, needed []right) ([]string, error) {
	var missing []string
	for _, r := range needed {
		what := call{verb: r.verb, resource: r.kind.rbac(), namespace: r.namespace}
		allowed, err := s.may(ctx, r.kind, what)
		if err != nil {
			return nil, err
		}
		if !allowed {
			missing = append(missing, what.right())
		}
	}
	return missing, nil
}

// captureRights are what snapping a group takes. To delete is among them: what a
// failed run has begun is removed by the run itself.
func (g Volumes) captureRights(snapshot kind) []right {
	needed := []right{
		{"list", claimKind, g.Namespace}, {"get", claimKind, g.Namespace},
		{"list", snapshotKind, g.Namespace}, {"get", snapshotKind, g.Namespace},
		{"create", snapshot, g.Namespace}, {"delete", snapshot, g.Namespace},
		{"get", snapshotContentKind, ""},
	}
	if g.Group {
		needed = append(needed, right{"get", snapshot, g.Namespace}, right{"list", snapshot, g.Namespace})
	}
	return needed
}

// pruneRights are what it takes to delete snapshots with their points in a namespace.
// The content is changed where it would be retained.
func pruneRights(namespace string) []right {
	return []right{
		{"list", snapshotKind, namespace}, {"get", snapshotKind, namespace}, {"delete", snapshotKind, namespace},
		{"get", snapshotContentKind, ""}, {"patch", snapshotContentKind, ""},
	}
}
