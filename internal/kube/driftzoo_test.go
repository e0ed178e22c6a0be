package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// driftZoo has what servers write in another way than charts do: defaults everywhere,
// quantities and numbers, empty values, fields that no server knows. It grows with
// every false alarm.
const driftZoo = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: zoo, labels: {}}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: zoo}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: zoo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: zoo}
subjects: [{kind: ServiceAccount, name: zoo}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Namespace }}"}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: v1
kind: Service
metadata: {name: zoo, annotations: null}
spec:
  selector: {app: zoo}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: named, port: 81, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: zoo}
spec:
  rules: [{host: zoo.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: zoo, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: zoo}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: zoo}
spec: {minAvailable: 50%, selector: {matchLabels: {app: zoo}}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: zoo}
spec: {limits: [{type: Container, default: {cpu: 500m, memory: 1024Mi}, defaultRequest: {cpu: 0.1}}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: zoo}
spec: {hard: {requests.cpu: 1000m, pods: 10}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: zoo}
spec:
  replicas: 0
  serviceName: zoo
  selector: {matchLabels: {app: zoo}}
  template:
    metadata: {labels: {app: zoo}}
    spec:
      tolerations: []
      securityContext: {}
      initContainers: [{name: init, image: none, command: [sh, -c, "true"]}]
      containers:
      - name: main
        image: none
        env: [{name: EMPTY, value: ""}, {name: REF, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]
        ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]
        livenessProbe: {httpGet: {port: 80}, initialDelaySeconds: 0}
        resources: {limits: {cpu: 1, memory: 1073741824}, requests: {cpu: "0.25", memory: 1G}}
        volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {sizeLimit: 1024Mi}}, {name: config, configMap: {name: zoo, items: []}}]
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: zoo}
spec:
  selector: {matchLabels: {app: zoo}}
  template:
    metadata: {labels: {app: zoo}, creationTimestamp: null}
    spec: {containers: [{name: main, image: none}], nodeSelector: {none: "true"}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: zoo}
spec:
  schedule: "*/5 * * * *"
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: none}]}}}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: zoo}, data: {number: "1e3", text: "1000m", empty: ""}, binaryData: {bytes: "AAEC\n"}}
- {apiVersion: v1, kind: Secret, metadata: {name: zoo}, data: {a: "eA=="}, stringData: {a: "y", empty: ""}}
`

// driftZooKinds are those of the zoo, as the API names them.
var driftZooKinds = []string{
	"serviceaccounts", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io", "services",
	"ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy", "limitranges", "resourcequotas",
	"statefulsets.apps", "daemonsets.apps", "cronjobs.batch", "configmaps", "secrets",
}

// labelAll does to each object of a release what `kubectl label` does, so that a hand
// has changed all of them. It returns how many there are.
func (c cluster) labelAll(t *testing.T, namespace string) (labelled int) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range driftZooKinds {
		resource := schema.ParseGroupResource(name)
		all := client.Resource(resource.WithVersion("v1"))
		objects := all.Namespace(namespace)
		if resource.Resource == "clusterroles" {
			objects = all
		}
		list, err := objects.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=Helm"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, u := range list.Items {
			if u.GetName() != "zoo" && u.GetName() != namespace {
				continue // another test's
			}
			_, err := objects.Patch(t.Context(), u.GetName(), types.MergePatchType, []byte(`{"metadata":{"labels":{"hand":"yes"}}}`), metav1.PatchOptions{FieldManager: "kubectl-label"})
			if err != nil {
				t.Fatalf("%s %s: %v", name, u.GetName(), err)
			}
			labelled++
		}
	}
	return labelled
}

// What a server makes of a manifest is nobody's drift, neither when Helm has just
// installed it nor when a hand has changed something else of the object.
func TestDriftDoesNotCryWolf(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	chart := testbed.NewChart(t, "zoo", "1.0.0", "1", "", map[string]string{"zoo.yaml": driftZoo})
	chart.Install(t, cluster.env, namespace, "zoo")
	t.Cleanup(func() { cluster.env.RunHelm(t, "uninstall", "zoo", "--namespace", namespace) })
	c := cluster.source(t, func(s *Settings) { s.Kinds = driftZooKinds }, namespace)
	fixture := repotest.New(t)

	installed := fixture.Capture(t, "cluster", Kind, c)
	if warnings := installed.Point().Sources[0].Warnings; len(warnings) > 0 {
		t.Fatalf("warnings %+v", warnings)
	}
	requireDrift(t, installed, namespace, nil)
	if got := cluster.labelAll(t, namespace); got != len(driftZooKinds) {
		t.Fatalf("labelled %d objects of %d kinds", got, len(driftZooKinds))
	}
	labelled := fixture.Capture(t, "cluster", Kind, c)
	var want []string
	for _, kind := range []string{
		"ClusterRole.rbac.authorization.k8s.io/" + namespace, "ConfigMap/zoo", "CronJob.batch/zoo", "DaemonSet.apps/zoo", "Ingress.networking.k8s.io/zoo", "LimitRange/zoo", "NetworkPolicy.networking.k8s.io/zoo",
		"PodDisruptionBudget.policy/zoo", "ResourceQuota/zoo", "Role.rbac.authorization.k8s.io/zoo", "RoleBinding.rbac.authorization.k8s.io/zoo", "Secret/zoo",
		"Service/zoo", "ServiceAccount/zoo", "StatefulSet.apps/zoo",
	} {
		want = append(want, fmt.Sprintf("drifted %s by hand:  | metadata.labels.hand", kind))
	}
	requireDrift(t, labelled, namespace, want)
	// The ClusterRoles of the cluster itself have no release.
	if record := recordOf(t, labelled); record.Cluster == nil || record.Cluster.Drifted != 1 {
		t.Errorf("of the cluster as a whole the record says %+v", record.Cluster)
	}

	cluster.env.RunHelm(t, "uninstall", "zoo", "--namespace", namespace)
	bringBack(t, c, labelled, source.Selection{})
	restored := fixture.Capture(t, "cluster", Kind, c)
	if record := recordOf(t, restored); len(record.Releases) != 1 {
		t.Errorf("releases that came back: %+v", record.Releases)
	}
	requireDrift(t, restored, namespace, nil) // who has added a label nobody knows any more
}

// requireDrift wants exactly so much to have drifted of the test's own objects.
func requireDrift(t *testing.T, from *repository.SourceReader, namespace string, want []string) {
	t.Helper()
	found, err := ReadChanges(t.Context(), from, from, Reading{Drift: true})
	if err != nil {
		t.Fatal(err)
	}
	var own []Change
	for _, change := range found {
		if change.Namespace == namespace || strings.Contains(change.Name, namespace) {
			own = append(own, change)
		}
	}
	if diff := cmp.Diff(want, described(own)); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
}
