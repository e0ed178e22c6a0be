package fields

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/kube/document"
)

// fieldsOf reads YAML as the server delivers objects.
func fieldsOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var fields map[string]any
	err := document.Read(strings.NewReader("apiVersion: v1\nkind: X\nmetadata: {name: x}\n"+text), func(d document.Document) error {
		fields = d.Object.Object
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "apiVersion")
	delete(fields, "kind")
	return fields
}

// ownersFrom reads managedFields, manager by manager: each line "manager[/subresource]: fields".
func ownersFrom(t *testing.T, lines ...string) Owners {
	t.Helper()
	var owners Owners
	for _, line := range lines {
		manager, fields, _ := strings.Cut(line, ": ")
		o := fieldOwner{time: "2026-11-27T10:00:00Z"}
		o.manager, o.sub, _ = strings.Cut(manager, "/")
		if err := kubeyaml.Unmarshal([]byte(fields), &o.fields); err != nil {
			t.Fatal(err)
		}
		owners = append(owners, o)
	}
	return owners
}

const (
	helmAll  = `helm: {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:name": {}, "f:image": {}, "f:resources": {}, "f:env": {'k:{"name":"A"}': {".": {}, "f:value": {}}}}}}}}}`
	pod      = "spec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - {name: main, image: \"openim:1\", resources: {limits: {cpu: 1000m, memory: 1Gi}}, env: [{name: A, value: \"1\"}]}\n"
	inPod    = "spec.template.spec.containers[name=main]."
	byEdit   = `kubectl-edit: {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"main"}': {"f:image": {}, "f:env": {'k:{"name":"B"}': {".": {}}}}}}}}}`
	byScale  = `kubectl/scale: {"f:spec": {"f:replicas": {}}}`
	byScaler = `kube-controller-manager/scale: {"f:spec": {"f:replicas": {}}}`
)

func TestDrift(t *testing.T) {
	tests := map[string]struct {
		want, live string
		secret     bool
		scaled     bool
		owners     []string
		found      []string
	}{
		"nothing": {want: pod, live: pod, owners: []string{helmAll}},

		// What people do.
		"an image that was changed": {want: pod, live: strings.Replace(pod, "openim:1", "openim:2", 1), owners: []string{helmAll, byEdit}, found: []string{inPod + "image"}},
		"replicas that were scaled": {want: pod, live: strings.Replace(pod, "replicas: 2", "replicas: 5", 1), owners: []string{helmAll, byScale}, found: []string{"spec.replicas"}},
		"a value of a ConfigMap": {
			want: "data: {a: x, b: y}\n", live: "data: {a: changed, b: y}\n",
			owners: []string{`helm: {"f:data": {"f:b": {}}}`, `kubectl-edit: {"f:data": {"f:a": {}}}`}, found: []string{"data.a"},
		},
		"a key that was added": {
			want: "data: {a: x}\n", live: "data: {a: x, config.yaml: y}\n",
			owners: []string{`helm: {"f:data": {"f:a": {}}}`, `kubectl-edit: {"f:data": {"f:config.yaml": {}}}`}, found: []string{`data["config.yaml"]`},
		},
		"a label that was added": {
			want: "metadata: {name: x, labels: {app: x}}\n", live: "metadata: {name: x, labels: {app: x, extra: y}}\n",
			owners: []string{`helm: {"f:metadata": {"f:labels": {"f:app": {}}}}`, `kubectl-label: {"f:metadata": {"f:labels": {"f:extra": {}}}}`}, found: []string{"metadata.labels.extra"},
		},
		"a label that was removed, of which nothing is known": {
			want: "metadata: {name: x, labels: {app: x, gone: y}}\n", live: "metadata: {name: x, labels: {app: x}}\n",
			owners: []string{`helm: {"f:metadata": {"f:labels": {"f:app": {}}}}`}, found: []string{"metadata.labels.gone"},
		},
		"a variable that was added": {
			want: pod, live: strings.Replace(pod, "env: [", "env: [{name: B, value: x}, ", 1), owners: []string{helmAll, byEdit}, found: []string{inPod + "env[name=B]"},
		},
		"a variable that was removed": {want: pod, live: strings.Replace(pod, `{name: A, value: "1"}`, "", 1), owners: []string{helmAll}, found: []string{inPod + "env[name=A]"}},
		"a value of a Secret": {
			secret: true, want: "stringData: {password: new}\ndata: {user: dQ==}\n", live: "data: {password: b2xk, user: dQ==}\n",
			owners: []string{`kubectl-patch: {"f:data": {"f:password": {}}}`}, found: []string{"data.password"},
		},
		"of whom the server does not tell": {want: pod, live: strings.Replace(pod, "openim:1", "openim:2", 1), found: []string{inPod + "image"}},
		"what a restore has brought back":  {want: "data: {a: x}\n", live: "data: {a: y}\n", owners: []string{`openim-dr: {"f:data": {"f:a": {}}}`}, found: []string{"data.a"}},

		// What the server does, and programs.
		"quantities in another form":     {want: pod, live: strings.NewReplacer("1000m", `"1"`, "1Gi", "1024Mi").Replace(pod), owners: []string{helmAll, byEdit}},
		"numbers as texts":               {want: "spec: {cpu: 1, limits: {cpu: 2}}\n", live: "spec: {cpu: \"1\", limits: {cpu: \"2\"}}\n"},
		"defaults":                       {want: "spec: {a: 1}\n", live: "spec: {a: 1, dnsPolicy: ClusterFirst, strategy: {type: RollingUpdate}}\n", owners: []string{`helm: {"f:spec": {"f:a": {}}}`}},
		"null, and what is empty":        {want: "spec: {a: null, b: {}, c: [], d: \"\", e: false}\n", live: "spec: {a: 5}\n", owners: []string{byEdit}},
		"a field that the server lacks":  {want: "spec: {a: 1, unknown: 2}\n", live: "spec: {a: 1}\n", owners: []string{helmAll}},
		"a Secret's text and its base64": {secret: true, want: "stringData: {a: x}\n", live: "data: {a: eA==}\n", owners: []string{`kubectl-edit: {"f:data": {"f:a": {}}}`}},
		"a Secret's lines":               {secret: true, want: "data: {a: \"eHh4\\neHh4\\n\"}\n", live: "data: {a: eHh4eHh4}\n", owners: []string{`kubectl-edit: {"f:data": {"f:a": {}}}`}},
		"replicas by an autoscaler":      {want: pod, live: strings.Replace(pod, "replicas: 2", "replicas: 5", 1), owners: []string{helmAll, byScaler}},
		"replicas of what is scaled":     {want: pod, live: strings.Replace(pod, "replicas: 2", "replicas: 5", 1), owners: []string{helmAll, byScale}, scaled: true},
		"a webhook in Helm's own write":  {want: pod, live: strings.Replace(pod, "openim:1", "mirror/openim:1", 1), owners: []string{helmAll}},
		"what was applied, and Helm's marks": {
			want: "metadata: {name: x}\n", live: "metadata: {name: x, annotations: {" + lastApplied + ": x, meta.helm.sh/release-name: r, kubectl.kubernetes.io/restartedAt: y}}\n",
			owners: []string{`kubectl: {"f:metadata": {"f:annotations": {"f:` + lastApplied + `": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}`},
		},
		"an annotation of a controller": {
			want: "metadata: {name: x}\n", live: "metadata: {name: x, annotations: {ingress.kubernetes.io/backends: x}}\n",
			owners: []string{`ingress-controller: {"f:metadata": {"f:annotations": {"f:ingress.kubernetes.io/backends": {}}}}`},
		},
		"status": {want: "status: {a: 1}\n", live: "status: {a: 2}\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want, live := fieldsOf(t, tt.want), fieldsOf(t, tt.live)
			if tt.secret {
				want["kind"] = "Secret"
			}
			var found []string
			for _, d := range Drift(want, live, ownersFrom(t, tt.owners...), tt.scaled) {
				found = append(found, pathText(d.path))
			}
			if diff := cmp.Diff(tt.found, found); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoHasChangedAnObjectLast(t *testing.T) {
	owners := Owners{
		{manager: "helm", time: "2026-11-01T10:00:00Z"},
		{manager: "kubectl-edit", time: "2026-11-02T10:00:00Z"},
		{manager: "kubelet", time: "2026-11-03T10:00:00Z", sub: "status"},
		{manager: "helm", time: "2026-11-01T11:00:00Z", sub: "scale"},
		{manager: "kubectl", sub: "scale", fields: map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}},
	}
	if by, at := owners.Newest(); by != "kubectl-edit" || at.Day() != 2 {
		t.Errorf("got %q at %v", by, at)
	}
	replicas := []Difference{{path: []step{fieldStep("spec"), fieldStep("replicas")}}}
	if by, at := owners.NewestHand(replicas); by != "kubectl" || !at.IsZero() {
		t.Errorf("replicas were changed by %q at %v", by, at)
	}
	if by, at := (Owners{}).Newest(); by != "" || !at.IsZero() {
		t.Errorf("without managedFields: %q at %v", by, at)
	}
}

func TestHands(t *testing.T) {
	for manager, want := range map[string]bool{
		"kubectl-edit": true, "kubectl": true, "k9s": true, "Mozilla": true, "terraform": true,
		"helm": false, "helm-controller": false, "Helm": false, "kube-controller-manager": false, "argocd-application-controller": false, "openim-dr": false, "": false, "prometheus-operator": false,
	} {
		if IsHand(manager) != want {
			t.Errorf("%q is a hand: %v, want %v", manager, !want, want)
		}
	}
}
