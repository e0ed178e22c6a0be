package seed

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Namespaces are the three that a deployment has by default: OpenIM's own,
// SeaweedFS's and one for monitoring.
func Namespaces() []string { return []string{"openim", "seaweedfs", "monitoring"} }

// Kubernetes creates the namespaces where they are missing, and in them the
// Secrets and ConfigMaps of a deployment. namespaces take the parts of those of
// Namespaces, in that order.
func Kubernetes(ctx context.Context, client kubernetes.Interface, namespaces []string, size Size) (Result, error) {
	if len(namespaces) != len(Namespaces()) {
		return Result{}, fmt.Errorf("seed kubernetes: got %d namespaces, want %d", len(namespaces), len(Namespaces()))
	}
	for _, namespace := range namespaces {
		if err := createNamespace(ctx, client, namespace); err != nil {
			return Result{}, err
		}
	}
	c, err := newCluster(namespaces, size.Seed)
	if err != nil {
		return Result{}, err
	}
	for _, s := range c.secrets {
		if _, err := client.CoreV1().Secrets(s.Namespace).Create(ctx, s, metav1.CreateOptions{}); err != nil {
			return Result{}, fmt.Errorf("create secret %s/%s: %w", s.Namespace, s.Name, err)
		}
	}
	for _, m := range c.configMaps {
		if _, err := client.CoreV1().ConfigMaps(m.Namespace).Create(ctx, m, metav1.CreateOptions{}); err != nil {
			return Result{}, fmt.Errorf("create configmap %s/%s: %w", m.Namespace, m.Name, err)
		}
	}
	return Result{Secrets: len(c.secrets), ConfigMaps: len(c.configMaps), markers: secretMarkers(c.passwords)}, nil
}

func createNamespace(ctx context.Context, client kubernetes.Interface, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return nil
}

// secretMarkers adds the base64 form, in which a Secret's YAML shows a password.
func secretMarkers(passwords []string) []string {
	var all []string
	for _, p := range passwords {
		all = append(all, p, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(p)), "="))
	}
	return all
}

// cluster is what Kubernetes creates.
type cluster struct {
	seed       uint64
	secrets    []*corev1.Secret
	configMaps []*corev1.ConfigMap
	passwords  []string
}

func newCluster(namespaces []string, seed uint64) (*cluster, error) {
	c := &cluster{seed: seed}
	c.openIM(namespaces[0])
	c.seaweedFS(namespaces[1])
	c.monitoring(namespaces[2])
	return c, c.certificate(namespaces[0], "openim-tls", "im.example.com")
}

// password makes up a password and remembers it.
func (c *cluster) password(label string) string {
	p := password(c.seed, "kubernetes "+label)
	c.passwords = append(c.passwords, p)
	return p
}

func (c *cluster) secret(namespace, name string, kind corev1.SecretType, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels(name)},
		Type:       kind,
		Data:       map[string][]byte{},
	}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	c.secrets = append(c.secrets, s)
	return s
}

func (c *cluster) configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels(name)},
		Data:       data,
	}
	c.configMaps = append(c.configMaps, m)
	return m
}

func labels(name string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm"}
}
