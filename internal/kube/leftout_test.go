package kube

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// parsed reads one object as a test writes it.
func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := kubeyaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhatAClusterMakesAnewIsLeftOut(t *testing.T) {
	const owner = `ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: u, controller: true}]`
	tests := map[string]struct {
		object         string
		pattern, named bool // whether it is left out of a kind that a pattern or a name chose
	}{
		"a Secret":                       {`{apiVersion: v1, kind: Secret, metadata: {name: a}}`, false, false},
		"an event":                       {`{apiVersion: v1, kind: Event, metadata: {name: a}}`, true, false},
		"an event of the newer group":    {`{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: a}}`, true, false},
		"an Event of somebody else":      {`{apiVersion: example.com/v1, kind: Event, metadata: {name: a}}`, false, false},
		"a pod of a controller":          {`{apiVersion: v1, kind: Pod, metadata: {name: a, ` + owner + `}}`, true, false},
		"a pod of its own":               {`{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running}}`, false, false},
		"a pod that has ended":           {`{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Succeeded}}`, true, false},
		"a ReplicaSet of a Deployment":   {`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a, ` + owner + `}}`, true, false},
		"a ReplicaSet of its own":        {`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}}`, false, false},
		"a Job of a CronJob":             {`{apiVersion: batch/v1, kind: Job, metadata: {name: a, ` + owner + `}}`, true, false},
		"a Job that has ended":           {`{apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Complete, status: "True"}]}}`, true, false},
		"a Job that is suspended":        {`{apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Suspended, status: "True"}]}}`, false, false},
		"endpoints of a Service":         {`{apiVersion: v1, kind: Endpoints, metadata: {name: a, annotations: {endpoints.kubernetes.io/last-change-trigger-time: x}}}`, true, false},
		"endpoints by a controller":      {`{apiVersion: v1, kind: Endpoints, metadata: {name: a, managedFields: [{manager: kube-controller-manager}]}}`, true, false},
		"endpoints by hand":              {`{apiVersion: v1, kind: Endpoints, metadata: {name: a, managedFields: [{manager: kubectl}]}}`, false, false},
		"a slice of a Service":           {`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}}`, true, false},
		"a slice by hand":                {`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, labels: {endpointslice.kubernetes.io/managed-by: staff}}}`, false, false},
		"a volume made for a claim":      {`{apiVersion: v1, kind: PersistentVolume, metadata: {name: a, annotations: {pv.kubernetes.io/provisioned-by: pd.csi.storage.gke.io}}}`, true, false},
		"a volume by hand":               {`{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}}`, false, false},
		"a role of the API server":       {`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: edit, labels: {kubernetes.io/bootstrapping: rbac-defaults}}}`, true, true},
		"a role by its name":             {`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: "system:node"}}`, true, true},
		"another role":                   {`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: openim}}`, false, false},
		"the scheduler's own class":      {`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: system-node-critical}}`, true, true},
		"a flow kept up to date":         {`{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {name: a, annotations: {apf.kubernetes.io/autoupdate-spec: "true"}}}`, true, true},
		"a flow that somebody keeps":     {`{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {name: a, annotations: {apf.kubernetes.io/autoupdate-spec: "false"}}}`, false, false},
		"the API server's Service":       {`{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}}`, true, true},
		"a Service of that name":         {`{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: openim}}`, false, false},
		"an APIService of a definition":  {`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: a, labels: {kube-aggregator.kubernetes.io/automanaged: "true"}}}`, true, true},
		"an APIService of another":       {`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: a}}`, true, false},
		"the account of every namespace": {`{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, secrets: [{name: default-token}]}`, true, true},
		"one that pulls images":          {`{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, imagePullSecrets: [{name: a}]}`, false, false},
		"another account":                {`{apiVersion: v1, kind: ServiceAccount, metadata: {name: openim}}`, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := parsed(t, tt.object)
			gk := u.GroupVersionKind().GroupKind()
			if got := (&choice{}).leavesOut(u); got != tt.pattern {
				t.Errorf("chosen by a pattern it is left out: %v, want %v", got, tt.pattern)
			}
			byName := &choice{named: map[schema.GroupKind]bool{gk: true}}
			if got := byName.leavesOut(u); got != tt.named {
				t.Errorf("chosen by name it is left out: %v, want %v", got, tt.named)
			}
		})
	}
}

// The controllers of the testbed make ReplicaSets, pods and histories, and the
// server makes what it needs itself.
func TestWhatIsLeftOutOfARealNamespace(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	workloads := cluster.env.NewWorkloads(t, namespace)
	workloads.Deployment(t, "api", 1)
	workloads.StatefulSet(t, "gateway", 1)
	workloads.AwaitPods(t, "api", 1)
	workloads.AwaitPods(t, "gateway", 1)
	cluster.create(t, namespace, firsts(leftOut()), seconds(leftOut()))
	cluster.must(t)(cluster.CoreV1().ServiceAccounts(namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta("default")}, metav1.CreateOptions{}))
	held := func(kinds ...string) string {
		c := cluster.source(t, func(s *Settings) { s.Kinds = kinds }, namespace)
		from := repotest.New(t).Capture(t, "cluster", Kind, c)
		return strings.Join(slices.Sorted(maps.Keys(capturedOf(t, from).Namespaces[0].Kinds)), " ")
	}
	if diff := cmp.Diff("Deployment.apps StatefulSet.apps", held("*")); diff != "" {
		t.Errorf("of all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("ControllerRevision.apps Pod ReplicaSet.apps", held("pods", "replicasets.apps", "controllerrevisions.apps", "serviceaccounts", "secrets")); diff != "" {
		t.Errorf("of what is named (-want +got):\n%s", diff)
	}
}

// The tables of docs/CONFIG.md are those of the code.
func TestWhatIsLeftOutIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []map[string]omission{remade, native} {
		for kind, o := range table {
			if !bytes.Contains(text, []byte("`"+kind+"`")) || !bytes.Contains(text, []byte("| "+o.why+" |")) {
				t.Errorf("docs/CONFIG.md does not say that %s is left out: %s", kind, o.why)
			}
		}
	}
}
