package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestDaemonLooksAtCoverage asks a real cluster: what OpenIM uses there and no source
// covers keeps the status from being well, and so does a cluster that does not answer.
func TestDaemonLooksAtCoverage(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	namespace := env.NewNamespace(t)
	client := env.Kubernetes(t).CoreV1().ConfigMaps(namespace)
	covered := func(kubeconfig string) *coverage {
		t.Helper()
		path := setUp(t, "- {name: cluster, kind: kubernetes, kubeconfig: "+kubeconfig+", namespaces: ["+namespace+"]}")
		c, err := config.Load(path, settingsOfKinds())
		if err != nil {
			t.Fatal(err)
		}
		return &coverage{config: c}
	}
	require := func(c *coverage, code status.Code, subject string, stores int) {
		t.Helper()
		r := &status.Report{State: status.OK}
		r.Cover(c.look(t.Context()))
		if r.State != status.Warning || len(r.Reasons) != 1 || r.Reasons[0].Code != code || r.Reasons[0].Subject != subject || *r.UncoveredStores != stores {
			t.Errorf("it finds %+v, %d stores; want %s of %s", r.Reasons, *r.UncoveredStores, code, subject)
		}
	}
	nothing := covered(env.Kubeconfig)
	require(nothing, status.CoverageUnknown, "openim.configuration", 0)

	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "openim-cm"}, Data: map[string]string{"config.yaml": `mongo: {address: [ "mongo-0:27017" ], database: openIM_v3}`}}
	if _, err := client.Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	require(nothing, status.CoverageUnknown, "openim.configuration", 0) // it has looked just now
	require(covered(env.Kubeconfig), status.StoreUncovered, "MongoDB", 1)

	silent := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"
	if err := os.WriteFile(silent, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &status.Report{State: status.OK}
	if r.Cover(covered(silent).look(t.Context())); r.State != status.Warning || r.Reasons[0].Code != status.CoverageUnknown || *r.UncoveredStores != 0 {
		t.Errorf("of a cluster that does not answer it says %+v", r.Reasons)
	}
}
