package testbed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// Workloads are Deployments and StatefulSets of one namespace. The testbed's
// controllers make their pods, and nobody runs these: they stay pending.
type Workloads struct {
	Namespace string
	client    kubernetes.Interface
}

// workloadPatience is how long controllers may take, on a busy machine.
const workloadPatience = time.Minute

// NewWorkloads returns the workloads of a namespace that the test has made.
func (e *Env) NewWorkloads(t testing.TB, namespace string) *Workloads {
	t.Helper()
	return &Workloads{Namespace: namespace, client: e.Kubernetes(t)}
}

// Deployment makes one. Its pods carry the label app with its name.
func (w *Workloads) Deployment(t testing.TB, name string, replicas int32) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	made, err := w.client.AppsV1().Deployments(w.Namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template(labels)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// StatefulSet makes one. Its pods carry the label app with its name.
func (w *Workloads) StatefulSet(t testing.TB, name string, replicas int32) *appsv1.StatefulSet {
	t.Helper()
	labels := map[string]string{"app": name}
	made, err := w.client.AppsV1().StatefulSets(w.Namespace).Create(t.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template(labels),
			// In order it would wait for the first pod to be ready, which none ever is.
			PodManagementPolicy: appsv1.ParallelPodManagement,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func template(labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
}

// Pods lists the pods of a workload; with an empty name all of the namespace.
func (w *Workloads) Pods(t testing.TB, name string) []corev1.Pod {
	t.Helper()
	pods, err := w.list(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return pods
}

func (w *Workloads) list(ctx context.Context, name string) ([]corev1.Pod, error) {
	options := metav1.ListOptions{}
	if name != "" {
		options.LabelSelector = "app=" + name
	}
	list, err := w.client.CoreV1().Pods(w.Namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// AwaitPods waits until a workload has so many pods.
func (w *Workloads) AwaitPods(t testing.TB, name string, want int) {
	t.Helper()
	got := 0
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, workloadPatience, true, func(ctx context.Context) (bool, error) {
		pods, err := w.list(ctx, name)
		got = len(pods)
		return got == want, err
	})
	if err != nil {
		t.Fatalf("%s has %d pods, want %d: %v", name, got, want, err)
	}
}

// AwaitDeleted waits until so many pods of a workload are deleted and still there,
// as their nodes have not ended them.
func (w *Workloads) AwaitDeleted(t testing.TB, name string, want int) {
	t.Helper()
	got := 0
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, workloadPatience, true, func(ctx context.Context) (bool, error) {
		pods, err := w.list(ctx, name)
		got = 0
		for _, pod := range pods {
			if pod.DeletionTimestamp != nil {
				got++
			}
		}
		return got == want, err
	})
	if err != nil {
		t.Fatalf("%d pods of %s are deleted, want %d: %v", got, name, want, err)
	}
}

// Bind puts the pods of a workload on a node, as a scheduler does: from then on
// a pod that is deleted stays until its node has ended it.
func (w *Workloads) Bind(t testing.TB, name, node string) {
	t.Helper()
	for _, pod := range w.Pods(t, name) {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}
		if err := w.client.CoreV1().Pods(w.Namespace).Bind(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// EndDeleted does what nodes do with the deleted pods of a workload: it ends
// them. It returns how many there were.
func (w *Workloads) EndDeleted(t testing.TB, name string) int {
	t.Helper()
	ended := 0
	for _, pod := range w.Pods(t, name) {
		if pod.DeletionTimestamp == nil {
			continue
		}
		if err := w.client.CoreV1().Pods(w.Namespace).Delete(t.Context(), pod.Name, atOnce); err != nil {
			t.Fatal(err)
		}
		ended++
	}
	return ended
}

var atOnce = metav1.DeleteOptions{GracePeriodSeconds: new(int64)}

// RemoveWorkloads removes the workloads of a namespace, and what they have made,
// and returns when nothing of it is left.
func RemoveWorkloads(ctx context.Context, client kubernetes.Interface, namespace string) error {
	apps, pods, all := client.AppsV1(), client.CoreV1().Pods(namespace), metav1.ListOptions{}
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, workloadPatience, true, func(ctx context.Context) (bool, error) {
		// Owners first, and all again until their controllers have noticed.
		err := errors.Join(
			client.AutoscalingV2().HorizontalPodAutoscalers(namespace).DeleteCollection(ctx, atOnce, all),
			apps.Deployments(namespace).DeleteCollection(ctx, atOnce, all),
			apps.StatefulSets(namespace).DeleteCollection(ctx, atOnce, all),
			apps.ReplicaSets(namespace).DeleteCollection(ctx, atOnce, all),
			pods.DeleteCollection(ctx, atOnce, all),
		)
		if err != nil {
			return false, err
		}
		left, err := pods.List(ctx, all)
		if err != nil {
			return false, err
		}
		sets, err := apps.ReplicaSets(namespace).List(ctx, all)
		return err == nil && len(left.Items)+len(sets.Items) == 0, err
	})
	if err != nil {
		return fmt.Errorf("remove the workloads of %s: %w", namespace, err)
	}
	return nil
}
