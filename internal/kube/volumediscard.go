package kube

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// ownSnapshots lists the snapshots and group snapshots that a selector of our labels
// chooses; in all namespaces where none is named. Members of a group carry no such
// labels: they go with their group. Where groups are taken it is an error not to be
// allowed to list them.
func (s *session) ownSnapshots(ctx context.Context, namespace, selector string, groups bool) ([]*unstructured.Unstructured, error) {
	found, err := s.gatherChosen(ctx, listing{kind: snapshotKind, namespace: namespace, selector: selector})
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, nil // a server that knows no snapshots has none
	}
	if err != nil {
		return nil, err
	}
	kinds, err := newCatalog(s).groupSnapshots(ctx)
	if isUnserved(err) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	listed, err := s.gatherChosen(ctx, listing{kind: kinds.snapshot, namespace: namespace, selector: selector})
	if !groups && answered(err, metav1.StatusReasonForbidden) {
		return found, nil // whoever takes no group snapshots needs no right to them
	}
	return append(found, listed...), err
}

// gatherChosen lists objects into memory: snapshots, of which there are few.
func (s *session) gatherChosen(ctx context.Context, l listing) ([]*unstructured.Unstructured, error) {
	var gathered []*unstructured.Unstructured
	err := repeatable(func() error {
		gathered = nil
		return s.list(ctx, l, func(u *unstructured.Unstructured) error {
			gathered = append(gathered, u)
			return nil
		})
	})
	return gathered, err
}

// kindOfSnapshot is the kind of what ownSnapshots has listed.
func kindOfSnapshot(u *unstructured.Unstructured) kind {
	if u.GroupVersionKind().Group == snapshotGroup {
		return snapshotKind
	}
	return kind{GroupVersionKind: u.GroupVersionKind(), resource: "volumegroupsnapshots", namespaced: true}
}

// discard deletes a snapshot and what its driver keeps of it: exactly the one that
// was seen, and again as it has become where its controllers were faster. One that
// is gone or going needs nothing.
func (s *session) discard(ctx context.Context, seen *unstructured.Unstructured) error {
	k := kindOfSnapshot(seen)
	for attempt := 1; ; attempt++ {
		live, err := s.read(ctx, k, seen.GetNamespace(), seen.GetName())
		if err != nil || live == nil || live.GetUID() != seen.GetUID() || live.GetDeletionTimestamp() != nil {
			return err
		}
		if err := s.unretain(ctx, k, live); err != nil {
			return err
		}
		if err := s.unretainMembers(ctx, k, live); err != nil {
			return err
		}
		err = s.deleteSeen(ctx, k, live)
		if !answered(err, metav1.StatusReasonConflict) || attempt == changeAttempts {
			return err
		}
	}
}

// deleteSeen deletes the very state of an object that was seen.
func (s *session) deleteSeen(ctx context.Context, k kind, seen *unstructured.Unstructured) error {
	uid, version := seen.GetUID(), seen.GetResourceVersion()
	started := time.Now()
	err := s.objects.Resource(k.gvr()).Namespace(seen.GetNamespace()).Delete(ctx, seen.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	})
	if err == nil {
		return nil
	}
	err = s.fail(call{verb: "delete", resource: k.rbac(), namespace: seen.GetNamespace(), name: seen.GetName()}, started, err)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil
	}
	return err
}

// unretain lets the driver delete its snapshot with the object: with the policy
// Retain it would stay, and nobody would find it again. That is how Kubernetes
// documents it.
func (s *session) unretain(ctx context.Context, k kind, seen *unstructured.Unstructured) error {
	bound, content := "boundVolumeSnapshotContentName", snapshotContentKind
	reference := "volumeSnapshotRef"
	if k.Group == groupSnapshotGroup {
		bound, reference = "boundVolumeGroupSnapshotContentName", "volumeGroupSnapshotRef"
		content = kind{GroupVersionKind: k.GroupVersion().WithKind("VolumeGroupSnapshotContent"), resource: "volumegroupsnapshotcontents"}
	}
	name, _, _ := unstructured.NestedString(seen.Object, "status", bound)
	if name == "" {
		return nil // nothing is snapped yet
	}
	for attempt := 1; ; attempt++ {
		u, err := s.read(ctx, content, "", name)
		if err != nil || u == nil {
			return err
		}
		uid, _, _ := unstructured.NestedString(u.Object, "spec", reference, "uid")
		policy, _, _ := unstructured.NestedString(u.Object, "spec", "deletionPolicy")
		if uid != string(seen.GetUID()) || policy != string(snapshotv1.VolumeSnapshotContentRetain) {
			return nil
		}
		err = s.patchSeen(ctx, content, u, map[string]any{"spec": map[string]any{"deletionPolicy": string(snapshotv1.VolumeSnapshotContentDelete)}})
		if !answered(err, metav1.StatusReasonConflict) || attempt == changeAttempts {
			return err
		}
	}
}

// unretainMembers does the same for the members of a group, which go with it.
func (s *session) unretainMembers(ctx context.Context, k kind, group *unstructured.Unstructured) error {
	if k.Group != groupSnapshotGroup {
		return nil
	}
	listed, err := s.gatherChosen(ctx, listing{kind: snapshotKind, namespace: group.GetNamespace()})
	if err != nil {
		return err
	}
	for _, u := range listed {
		if !isMember(u, group.GetUID()) {
			continue
		}
		if err := s.unretain(ctx, snapshotKind, u); err != nil {
			return err
		}
	}
	return nil
}

// isMember reports whether a snapshot was made for a group snapshot.
func isMember(snapshot metav1.Object, group types.UID) bool {
	return slices.ContainsFunc(snapshot.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == group })
}

// patchSeen merges a change into the very state of an object that was seen.
func (s *session) patchSeen(ctx context.Context, k kind, seen *unstructured.Unstructured, change map[string]any) error {
	change["metadata"] = map[string]any{"resourceVersion": seen.GetResourceVersion(), "uid": string(seen.GetUID())}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	started := time.Now()
	_, err = s.objects.Resource(k.gvr()).Namespace(seen.GetNamespace()).Patch(ctx, seen.GetName(), types.MergePatchType, body, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return s.fail(call{verb: "patch", resource: k.rbac(), namespace: seen.GetNamespace(), name: seen.GetName()}, started, err)
	}
	return nil
}

// uid is by what the cluster is known again; empty where it does not tell it.
func (s *session) uid(ctx context.Context) (string, error) {
	system, err := s.namespace(ctx, systemNamespace)
	if answered(err, metav1.StatusReasonForbidden) || err == nil && system == nil {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return string(system.GetUID()), nil
}
