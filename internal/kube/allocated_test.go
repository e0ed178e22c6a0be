package kube

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

func service(name string, change func(*corev1.ServiceSpec)) *corev1.Service {
	s := &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "a"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	if change != nil {
		change(&s.Spec)
	}
	return s
}

// A node port that somebody has asked for comes back; one that the server chose is
// chosen anew, and so is every address. To have none is asked for.
func TestServicesGetAddressesOfTheirOwn(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	services := cluster.CoreV1().Services(namespace)
	free := askForPort(t, cluster, namespace)
	for _, s := range []*corev1.Service{
		service("given", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort }),
		service("headless", func(s *corev1.ServiceSpec) { s.ClusterIP = "None" }),
	} {
		cluster.must(t)(services.Create(t.Context(), s, metav1.CreateOptions{FieldManager: "helm"}))
	}
	c := cluster.source(t, func(s *Settings) { s.Kinds = []string{"services"} }, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	t.Run("in another namespace beside the old one", func(t *testing.T) {
		copied := cluster.freeName(t)
		removeServices(t, cluster, namespace, "asked") // its port can be had once
		t.Cleanup(func() { removeServices(t, cluster, copied) })
		_, compared := bringBack(t, c, from, source.Selection{Rename: map[string]string{namespace: copied}})
		requireEqual(t, compared)
		got := func(name string) corev1.ServiceSpec {
			s, err := cluster.CoreV1().Services(copied).Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return s.Spec
		}
		old, err := services.Get(t.Context(), "given", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got("asked").Ports[0].NodePort != free || got("headless").ClusterIP != "None" {
			t.Errorf("asked for are port %d and no address, got %v and %q", free, got("asked").Ports, got("headless").ClusterIP)
		}
		if given := got("given"); given.ClusterIP == old.Spec.ClusterIP || given.Ports[0].NodePort == old.Spec.Ports[0].NodePort || given.Ports[0].NodePort == 0 {
			t.Errorf("the copy has %s and %v", given.ClusterIP, given.Ports)
		}
	})
	t.Run("one with an address becomes headless again", func(t *testing.T) {
		if err := services.Delete(t.Context(), "headless", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		cluster.must(t)(services.Create(t.Context(), service("headless", nil), metav1.CreateOptions{}))
		_, compared := bringBack(t, c, from, source.Selection{Include: []string{namespace + "/Service/headless"}})
		requireEqual(t, compared)
	})
	removeServices(t, cluster, namespace)
}

// askForPort makes a Service with a node port of its own choice, out of those that
// the server gives to nobody by itself, and returns it.
func askForPort(t *testing.T, cluster cluster, namespace string) int32 {
	t.Helper()
	const first, last = 30000, 30085
	for {
		free := first + rand.Int32N(last-first+1)
		asked := service("asked", func(s *corev1.ServiceSpec) { s.Type, s.Ports[0].NodePort = corev1.ServiceTypeNodePort, free })
		_, err := cluster.CoreV1().Services(namespace).Create(t.Context(), asked, metav1.CreateOptions{FieldManager: "helm"})
		if err == nil {
			return free
		}
		if !apierrors.IsInvalid(err) {
			t.Fatal(err)
		}
	}
}

func removeServices(t *testing.T, cluster cluster, namespace string, names ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	list, err := cluster.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Error(err)
		return
	}
	for _, s := range list.Items {
		if len(names) == 0 || slices.Contains(names, s.Name) {
			if err := cluster.CoreV1().Services(namespace).Delete(ctx, s.Name, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
}

// A claim that was bound comes back as one that will bind anew, and a volume waits
// for the claim of its name, whatever uid that has.
func TestBoundClaimsAndVolumes(t *testing.T) {
	claim := parsed(t, `
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
  annotations: {pv.kubernetes.io/bind-completed: "yes", pv.kubernetes.io/bound-by-controller: "yes", volume.kubernetes.io/storage-provisioner: p, volume.kubernetes.io/selected-node: "node-1", example.com/kept: "yes"}
spec: {volumeName: pvc-1, storageClassName: fast}
`)
	live := claim.DeepCopy()
	strip(claim)
	want := parsed(t, `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, annotations: {example.com/kept: "yes"}}, spec: {storageClassName: fast}}`)
	requireSame(t, "claim", want, claim)
	keepAllocated(claim, live)
	requireSame(t, "claim that is overwritten in place", live, claim)

	volume := parsed(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: nfs}, spec: {claimRef: {namespace: openim, name: data, uid: u, resourceVersion: "7"}}}`)
	live = volume.DeepCopy()
	strip(volume)
	requireSame(t, "volume", parsed(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: nfs}, spec: {claimRef: {namespace: openim, name: data}}}`), volume)
	keepAllocated(volume, live)
	requireSame(t, "volume that is overwritten in place", live, volume)
}

// A Job that has the labels of its own choice keeps them.
func TestJobsWithASelectorOfTheirOwn(t *testing.T) {
	manual := parsed(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {manualSelector: true, selector: {matchLabels: {job-name: b}}, template: {metadata: {labels: {job-name: b}}}}}`)
	want := manual.DeepCopy()
	strip(manual)
	requireSame(t, "Job", want, manual)
}
