package testbed

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Kubernetes connects to the API server as its administrator.
func (e *Env) Kubernetes(t testing.TB) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", e.Kubeconfig)
	if err != nil {
		t.Fatalf("read kubeconfig: %v", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("connect to Kubernetes: %v", err)
	}
	return client
}

// NewNamespace makes an empty namespace.
func (e *Env) NewNamespace(t testing.TB) string {
	t.Helper()
	client, name := e.Kubernetes(t), unique("-")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := removeNamespace(context.WithoutCancel(t.Context()), client, name); err != nil {
			t.Errorf("remove namespace %s: %v", name, err)
		}
	})
	return name
}

// removeNamespace does what a cluster's namespace controller does, which the
// testbed has not: it empties the namespace and lets it go.
func removeNamespace(ctx context.Context, client kubernetes.Interface, name string) error {
	core, now, all := client.CoreV1(), metav1.DeleteOptions{}, metav1.ListOptions{}
	err := errors.Join(
		core.Secrets(name).DeleteCollection(ctx, now, all),
		core.ConfigMaps(name).DeleteCollection(ctx, now, all),
		RemoveWorkloads(ctx, client, name),
		core.Namespaces().Delete(ctx, name, now),
	)
	if err != nil {
		return err
	}
	namespace, err := core.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	namespace.Spec.Finalizers = nil
	_, err = core.Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{})
	return err
}
