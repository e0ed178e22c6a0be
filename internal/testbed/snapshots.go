package testbed

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Resources of snapshots.
var (
	SnapshotResource        = schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
	SnapshotContentResource = SnapshotResource.GroupVersion().WithResource("volumesnapshotcontents")
	GroupSnapshotResource   = schema.GroupVersionResource{Group: "groupsnapshot.storage.k8s.io", Version: "v1beta2", Resource: "volumegroupsnapshots"}
	snapshotClassResource   = SnapshotResource.GroupVersion().WithResource("volumesnapshotclasses")
	groupClassResource      = GroupSnapshotResource.GroupVersion().WithResource("volumegroupsnapshotclasses")
	GroupContentResource    = GroupSnapshotResource.GroupVersion().WithResource("volumegroupsnapshotcontents")
)

// Storage plays, for some namespaces, the parts of the snapshot controller, of the
// controller of volumes and of a CSI driver. What the driver keeps, it keeps in
// memory, by handle.
type Storage struct {
	Driver string // also the name of its storage class
	// ClaimSize is how large every claim is.
	ClaimSize string

	typed   kubernetes.Interface
	objects dynamic.Interface

	mu         sync.Mutex
	namespaces []string
	ways       map[string]SnapshotWay
	holds      map[string]string // snapshot handle -> claim
}

// SnapshotWay is what becomes of the snapshots of a claim. The zero value is ready
// at once.
type SnapshotWay struct {
	Ignored bool   // no controller takes it up
	Cut     bool   // it is cut, and never ready
	Error   string // is reported, and it is neither
}

// storageInterval is the time between two looks at what there is to do.
const storageInterval = 50 * time.Millisecond

// NewStorage starts a driver for namespaces that the test has made.
func (e *Env) NewStorage(t testing.TB, namespaces ...string) *Storage {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", e.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	s := &Storage{
		Driver: "csi-" + strings.ToLower(rand.Text()[:10]) + ".example.com", ClaimSize: "2Gi",
		namespaces: namespaces, ways: map[string]SnapshotWay{}, holds: map[string]string{},
	}
	if s.typed, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if s.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	must(t)(s.typed.StorageV1().CSIDrivers().Create(t.Context(), &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: s.Driver}}, metav1.CreateOptions{}))
	s.StorageClass(t, s.Driver, s.Driver)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		s.remove(context.WithoutCancel(t.Context()))
	})
	return s
}

func must(t testing.TB) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// StorageClass makes a storage class.
func (s *Storage) StorageClass(t testing.TB, name, provisioner string) {
	t.Helper()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner}
	must(t)(s.typed.StorageV1().StorageClasses().Create(t.Context(), class, metav1.CreateOptions{}))
	t.Cleanup(func() {
		_ = s.typed.StorageV1().StorageClasses().Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{})
	})
}

// Class makes a class of snapshots of the driver, and returns its name.
func (s *Storage) Class(t testing.TB, policy snapshotv1.DeletionPolicy) string {
	t.Helper()
	return s.class(t, snapshotClassResource, "VolumeSnapshotClass", policy)
}

// GroupClass makes a class of group snapshots of the driver, and returns its name.
func (s *Storage) GroupClass(t testing.TB, policy snapshotv1.DeletionPolicy) string {
	t.Helper()
	return s.class(t, groupClassResource, "VolumeGroupSnapshotClass", policy)
}

func (s *Storage) class(t testing.TB, r schema.GroupVersionResource, kind string, policy snapshotv1.DeletionPolicy) string {
	t.Helper()
	name := "class-" + strings.ToLower(rand.Text()[:10])
	made := object(r, kind, "", name)
	made.Object["driver"], made.Object["deletionPolicy"] = s.Driver, string(policy)
	must(t)(s.objects.Resource(r).Create(t.Context(), made, metav1.CreateOptions{}))
	t.Cleanup(func() {
		_ = s.objects.Resource(r).Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{})
	})
	return name
}

// Claim makes a claim that is bound to a volume of the driver.
func (s *Storage) Claim(t testing.TB, namespace, name string, labels map[string]string) {
	t.Helper()
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(s.ClaimSize)}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	volume := "pv-" + namespace + "-" + name
	must(t)(s.typed.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: volume},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: modes, StorageClassName: s.Driver, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: s.Driver, VolumeHandle: volume}},
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name},
		},
	}, metav1.CreateOptions{}))
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes", "example.com/note": "kept"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, StorageClassName: &s.Driver, VolumeName: volume, Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	}
	made, err := s.typed.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: modes, Capacity: size}
	must(t)(s.typed.CoreV1().PersistentVolumeClaims(namespace).UpdateStatus(t.Context(), made, metav1.UpdateOptions{}))
}

// RemoveClaim deletes a claim, as where it is lost.
func (s *Storage) RemoveClaim(t testing.TB, namespace, name string) {
	t.Helper()
	if err := s.removeClaim(t.Context(), namespace, name); err != nil {
		t.Fatal(err)
	}
}

func (s *Storage) removeClaim(ctx context.Context, namespace, name string) error {
	claims := s.objects.Resource(corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")).Namespace(namespace)
	if err := claims.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return unlock(ctx, claims, name)
}

// Lead says what becomes of the snapshots of a claim from now on.
func (s *Storage) Lead(claim string, way SnapshotWay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ways[claim] = way
}

func (s *Storage) way(claim string) SnapshotWay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ways[claim]
}

// Serve adds a namespace.
func (s *Storage) Serve(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces = append(s.namespaces, namespace)
}

func (s *Storage) served() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.namespaces)
}

// Forget makes the driver lose all snapshots, as where it is another account's.
func (s *Storage) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.holds)
}

// Holds lists the claims of whose volumes the driver keeps snapshots, sorted, one
// for each snapshot.
func (s *Storage) Holds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Values(s.holds))
}

func (s *Storage) keep(handle, claim string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[handle] = claim
}

func (s *Storage) lose(handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holds, handle)
}

func (s *Storage) keeps(handle string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, kept := s.holds[handle]
	return kept
}

// remove removes all that is left in the namespaces, and what belongs to them.
func (s *Storage) remove(ctx context.Context) {
	now := metav1.DeleteOptions{}
	for _, namespace := range s.served() {
		for _, r := range []schema.GroupVersionResource{GroupSnapshotResource, SnapshotResource, corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")} {
			s.removeAll(ctx, s.objects.Resource(r).Namespace(namespace), func(*unstructured.Unstructured) bool { return true })
		}
	}
	of := func(u *unstructured.Unstructured) bool {
		driver, _, _ := unstructured.NestedString(u.Object, "spec", "driver")
		volume, _, _ := unstructured.NestedString(u.Object, "spec", "csi", "driver")
		return driver == s.Driver || volume == s.Driver
	}
	for _, r := range []schema.GroupVersionResource{GroupContentResource, SnapshotContentResource, corev1.SchemeGroupVersion.WithResource("persistentvolumes")} {
		s.removeAll(ctx, s.objects.Resource(r), of)
	}
	_ = s.typed.StorageV1().CSIDrivers().Delete(ctx, s.Driver, now)
}

func (s *Storage) removeAll(ctx context.Context, r dynamic.ResourceInterface, which func(*unstructured.Unstructured) bool) {
	list, err := r.List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for i := range list.Items {
		if which(&list.Items[i]) {
			_ = r.Delete(ctx, list.Items[i].GetName(), metav1.DeleteOptions{})
			_ = unlock(ctx, r, list.Items[i].GetName())
		}
	}
}

func object(r schema.GroupVersionResource, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(r.GroupVersion().WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// newHandle is what the driver calls a snapshot.
func newHandle(claim string) string {
	return fmt.Sprintf("snap-%s-%s", claim, strings.ToLower(rand.Text()[:8]))
}
