package kube

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/kube/document/documenttest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// cluster is the testbed's API server, seen with its own client. It has
// controllers of workloads alone: nothing but the tests changes anything else.
type cluster struct {
	kubernetes.Interface
	env *testbed.Env
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	env := testbed.Need(t)
	config, err := clientcmd.BuildConfigFromFlags("", env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return cluster{client, env}
}

// source returns the source under test for some namespaces.
func (c cluster) source(t *testing.T, change func(*Settings), namespaces ...string) *Cluster {
	t.Helper()
	settings := &Settings{Kubeconfig: c.env.Kubeconfig, Namespaces: namespaces}
	if change != nil {
		change(settings)
	}
	made, err := New("cluster", settings)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// freeName returns a name that no namespace has, and removes the namespace of
// that name when the test ends.
func (c cluster) freeName(t *testing.T) string {
	t.Helper()
	name := "kube-" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { c.removeNamespace(context.WithoutCancel(t.Context()), t, name) })
	return name
}

// namespace makes a namespace of its own for the test.
func (c cluster) namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	name := c.freeName(t)
	c.must(t)(c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{}))
	return name
}

// removeNamespace does what the namespace controller would do, which is not there.
func (c cluster) removeNamespace(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	namespace, err := c.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return
	}
	c.wipe(ctx, t, name)
	if err := testbed.RemoveWorkloads(ctx, c, name); err != nil {
		t.Error(err)
	}
	_ = c.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	namespace.Spec.Finalizers = nil
	namespace.ResourceVersion = ""
	_, _ = c.CoreV1().Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{})
}

// wipe deletes every Secret and ConfigMap of a namespace.
func (c cluster) wipe(ctx context.Context, t *testing.T, namespace string) {
	t.Helper()
	for _, err := range []error{
		c.CoreV1().Secrets(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
		c.CoreV1().ConfigMaps(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
	} {
		if err != nil {
			t.Errorf("wipe %s: %v", namespace, err)
		}
	}
}

// must returns a function that fails the test on the error of a call.
func (c cluster) must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (c cluster) create(t *testing.T, namespace string, secrets []corev1.Secret, configMaps []corev1.ConfigMap) {
	t.Helper()
	for _, s := range secrets {
		c.must(t)(c.CoreV1().Secrets(namespace).Create(t.Context(), &s, metav1.CreateOptions{}))
	}
	for _, m := range configMaps {
		for i, owner := range m.OwnerReferences {
			m.OwnerReferences[i].UID = c.owner(t, namespace, owner.Name)
		}
		c.must(t)(c.CoreV1().ConfigMaps(namespace).Create(t.Context(), &m, metav1.CreateOptions{}))
	}
}

// owner makes a Deployment without pods for others to belong to: what belongs to
// nobody is collected as garbage.
func (c cluster) owner(t *testing.T, namespace, name string) types.UID {
	t.Helper()
	labels := map[string]string{"app": name}
	made, err := c.AppsV1().Deployments(namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: meta(name),
		Spec: appsv1.DeploymentSpec{
			Replicas: ref(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.UID
}

// seen is an object so far as a restore must bring it back.
type seen struct {
	Labels, Annotations map[string]string
	Finalizers          []string
	Type                string
	Immutable           bool
	Data                map[string]string
}

// look reads a namespace with the typed client: by other means than those
// under test.
func (c cluster) look(t *testing.T, namespace string) map[string]seen {
	t.Helper()
	objects := map[string]seen{}
	secrets, err := c.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets.Items {
		objects["Secret/"+s.Name] = seen{s.Labels, s.Annotations, s.Finalizers, string(s.Type), s.Immutable != nil && *s.Immutable, text(s.Data)}
	}
	configMaps, err := c.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range configMaps.Items {
		data := maps.Clone(m.Data)
		if data == nil {
			data = map[string]string{}
		}
		maps.Copy(data, text(m.BinaryData))
		objects["ConfigMap/"+m.Name] = seen{m.Labels, m.Annotations, m.Finalizers, "", m.Immutable != nil && *m.Immutable, data}
	}
	return objects
}

func text(data map[string][]byte) map[string]string {
	texts := map[string]string{}
	for key, value := range data {
		texts[key] = string(value)
	}
	return texts
}

// marker begins every secret of the zoo.
const marker = "K9-secret-marker-"

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func ref[T any](v T) *T { return &v }

func everyByte() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

// zoo holds what has gone wrong somewhere, sometime. It grows with every bug.
func zoo() ([]corev1.Secret, []corev1.ConfigMap) {
	odd := map[string]string{
		"example.com/colon": "a: b # c", "example.com/lines": "one\r\n\ttwo\n\n", "example.com/number": "0123", "example.com/yes": "yes", "example.com/empty": "",
		"example.com/unicode": "ключ \u2028 \u0085 \ufeff 鍵 😀", "example.com/control": "\x00\x1b\x7f", "kubectl.kubernetes.io/last-applied-configuration": `{"apiVersion":"v1","data":{"a":"` + marker + `annotation"}}` + "\n",
	}
	decorated := meta("decorated")
	decorated.Annotations, decorated.Labels = odd, map[string]string{"app.kubernetes.io/name": "openim", "empty": ""}
	owned := meta("owned")
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "openim-api"}} // create adds the UID
	owned.Finalizers = []string{"example.com/keep"}
	secrets := []corev1.Secret{
		{ObjectMeta: meta("binary"), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"all": everyByte(), "none": {}, "text": []byte(marker + "opaque")}},
		{ObjectMeta: meta("empty")},
		{ObjectMeta: meta("tls"), Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": []byte("-----BEGIN CERTIFICATE-----\n"), "tls.key": []byte(marker + "tls")}},
		{ObjectMeta: meta("docker"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{".dockerconfigjson": []byte(`{"auths":{"r":{"auth":"` + marker + `docker"}}}`)}},
		{ObjectMeta: meta("basic"), Type: corev1.SecretTypeBasicAuth, Data: map[string][]byte{"username": []byte("u"), "password": []byte(marker + "basic")}},
		{ObjectMeta: meta("immutable"), Immutable: ref(true), Data: map[string][]byte{"a": []byte(marker + "immutable")}},
		{ObjectMeta: meta("sh.helm.release.v1.openim.v1"), Type: "helm.sh/release.v1", Data: map[string][]byte{"release": []byte(marker + "helm")}},
		{ObjectMeta: decorated, Data: map[string][]byte{"a": []byte("1")}},
	}
	words := map[string]string{}
	for i, value := range documenttest.Awkward {
		words[fmt.Sprintf("word-%d", i)] = value
	}
	configMaps := []corev1.ConfigMap{
		{ObjectMeta: meta("words"), Data: words},
		{ObjectMeta: meta("mixed"), Data: map[string]string{"config.yaml": "mongo:\n  password: " + marker + "config\n"}, BinaryData: map[string][]byte{"bin": everyByte()}},
		{ObjectMeta: meta("large"), Data: map[string]string{"large": strings.Repeat("0123456789abcde\n", 900<<10/16)}},
		{ObjectMeta: meta("immutable"), Immutable: ref(true), Data: map[string]string{"a": "b"}},
		{ObjectMeta: meta("without-data")},
		{ObjectMeta: owned, Data: map[string]string{"a": "b"}},
	}
	return secrets, configMaps
}

// leftOut are what a cluster makes by itself.
func leftOut() ([]corev1.Secret, []corev1.ConfigMap) {
	token := meta("default-token")
	token.Annotations = map[string]string{corev1.ServiceAccountNameKey: "default"}
	return []corev1.Secret{{ObjectMeta: token, Type: corev1.SecretTypeServiceAccountToken, Data: map[string][]byte{"token": []byte(marker + "token")}}},
		[]corev1.ConfigMap{{ObjectMeta: meta("kube-root-ca.crt"), Data: map[string]string{"ca.crt": "x"}}}
}
