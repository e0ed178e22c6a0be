package kube

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openim-dr/openim-dr/internal/source"
)

func TestWhatARestoreWouldNotBringBack(t *testing.T) {
	api := Workload{Kind: "Deployment", Namespace: "openim", Name: "openim-api"}
	database := Workload{Kind: "StatefulSet", Namespace: "openim", Name: "mysql"}
	tests := map[string]struct {
		found  Deployed
		want   []string
		saying string
	}{
		"nothing is left out": {
			Deployed{Workloads: []Running{{Workload: api, Captured: true, Images: []string{"r:5000/openim/api:v3.3.0", "busybox@sha256:00"}}, {Workload: database, Captured: true}}, volumes: true,
				Claims: []Claim{{"openim", "data", "pd.csi.storage.gke.io", true}, {"openim", "pending", "", false}}, Snappable: []string{"pd.csi.storage.gke.io"}},
			[]string{"kubernetes.workloads ok"}, "2 workloads",
		},
		"workloads that are not captured": {Deployed{Workloads: []Running{{Workload: api, Captured: true}, {Workload: database, resource: "statefulsets.apps"}}}, []string{"kubernetes.workloads warning"}, "StatefulSet openim/mysql"},
		"an image of any version":         {Deployed{Workloads: []Running{{Workload: api, Captured: true, Images: []string{"openim/api:latest"}}}}, []string{"kubernetes.images warning"}, "openim/api:latest"},
		"an image without a tag":          {Deployed{Workloads: []Running{{Workload: api, Captured: true, Images: []string{"r:5000/api"}}}}, []string{"kubernetes.images warning"}, "r:5000/api"},
		"a volume without a driver":       {Deployed{volumes: true, Claims: []Claim{{"openim", "data", "", true}}}, []string{"kubernetes.snapshots warning"}, "openim/data (no CSI driver)"},
		"a driver without a class": {
			Deployed{volumes: true, Claims: []Claim{{"openim", "data", "a.example.com", true}}, Snappable: []string{"b.example.com"}},
			[]string{"kubernetes.snapshots warning"}, "no VolumeSnapshotClass for a.example.com",
		},
		"volumes that may not be seen": {
			Deployed{Unread: []string{`"list" on persistentvolumes in the whole cluster`}, Claims: []Claim{{"openim", "data", "", false}}},
			[]string{"kubernetes.unread info"}, "persistentvolumes",
		},
		"a program that keeps it": {Deployed{Workloads: []Running{{Workload: api, Captured: true, Keeper: "Argo CD"}}}, []string{"kubernetes.kept info"}, "openim-api (Argo CD)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			findings := tt.found.judge()
			if diff := cmp.Diff(tt.want, severities(findings)); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			if f := findings[0]; !strings.Contains(f.Evidence, tt.saying) || f.Severity != source.OK && f.Remedy == "" {
				t.Errorf("it says %q, and to do %q; want %q", f.Evidence, f.Remedy, tt.saying)
			}
		})
	}
}

// What settings let in is captured, and nothing else.
func TestWhatSettingsCapture(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{
		"name": "openim-api", "namespace": "openim", "labels": map[string]any{"app": "openim"},
	}}}
	tests := map[string]struct {
		settings Settings
		want     bool
	}{
		"by its kind":          {Settings{Kinds: []string{"Deployments.apps"}}, true},
		"by a pattern":         {Settings{Kinds: []string{"*.apps"}}, true},
		"other kinds":          {Settings{Kinds: []string{"secrets"}}, false},
		"its kind is excluded": {Settings{Kinds: []string{"*"}, Exclude: Exclude{Kinds: []string{"deployments.apps"}}}, false},
		"its name is excluded": {Settings{Kinds: []string{"*"}, Exclude: Exclude{Names: []string{"openim-*"}}}, false},
		"other names":          {Settings{Kinds: []string{"*"}, Names: []string{"mysql"}}, false},
		"its name":             {Settings{Kinds: []string{"*"}, Names: []string{"openim-*"}}, true},
		"other labels":         {Settings{Kinds: []string{"*"}, LabelSelector: "app=mysql"}, false},
		"labels that it has":   {Settings{Kinds: []string{"*"}, LabelSelector: "app in (openim)"}, true},
		"the defaults":         {Settings{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := New("cluster", &tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.captures(deploymentKind, u); got != tt.want {
				t.Errorf("captured: %t, want %t", got, tt.want)
			}
		})
	}
}

// claimed makes a claim that is bound to a volume on a node's own disk.
func (c cluster) claimed(t *testing.T, namespace, name string) {
	t.Helper()
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	volume := namespace + "-" + name
	t.Cleanup(func() { c.removeVolume(t, volume) })
	c.must(t)(c.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: meta(volume),
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: modes, ClaimRef: &corev1.ObjectReference{Namespace: namespace, Name: name},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
		},
	}, metav1.CreateOptions{}))
	c.must(t)(c.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: meta(name),
		Spec:       corev1.PersistentVolumeClaimSpec{AccessModes: modes, VolumeName: volume, StorageClassName: ref(""), Resources: corev1.VolumeResourceRequirements{Requests: size}},
	}, metav1.CreateOptions{}))
}

func (c cluster) removeVolume(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	volumes := c.CoreV1().PersistentVolumes()
	_ = volumes.Delete(ctx, name, metav1.DeleteOptions{})
	// No controller is here to take the protection off.
	_, _ = volumes.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
}

// The real server's objects are read as the judgement wants them.
func TestDoctorReadsWhatRuns(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.claimed(t, f.namespace, "data")
	deployed, findings := f.source(t, func(*Settings) {}, f.namespace).Uncovered(t.Context())
	if len(deployed.Workloads) != len(replicasOfFleet) || !slices.Contains(deployed.Claims, Claim{f.namespace, "data", "", true}) {
		t.Errorf("found %d workloads and claims %+v", len(deployed.Workloads), deployed.Claims)
	}
	if got := severities(findings); !slices.Contains(got, "kubernetes.workloads warning") || !slices.Contains(got, "kubernetes.snapshots warning") {
		t.Errorf("findings %q", got)
	}
}
