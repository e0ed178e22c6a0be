package kube

import (
	"context"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
)

// boundAnnotations are what the controllers of volumes note on a claim: of a volume
// that another claim cannot have.
var boundAnnotations = []string{
	"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node",
	"volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner",
}

// stripClaim leaves of a claim what another one can be made of.
func stripClaim(u *unstructured.Unstructured) {
	strip(u)
	removeAnnotations(u, boundAnnotations)
	unstructured.RemoveNestedField(u.Object, "metadata", "finalizers")
	for _, field := range []string{"volumeName", "dataSource", "dataSourceRef"} {
		unstructured.RemoveNestedField(u.Object, "spec", field)
	}
}

// fromSnapshot makes the claim one that is filled from a snapshot in its namespace.
func fromSnapshot(claim *unstructured.Unstructured, namespace string, s CapturedSnapshot) (*unstructured.Unstructured, error) {
	u := claim.DeepCopy()
	u.SetNamespace(namespace)
	size, err := sizeOf(s)
	if err != nil {
		return nil, err
	}
	source := map[string]any{"apiGroup": snapshotGroup, "kind": snapshotKind.Kind, "name": s.Snapshot}
	for _, set := range []struct {
		value any
		path  []string
	}{{source, []string{"spec", "dataSource"}}, {size, []string{"spec", "resources", "requests", "storage"}}} {
		if err := unstructured.SetNestedField(u.Object, set.value, set.path...); err != nil {
			return nil, fault.New(fault.Corrupt, "read claim "+s.Claim+" of the point", "it is not what a claim must be")
		}
	}
	return u, nil
}

// sizeOf is how large the claim must be: as it was, and no smaller than the snapshot,
// or the driver refuses it.
func sizeOf(s CapturedSnapshot) (string, error) {
	size, err := resource.ParseQuantity(s.Size)
	if err != nil {
		return "", fault.New(fault.Corrupt, "read the size of claim "+s.Claim, "%q is no quantity", s.Size)
	}
	if s.RestoreSize > size.Value() {
		return resource.NewQuantity(s.RestoreSize, resource.BinarySI).String(), nil
	}
	return size.String(), nil
}

// isFrom reports whether a claim was made of a snapshot of that name.
func isFrom(claim *unstructured.Unstructured, snapshot string) bool {
	kind, _, _ := unstructured.NestedString(claim.Object, "spec", "dataSource", "kind")
	name, _, _ := unstructured.NestedString(claim.Object, "spec", "dataSource", "name")
	return kind == snapshotKind.Kind && name == snapshot
}

// claimsOf reads the claims that a point holds, by namespace and name.
func (p *point) claimsOf(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	file, err := p.from.Open(ctx, claimsName)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	found := map[string]*unstructured.Unstructured{}
	err = document.Read(file, func(d document.Document) error {
		found[named(d.Object.GetNamespace(), d.Object.GetName())] = d.Object
		return nil
	})
	return found, err
}

// snapshotByHandle returns the two objects by which a cluster that does not know a
// snapshot is told of it. The driver's snapshot is the point's, and outlives both:
// its policy is Retain, until openim-dr prunes the point.
func snapshotByHandle(s CapturedSnapshot, namespace, content string, labels map[string]string) (contentObject, snapshot *unstructured.Unstructured) {
	contentObject = newSnapshot(snapshotContentKind, "", content, labels, map[string]any{
		"deletionPolicy":    string(snapshotv1.VolumeSnapshotContentRetain),
		"driver":            s.Driver,
		"source":            map[string]any{"snapshotHandle": s.Handle},
		"sourceVolumeMode":  s.VolumeMode,
		"volumeSnapshotRef": map[string]any{"apiVersion": snapshotKind.GroupVersion().String(), "kind": snapshotKind.Kind, "namespace": namespace, "name": s.Snapshot},
	})
	snapshot = newSnapshot(snapshotKind, namespace, s.Snapshot, labels, map[string]any{
		"source": map[string]any{"volumeSnapshotContentName": content},
	})
	return contentObject, snapshot
}
