package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openim-dr/openim-dr/internal/testbed"

	"github.com/openim-dr/openim-dr/internal/kube"
)

// What was changed by hand is told in a few lines, whatever was changed.
func TestHandWorkIsBounded(t *testing.T) {
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	later := at.Add(time.Hour)
	changes := []kube.Change{
		{Namespace: "im", Kind: "Secret", Change: kube.Changed, By: "k9s", At: &at},
		{Namespace: "im", Kind: "ConfigMap", Change: kube.Changed, By: "kubectl-edit", At: &later},
		{Namespace: "im", Kind: "ConfigMap", Change: kube.Changed, By: "kubectl-edit", At: &at},
		{Kind: "ClusterRole.rbac.authorization.k8s.io", Change: kube.Added},
	}
	want := `2 ConfigMap changed in namespace im, by kubectl-edit, last at 2026-11-27 03:00:00Z
1 Secret changed in namespace im, by k9s, last at 2026-11-27 02:00:00Z
1 ClusterRole.rbac.authorization.k8s.io added`
	if got := handWork(changes); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i := range 100 {
		changes = append(changes, kube.Change{Kind: strings.Repeat("K", i+1), Change: kube.Added})
	}
	if got := handWork(changes); strings.Count(got, "\n") != mostByHand || !strings.HasSuffix(got, "and 93 more lines like these") {
		t.Errorf("got\n%s", got)
	}
}

// TestDaemonTellsWhatWasChangedByHand edits an object of a cluster between two points
// that a schedule takes: the log counts it, and somebody is told which kind in which
// namespace, by whom, and not its name.
func TestDaemonTellsWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	namespace := env.NewNamespace(t)
	maps := env.Kubernetes(t).CoreV1().ConfigMaps(namespace)
	// The server tells who has written what only of objects that were made with something.
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hunter2"}, Data: map[string]string{"a": "a"}}
	if _, err := maps.Create(t.Context(), made, metav1.CreateOptions{FieldManager: "helm"}); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	p := startDaemon(t, setUp(t, `- {name: cluster, kind: kubernetes, kubeconfig: "`+env.Kubeconfig+`", cluster: test, namespaces: [`+namespace+`]}`+r.configuration(t)+`
schedules: [{name: nightly, cron: "@every 3s", sources: [cluster]}]`))
	at := 0
	p.await(&at, "cluster compared with the point before", `"byHand":0`)
	if _, err := maps.Patch(t.Context(), "hunter2", types.MergePatchType, []byte(`{"data":{"a":"b"}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	p.await(&at, "cluster compared with the point before", `"changed":1`, `"byHand":1`)
	sent := 0
	p.await(&sent, "notification sent", `"about":"openim-dr/test/drift/cluster"`)
	p.stop()
	told := r.heard()["warning: drift/cluster"]
	if len(told) != 1 {
		t.Fatalf("it was told %d times", len(told))
	}
	for _, want := range []string{"1 object of source cluster was changed by hand between", "1 ConfigMap changed in namespace " + namespace + ", by kubectl-edit, last at ", "What to do: openim-dr changes --from "} {
		if !strings.Contains(told[0], want) {
			t.Errorf("%q is not in\n%s", want, told[0])
		}
	}
	if strings.Contains(told[0], "hunter2") {
		t.Errorf("it names the object:\n%s", told[0])
	}
}
