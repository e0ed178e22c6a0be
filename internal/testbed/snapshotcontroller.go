package testbed

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

// protection keeps snapshots from vanishing before the controller has seen that they
// are deleted, as the real one's finalizers do.
const protection = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"

// run does what there is to do, again and again. Errors are those of a state that
// has changed meanwhile, as for every controller: the next round sees the new one.
func (s *Storage) run(ctx context.Context) {
	_ = wait.PollUntilContextCancel(ctx, storageInterval, true, func(ctx context.Context) (bool, error) {
		for _, namespace := range s.served() {
			s.each(ctx, GroupSnapshotResource, namespace, s.group)
			s.each(ctx, SnapshotResource, namespace, s.snapshot)
		}
		return false, nil
	})
}

func (s *Storage) each(ctx context.Context, r schema.GroupVersionResource, namespace string, do func(context.Context, *unstructured.Unstructured) error) {
	list, err := s.objects.Resource(r).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for i := range list.Items {
		_ = do(ctx, &list.Items[i])
	}
}

func (s *Storage) snapshots(namespace string) dynamic.ResourceInterface {
	return s.objects.Resource(SnapshotResource).Namespace(namespace)
}

// snapshot brings one snapshot on its way.
func (s *Storage) snapshot(ctx context.Context, u *unstructured.Unstructured) error {
	claim, dynamically, _ := unstructured.NestedString(u.Object, "spec", "source", "persistentVolumeClaimName")
	way := s.way(claim)
	switch {
	case u.GetDeletionTimestamp() != nil:
		return s.deleteSnapshot(ctx, u)
	case way.Ignored:
		return nil
	case !slices.Contains(u.GetFinalizers(), protection):
		return patch(ctx, s.snapshots(u.GetNamespace()), u.GetName(), "", map[string]any{"metadata": map[string]any{"finalizers": []string{protection}}})
	case isTrue(u, "status", "readyToUse"):
		return nil
	case !dynamically:
		return s.bind(ctx, u)
	case way.Error != "":
		return s.report(ctx, u, map[string]any{"error": map[string]any{"message": way.Error, "time": now()}, "readyToUse": false})
	}
	content, err := s.content(ctx, u, claim)
	if err != nil {
		return err
	}
	return s.report(ctx, u, map[string]any{
		"boundVolumeSnapshotContentName": content, "creationTime": now(), "readyToUse": !way.Cut, "restoreSize": s.ClaimSize, "error": nil,
	})
}

// content makes what stands for the driver's snapshot, and the snapshot.
func (s *Storage) content(ctx context.Context, u *unstructured.Unstructured, claim string) (string, error) {
	name, handle := "snapcontent-"+string(u.GetUID()), newHandle(claim)
	class, _, _ := unstructured.NestedString(u.Object, "spec", "volumeSnapshotClassName")
	policy, err := s.policy(ctx, snapshotClassResource, class)
	if err != nil {
		if policy = u.GetAnnotations()["testbed/policy"]; policy == "" { // no member of a group
			return "", err
		}
	}
	made := object(SnapshotContentResource, "VolumeSnapshotContent", "", name)
	made.Object["spec"] = map[string]any{
		"driver": s.Driver, "deletionPolicy": policy, "source": map[string]any{"volumeHandle": "pv-" + u.GetNamespace() + "-" + claim},
		"volumeSnapshotRef": map[string]any{"namespace": u.GetNamespace(), "name": u.GetName(), "uid": string(u.GetUID())},
	}
	_, err = s.objects.Resource(SnapshotContentResource).Create(ctx, made, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	s.keep(handle, claim)
	return name, patch(ctx, s.objects.Resource(SnapshotContentResource), name, "status", map[string]any{"status": map[string]any{
		"snapshotHandle": handle, "readyToUse": true, "creationTime": time.Now().UnixNano(),
	}})
}

func (s *Storage) policy(ctx context.Context, r schema.GroupVersionResource, class string) (string, error) {
	found, err := s.objects.Resource(r).Get(ctx, class, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	policy, _, err := unstructured.NestedString(found.Object, "deletionPolicy")
	return policy, err
}

// bind makes a snapshot of a handle that somebody has told us.
func (s *Storage) bind(ctx context.Context, u *unstructured.Unstructured) error {
	name, _, _ := unstructured.NestedString(u.Object, "spec", "source", "volumeSnapshotContentName")
	contents := s.objects.Resource(SnapshotContentResource)
	content, err := contents.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	handle, _, _ := unstructured.NestedString(content.Object, "spec", "source", "snapshotHandle")
	if !s.keeps(handle) {
		return s.report(ctx, u, map[string]any{"error": map[string]any{"message": "snapshot " + handle + " not found", "time": now()}})
	}
	err = patch(ctx, contents, name, "", map[string]any{"spec": map[string]any{"volumeSnapshotRef": map[string]any{"uid": string(u.GetUID())}}})
	if err != nil {
		return err
	}
	if err := patch(ctx, contents, name, "status", map[string]any{"status": map[string]any{"snapshotHandle": handle, "readyToUse": true}}); err != nil {
		return err
	}
	return s.report(ctx, u, map[string]any{"boundVolumeSnapshotContentName": name, "creationTime": now(), "readyToUse": true, "restoreSize": s.ClaimSize, "error": nil})
}

// deleteSnapshot does what the policy says with what is behind a deleted snapshot.
func (s *Storage) deleteSnapshot(ctx context.Context, u *unstructured.Unstructured) error {
	name, _, _ := unstructured.NestedString(u.Object, "status", "boundVolumeSnapshotContentName")
	contents := s.objects.Resource(SnapshotContentResource)
	if content, err := contents.Get(ctx, name, metav1.GetOptions{}); name != "" && err == nil {
		if policy, _, _ := unstructured.NestedString(content.Object, "spec", "deletionPolicy"); policy == "Delete" {
			handle, _, _ := unstructured.NestedString(content.Object, "status", "snapshotHandle")
			s.lose(handle)
			if err := contents.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
	}
	return unlock(ctx, s.snapshots(u.GetNamespace()), u.GetName())
}

// group brings a group snapshot on its way: by a member for each claim.
func (s *Storage) group(ctx context.Context, u *unstructured.Unstructured) error {
	groups := s.objects.Resource(GroupSnapshotResource).Namespace(u.GetNamespace())
	switch {
	case u.GetDeletionTimestamp() != nil:
		return s.deleteGroup(ctx, u)
	case !slices.Contains(u.GetFinalizers(), protection):
		return patch(ctx, groups, u.GetName(), "", map[string]any{"metadata": map[string]any{"finalizers": []string{protection}}})
	case isTrue(u, "status", "readyToUse"):
		return nil
	}
	class, _, _ := unstructured.NestedString(u.Object, "spec", "volumeGroupSnapshotClassName")
	policy, err := s.policy(ctx, groupClassResource, class)
	if err != nil {
		return err
	}
	claims, err := s.chosen(ctx, u)
	if err != nil {
		return err
	}
	content, err := s.groupContent(ctx, u, policy, claims)
	if err != nil {
		return err
	}
	ready := true
	for _, claim := range claims {
		member, err := s.member(ctx, u, policy, claim)
		if err != nil {
			return err
		}
		ready = ready && isTrue(member, "status", "readyToUse")
	}
	return patch(ctx, groups, u.GetName(), "status", map[string]any{"status": map[string]any{
		"boundVolumeGroupSnapshotContentName": content, "readyToUse": ready, "creationTime": now(),
	}})
}

// chosen are the claims of a group.
func (s *Storage) chosen(ctx context.Context, group *unstructured.Unstructured) ([]string, error) {
	fields, _, _ := unstructured.NestedStringMap(group.Object, "spec", "source", "selector", "matchLabels")
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: fields})
	list, err := s.typed.CoreV1().PersistentVolumeClaims(group.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var claims []string
	for _, claim := range list.Items {
		claims = append(claims, claim.Name)
	}
	return claims, nil
}

// groupContent makes what stands for the driver's snapshot of a group.
func (s *Storage) groupContent(ctx context.Context, group *unstructured.Unstructured, policy string, claims []string) (string, error) {
	made := object(GroupContentResource, "VolumeGroupSnapshotContent", "", "groupsnapcontent-"+string(group.GetUID()))
	var volumes []any
	for _, claim := range claims {
		volumes = append(volumes, "pv-"+group.GetNamespace()+"-"+claim)
	}
	made.Object["spec"] = map[string]any{
		"driver": s.Driver, "deletionPolicy": policy, "source": map[string]any{"volumeHandles": volumes},
		"volumeGroupSnapshotRef": map[string]any{"namespace": group.GetNamespace(), "name": group.GetName(), "uid": string(group.GetUID())},
	}
	_, err := s.objects.Resource(GroupContentResource).Create(ctx, made, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = nil
	}
	return made.GetName(), err
}

// deleteGroup does what the policy says with what is behind a deleted group; the
// garbage collector deletes its members.
func (s *Storage) deleteGroup(ctx context.Context, u *unstructured.Unstructured) error {
	name, _, _ := unstructured.NestedString(u.Object, "status", "boundVolumeGroupSnapshotContentName")
	contents := s.objects.Resource(GroupContentResource)
	if content, err := contents.Get(ctx, name, metav1.GetOptions{}); name != "" && err == nil {
		if policy, _, _ := unstructured.NestedString(content.Object, "spec", "deletionPolicy"); policy == "Delete" {
			if err := contents.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
	}
	return unlock(ctx, s.objects.Resource(GroupSnapshotResource).Namespace(u.GetNamespace()), u.GetName())
}

func (s *Storage) member(ctx context.Context, group *unstructured.Unstructured, policy, claim string) (*unstructured.Unstructured, error) {
	name := "snapshot-" + string(group.GetUID()) + "-" + claim
	found, err := s.snapshots(group.GetNamespace()).Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return found, err
	}
	made := object(SnapshotResource, "VolumeSnapshot", group.GetNamespace(), name)
	made.SetAnnotations(map[string]string{"testbed/policy": policy})
	made.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: group.GetAPIVersion(), Kind: group.GetKind(), Name: group.GetName(), UID: group.GetUID()}})
	made.Object["spec"] = map[string]any{"source": map[string]any{"persistentVolumeClaimName": claim}}
	return s.snapshots(group.GetNamespace()).Create(ctx, made, metav1.CreateOptions{})
}

func (s *Storage) report(ctx context.Context, u *unstructured.Unstructured, status map[string]any) error {
	return patch(ctx, s.snapshots(u.GetNamespace()), u.GetName(), "status", map[string]any{"status": status})
}

func patch(ctx context.Context, r dynamic.ResourceInterface, name, subresource string, change map[string]any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	var under []string
	if subresource != "" {
		under = []string{subresource}
	}
	_, err = r.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{}, under...)
	return err
}

// unlock takes the finalizers away.
func unlock(ctx context.Context, r dynamic.ResourceInterface, name string) error {
	err := patch(ctx, r, name, "", map[string]any{"metadata": map[string]any{"finalizers": nil}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func isTrue(u *unstructured.Unstructured, path ...string) bool {
	value, _, _ := unstructured.NestedBool(u.Object, path...)
	return value
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
