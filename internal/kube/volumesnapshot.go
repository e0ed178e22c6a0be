package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// snapshotGroup and groupSnapshotGroup are the API groups of the snapshot
// controller of Kubernetes CSI.
const (
	snapshotGroup      = "snapshot.storage.k8s.io"
	groupSnapshotGroup = "groupsnapshot.storage.k8s.io"
)

var (
	claimKind           = kind{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}, resource: "persistentvolumeclaims", namespaced: true}
	volumeKind          = kind{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolume"}, resource: "persistentvolumes"}
	storageClassKind    = kind{GroupVersionKind: schema.GroupVersionKind{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"}, resource: "storageclasses"}
	driverKind          = kind{GroupVersionKind: schema.GroupVersionKind{Group: "storage.k8s.io", Version: "v1", Kind: "CSIDriver"}, resource: "csidrivers"}
	snapshotKind        = snapshotAPI("VolumeSnapshot", "volumesnapshots", true)
	snapshotContentKind = snapshotAPI("VolumeSnapshotContent", "volumesnapshotcontents", false)
	snapshotClassKind   = snapshotAPI("VolumeSnapshotClass", "volumesnapshotclasses", false)
)

func snapshotAPI(name, resource string, namespaced bool) kind {
	return kind{GroupVersionKind: schema.GroupVersionKind{Group: snapshotGroup, Version: "v1", Kind: name}, resource: resource, namespaced: namespaced}
}

// groupSnapshotKinds are those of group snapshots in the version that the server
// prefers: the API is young, and has had several.
type groupSnapshotKinds struct{ snapshot, class kind }

func (c *catalog) groupSnapshots(ctx context.Context) (groupSnapshotKinds, error) {
	versions, err := c.versions(ctx, groupSnapshotGroup)
	if err != nil {
		return groupSnapshotKinds{}, err
	}
	version := versions[0]
	return groupSnapshotKinds{
		snapshot: kind{GroupVersionKind: version.WithKind("VolumeGroupSnapshot"), resource: "volumegroupsnapshots", namespaced: true},
		class:    kind{GroupVersionKind: version.WithKind("VolumeGroupSnapshotClass"), resource: "volumegroupsnapshotclasses"},
	}, nil
}

// Labels of the snapshots that we make: whose they are.
const (
	instanceLabel   = "openim-dr.io/instance"
	repositoryLabel = "openim-dr.io/repository"
	sourceLabel     = "openim-dr.io/source"
	pointLabel      = "openim-dr.io/point"
	volumesLabel    = "openim-dr.io/volumes"
)

// labelValue returns a text as the value of a label: itself, where it can be one.
func labelValue(text string) string {
	if text != "" && len(validation.IsValidLabelValue(text)) == 0 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + hex.EncodeToString(sum[:20])
}

// belonging is whose a snapshot is.
type belonging struct{ instance, repository, source, point string }

func (b belonging) labels(group string) map[string]string {
	return map[string]string{
		instanceLabel: labelValue(b.instance), repositoryLabel: labelValue(b.repository), sourceLabel: labelValue(b.source),
		pointLabel: labelValue(b.point), volumesLabel: labelValue(group),
	}
}

// isOwnSnapshot reports whether an object is a snapshot that we have made for a point.
// It is no configuration: every point makes others.
func isOwnSnapshot(u *unstructured.Unstructured) bool {
	group := u.GroupVersionKind().Group
	return (group == snapshotGroup || group == groupSnapshotGroup) && u.GetLabels()[pointLabel] != ""
}

// selector chooses all that belongs to a source, or to one point of it.
func (b belonging) selector() string {
	terms := []string{instanceLabel + "=" + labelValue(b.instance), repositoryLabel + "=" + labelValue(b.repository), sourceLabel + "=" + labelValue(b.source)}
	if b.point != "" {
		terms = append(terms, pointLabel+"="+labelValue(b.point))
	}
	return strings.Join(terms, ",")
}

// snapshotName is what a snapshot is called: after its point and its claim, for
// people, and so that no two have the same.
func (b belonging) snapshotName(group, namespace, claim string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{b.instance, b.repository, b.source, b.point, group, namespace, claim}, "\x00")))
	name := "openim-dr-" + strings.ToLower(b.point) + "-" + claim
	const unique = 8
	if most := validation.DNS1123SubdomainMaxLength - unique - 1; len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name + "-" + hex.EncodeToString(sum[:])[:unique]
}

// newSnapshot returns an object of the kinds of snapshots.
func newSnapshot(k kind, namespace, name string, labels map[string]string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(k.GroupVersionKind)
	u.SetNamespace(namespace)
	u.SetName(name)
	u.SetLabels(labels)
	return u
}

// as reads an object as its Go type. What the server serves always can be.
func as[T any](u *unstructured.Unstructured) (*T, error) {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
		return nil, fault.New(fault.Failed, "read "+keyOf(u).String(), "it is not what its kind promises")
	}
	return typed, nil
}

// readAs reads one object by its name as its Go type; nil where there is none.
func readAs[T any](ctx context.Context, s *session, k kind, namespace, name string) (*T, error) {
	u, err := s.read(ctx, k, namespace, name)
	if err != nil || u == nil {
		return nil, err
	}
	return as[T](u)
}

// read reads one object by its name, or returns nil where there is none.
func (s *session) read(ctx context.Context, k kind, namespace, name string) (*unstructured.Unstructured, error) {
	started := time.Now()
	u, err := s.objects.Resource(k.gvr()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return u, nil
	}
	err = s.fail(call{verb: "get", resource: k.rbac(), namespace: namespace, name: name}, started, err)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, nil
	}
	return nil, err
}

// listAs lists objects into memory as their Go type, of which there are few.
func listAs[T any](ctx context.Context, s *session, l listing) ([]*T, error) {
	var found []*T
	err := repeatable(func() error {
		found = nil
		return s.list(ctx, l, func(u *unstructured.Unstructured) error {
			typed, err := as[T](u)
			found = append(found, typed)
			return err
		})
	})
	return found, err
}

// createObject makes one object.
func (s *session) createObject(ctx context.Context, k kind, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	started := time.Now()
	made, err := s.objects.Resource(k.gvr()).Namespace(u.GetNamespace()).Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, s.fail(call{verb: "create", resource: k.rbac(), namespace: u.GetNamespace(), name: u.GetName()}, started, err)
	}
	return made, nil
}

// handleOf is by what the driver knows the snapshot; empty where there is none yet.
func handleOf(c *snapshotv1.VolumeSnapshotContent) string {
	switch {
	case c.Status != nil && c.Status.SnapshotHandle != nil:
		return *c.Status.SnapshotHandle
	case c.Spec.Source.SnapshotHandle != nil:
		return *c.Spec.Source.SnapshotHandle
	default:
		return ""
	}
}

// contentNameOf is the content that a snapshot is bound to; empty where it is not.
func contentNameOf(v *snapshotv1.VolumeSnapshot) string {
	if v.Status == nil || v.Status.BoundVolumeSnapshotContentName == nil {
		return ""
	}
	return *v.Status.BoundVolumeSnapshotContentName
}

// refersTo reports whether a content is that of a snapshot, and not of another one
// that had its name.
func refersTo(c *snapshotv1.VolumeSnapshotContent, v *snapshotv1.VolumeSnapshot) bool {
	ref := c.Spec.VolumeSnapshotRef
	return ref.Namespace == v.Namespace && ref.Name == v.Name && (ref.UID == "" || ref.UID == v.UID)
}

// isReady and isCut say how far a snapshot has come: one that is cut holds the
// volume as it was at that instant, and may have to be uploaded before it is ready.
func isReady(v *snapshotv1.VolumeSnapshot) bool {
	return v.Status != nil && v.Status.ReadyToUse != nil && *v.Status.ReadyToUse && contentNameOf(v) != ""
}

func isCut(v *snapshotv1.VolumeSnapshot) bool {
	return v.Status != nil && v.Status.CreationTime != nil
}

// complaint is what the snapshot's controller has reported, in one line.
func complaint(e *snapshotv1.VolumeSnapshotError) string {
	if e == nil || e.Message == nil || *e.Message == "" {
		return ""
	}
	const most = 300
	text := strings.Join(strings.Fields(*e.Message), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// stateOf says in words why a snapshot cannot be used yet.
func stateOf(v *snapshotv1.VolumeSnapshot) string {
	if v.Status != nil {
		if text := complaint(v.Status.Error); text != "" {
			return text
		}
	}
	switch {
	case contentNameOf(v) == "":
		return "no controller has taken it up"
	case !isCut(v):
		return "the driver has not cut it"
	default:
		return "the driver has cut it, and does not say that it can be used"
	}
}

// accessModes are those of a claim as texts.
func accessModes(modes []corev1.PersistentVolumeAccessMode) []string {
	texts := make([]string, 0, len(modes))
	for _, mode := range modes {
		texts = append(texts, string(mode))
	}
	return texts
}

// textOf is what a pointer points to; empty where it points to nothing.
func textOf[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

func named(namespace, name string) string { return fmt.Sprintf("%s/%s", namespace, name) }
