package kube

import "k8s.io/apimachinery/pkg/runtime/schema"

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

// snapshotGranted is what a group is snapped by, for a Role: those know no versions.
func (g Volumes) snapshotGranted() kind {
	if !g.Group {
		return snapshotKind
	}
	return kind{GroupVersionKind: schema.GroupVersionKind{Group: groupSnapshotGroup, Kind: "VolumeGroupSnapshot"}, resource: "volumegroupsnapshots", namespaced: true}
}
