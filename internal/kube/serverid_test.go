package kube

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestServerIDOfACluster(t *testing.T) {
	cluster := newCluster(t)
	system, err := cluster.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := cluster.namespace(t, nil)
	if id, err := cluster.source(t, nil, namespace).ServerID(t.Context()); err != nil || id != string(system.UID) {
		t.Errorf("got %q, %v, want %q", id, err, system.UID)
	}
	blind := cluster.as(t, namespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}})
	if id, err := cluster.source(t, func(s *Settings) { s.Kubeconfig = blind }, namespace).ServerID(t.Context()); err != nil || id != "" {
		t.Errorf("who may not see it gets %q, %v", id, err)
	}
}
