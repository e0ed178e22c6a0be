package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

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

// pruneRights are what it takes to delete the snapshots of a group with their points.
// The content is changed where it would be retained.
func (g Volumes) pruneRights() []right {
	needed := []right{
		{"list", snapshotKind, g.Namespace}, {"get", snapshotKind, g.Namespace}, {"delete", snapshotKind, g.Namespace},
		{"get", snapshotContentKind, ""}, {"patch", snapshotContentKind, ""},
	}
	if !g.Group {
		return needed
	}
	// What carries our labels is the group; its members go with it.
	needed = slices.DeleteFunc(needed, func(r right) bool { return r.kind == snapshotKind && r.verb != "list" })
	return append(needed,
		right{"list", groupGranted, g.Namespace}, right{"get", groupGranted, g.Namespace}, right{"delete", groupGranted, g.Namespace},
		right{"get", groupContentGranted, ""}, right{"patch", groupContentGranted, ""})
}

// claimRights are what it takes to make claims of a group's snapshots, where the
// cluster knows them and where it has to be told of them.
func (g Volumes) claimRights() []right {
	return []right{
		{"get", claimKind, g.Namespace}, {"create", claimKind, g.Namespace},
		{"get", snapshotKind, g.Namespace}, {"create", snapshotKind, g.Namespace},
		{"get", snapshotContentKind, ""}, {"create", snapshotContentKind, ""},
		{"get", driverKind, ""}, {"get", storageClassKind, ""},
	}
}

// The kinds of group snapshots for a Role: those know no versions.
var (
	groupGranted        = groupKind("VolumeGroupSnapshot", "volumegroupsnapshots", true)
	groupContentGranted = groupKind("VolumeGroupSnapshotContent", "volumegroupsnapshotcontents", false)
	groupClassGranted   = groupKind("VolumeGroupSnapshotClass", "volumegroupsnapshotclasses", false)
)

func groupKind(name, resource string, namespaced bool) kind {
	return kind{GroupVersionKind: schema.GroupVersionKind{Group: groupSnapshotGroup, Kind: name}, resource: resource, namespaced: namespaced}
}

// granted are what a group is snapped by, and its class, for a Role.
func (g Volumes) granted() (snapshot, class kind) {
	if g.Group {
		return groupGranted, groupClassGranted
	}
	return snapshotKind, snapshotClassKind
}

// backupVolumes adds what it takes to snap the volumes of groups.
func (a *Access) backupVolumes(groups []Volumes) {
	for _, g := range groups {
		snapshot, _ := g.granted()
		a.add(g.captureRights(snapshot)...)
	}
	if len(groups) > 0 {
		a.see(systemNamespace)
		a.note("By %s a restore knows whether the snapshots of volumes are of its cluster.", systemNamespace)
	}
}

// examineVolumes adds what it takes to look whether they can be snapped.
func (a *Access) examineVolumes(groups []Volumes) {
	for _, g := range groups {
		_, class := g.granted()
		a.add(right{"get", class, ""}, right{"get", volumeKind, ""})
	}
}

// volumesAccess is what deleting snapshots with their points takes, or making claims
// of them.
func (c *Cluster) volumesAccess(purpose Purpose) (*Access, error) {
	if len(c.settings.Volumes) == 0 {
		return nil, fault.New(fault.Usage, "find the rights for "+string(purpose)+" of", "it snaps no volumes, and so it takes none").On("source "+c.name).
			Hint("leave %s out of --for; docs/VOLUMES.md says how volumes are snapped", purpose)
	}
	a := &Access{name: c.name, purpose: purpose}
	for _, g := range c.settings.Volumes {
		if purpose == ForPrune {
			a.add(g.pruneRights()...)
			continue
		}
		a.see(g.Namespace)
		a.add(g.claimRights()...)
	}
	if purpose == ForPrune {
		a.note("Whoever may patch contents can have the provider's snapshots deleted: grant it to whoever prunes, and not to whoever backs up.")
	} else {
		a.see(systemNamespace)
		a.note("These are for restore --volumes, beside those for restore, into the namespaces of the groups. By %s it is known whether the snapshots are of this cluster.", systemNamespace)
	}
	a.compact()
	return a, nil
}
