package kube

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document/documenttest"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// as returns a kubeconfig of somebody who may do only what rules say in a
// namespace.
func (c cluster) as(t *testing.T, namespace string, rules ...rbacv1.PolicyRule) string {
	t.Helper()
	user := namespace + "-reader"
	role := &rbacv1.Role{ObjectMeta: meta(user), Rules: rules}
	c.must(t)(c.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}))
	c.must(t)(c.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta(user), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}, metav1.CreateOptions{}))
	return c.impersonating(t, user)
}

// impersonating returns a kubeconfig of some user.
func (c cluster) impersonating(t *testing.T, user string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(c.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range config.AuthInfos {
		info.Impersonate = user
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func severities(findings []source.Finding) []string {
	var got []string
	for _, f := range findings {
		got = append(got, f.Check+" "+string(f.Severity))
	}
	return got
}

func TestAMissingRightIsNamed(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("a"), Data: map[string][]byte{"a": []byte(marker)}}}, nil)
	reader := cluster.as(t, namespace, rbacv1.PolicyRule{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"secrets"}})
	limited := func(kinds ...string) *Cluster {
		return cluster.source(t, func(s *Settings) { s.Kubeconfig, s.Kinds = reader, kinds }, namespace)
	}
	t.Run("a capture needs it", func(t *testing.T) {
		_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, limited("secrets", "configmaps"))
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"list" on configmaps in namespace "`+namespace+`"`) {
			t.Errorf("error %v, want one of usage that names the right", err)
		}
	})
	t.Run("doctor finds it", func(t *testing.T) {
		findings := limited("secrets", "configmaps").Examine(t.Context())
		want := []string{"kubernetes.reachable ok", "kubernetes.namespaces warning", "kubernetes.rights error"}
		if diff := cmp.Diff(want, severities(findings)); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
	})
	t.Run("a right in the namespace alone is enough", func(t *testing.T) {
		from := repotest.New(t).Capture(t, "cluster", Kind, limited("secrets"))
		if from.Summary().Documents != 1 {
			t.Errorf("captured %+v, want one document", from.Summary())
		}
		t.Run("but not to restore", func(t *testing.T) {
			_, err := limited("secrets").Plan(t.Context(), from, source.Selection{})
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"create" on secrets`) {
				t.Errorf("error %v, want one of usage that names the right", err)
			}
		})
	})
	t.Run("a pattern needs to see all namespaces", func(t *testing.T) {
		c := cluster.source(t, func(s *Settings) { s.Kubeconfig = reader }, "kube-*")
		_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"list" on namespaces in the whole cluster`) {
			t.Errorf("error %v, want one of usage that names the right", err)
		}
	})
}

func TestWhatIsConfiguredAndNotThereIsAnError(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	tests := map[string]struct {
		change func(*Settings)
		saying string
	}{
		"a namespace":          {func(s *Settings) { s.Namespaces = []string{namespace + "-not"} }, `namespace "` + namespace + `-not" does not exist`},
		"a pattern":            {func(s *Settings) { s.Namespaces = []string{namespace + "-not-*"} }, `no namespace matches "` + namespace + `-not-*"`},
		"a kind":               {func(s *Settings) { s.Kinds = []string{"secretz"} }, "the server serves no such kind"},
		"a group":              {func(s *Settings) { s.Kinds = []string{"secrets.example.com"} }, `the server has no API group "example.com"`},
		"namespaces as a kind": {func(s *Settings) { s.Kinds = []string{"namespaces"} }, "namespaces come with their objects"},
		"a question as a kind": {func(s *Settings) { s.Kinds = []string{"tokenreviews.authentication.k8s.io"} }, "tokenreviews.authentication.k8s.io cannot be listed and created"},
		"a pattern of kinds":   {func(s *Settings) { s.Kinds = []string{"*.nobody.example.com"} }, `no kind matches "*.nobody.example.com"`},
		"a context":            {func(s *Settings) { s.Context = "nobody" }, `it has no context "nobody"`},
		"a kubeconfig":         {func(s *Settings) { s.Kubeconfig = "/nowhere" }, "no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster.source(t, tt.change, namespace)
			_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.saying) {
				t.Errorf("error %v, want one of usage with %q", err, tt.saying)
			}
			if e, ok := fault.Outermost(err); !ok || e.Try == "" {
				t.Errorf("error %v says nothing to try", err)
			}
		})
	}
}

// kubeconfigFor writes a kubeconfig for an address.
func kubeconfigFor(t *testing.T, server, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: far, cluster: {server: '" + server + "', insecure-skip-tls-verify: true}}]\n" +
		"users: [{name: u, user: {token: '" + token + "'}}]\ncontexts: [{name: c, context: {cluster: far, user: u}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnUnreachableServerIsNamedWithTheTimeWaited(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c, err := New("cluster", &Settings{Kubeconfig: kubeconfigFor(t, "https://"+address, marker)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
	if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "no answer after ") {
		t.Errorf("error %v, want a failure with the address and the time", err)
	}
	if diff := cmp.Diff([]string{"kubernetes.reachable error"}, severities(c.Examine(t.Context()))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), marker) {
		t.Errorf("the error holds the token: %v", err)
	}
}

func TestACertificateThatIsNotAcceptedIsAnErrorOfUsage(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	path := kubeconfigFor(t, server.URL, marker)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(", insecure-skip-tls-verify: true"), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New("cluster", &Settings{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
	e, ok := fault.Outermost(err)
	if fault.KindOf(err) != fault.Usage || !ok || !strings.Contains(e.Try, "certificate-authority-data") || !strings.Contains(err.Error(), "unknown authority") || strings.Contains(err.Error(), marker) {
		t.Errorf("error %v, want one of usage that says which authority to name", err)
	}
}

func TestRefusedCredentialsAreAnErrorOfUsage(t *testing.T) {
	cluster := newCluster(t)
	config, err := clientcmd.BuildConfigFromFlags("", cluster.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New("cluster", &Settings{Kubeconfig: kubeconfigFor(t, config.Host, marker)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "credentials are not accepted") || strings.Contains(err.Error(), marker) {
		t.Errorf("error %v, want one of usage about the credentials", err)
	}
}

func TestABrokenKubeconfigIsNotQuoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\nusers: "+marker+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New("cluster", &Settings{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), marker) {
		t.Errorf("error %v, want one of usage that names the file and does not quote it", err)
	}
}

// Invariant 4: of an object that it refuses the server quotes the values. The
// error must not.
func TestAnObjectThatTheServerRefusesIsNotQuoted(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	c := cluster.source(t, nil, namespace)
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := newCatalog(s).configured(t.Context(), []string{"configmaps"})
	if err != nil {
		t.Fatal(err)
	}
	u := documenttest.ObjectWith("x")
	u.SetLabels(map[string]string{"label": marker + " with a blank"})
	err = (&writer{session: s, kind: kinds[0], namespace: namespace, object: u}).create(t.Context())
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "422 Invalid because of metadata.labels") || strings.Contains(err.Error(), marker) {
		t.Errorf("error %v, want one that names the field and does not quote it", err)
	}
}

func TestAListEndsWithItsReader(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), nil)
	s, err := cluster.source(t, nil, namespace).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := newCatalog(s).configured(t.Context(), []string{"secrets"})
	if err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	seen := 0
	err = s.list(t.Context(), listing{kind: kinds[0], namespace: namespace}, func(*unstructured.Unstructured) error {
		seen++
		return stopped
	})
	if !errors.Is(err, stopped) || seen != 1 {
		t.Errorf("%v after %d objects, want the reader's error after one", err, seen)
	}
}

func TestACancelledVerbEnds(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	c := cluster.source(t, nil, namespace)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Data(ctx, func(string, string, string, map[string][]byte) error { return nil })
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Failed {
		t.Errorf("error %v, want a cancellation", err)
	}
}

func TestDataIsDecoded(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	want := map[string]map[string]string{}
	for name, object := range cluster.look(t, namespace) {
		want[name] = object.Data
	}
	got := map[string]map[string]string{}
	err := cluster.source(t, nil, namespace).Data(t.Context(), func(_, kind, name string, data map[string][]byte) error {
		got[kind+"/"+name] = text(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}
