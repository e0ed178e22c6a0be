package kube

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/kube/helm/helmtest"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// openimChart is a small OpenIM as a chart, with what makes careless comparisons cry
// wolf: quantities and numbers in other forms, text in a Secret, empty values, an
// autoscaler.
func openimChart(t *testing.T) *testbed.Chart {
	deployment := `apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, labels: {app: %[1]s, tier: ""}, annotations: {}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: %[1]s}}
  strategy: null
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      nodeSelector: {}
      containers:
      - name: main
        image: "openim/%[1]s:{{ .Chart.AppVersion }}"
        args: []
        env: [{name: TZ, value: Asia/Shanghai}]
        ports: [{containerPort: 10002}]
        resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.5}}
`
	return testbed.NewChart(t, "openim", "1.2.3", "3.4.0", "replicas: 2\n", map[string]string{
		"config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: openim-config}\ndata:\n  config.yaml: |\n    mongo: {password: " + marker + "config}\n  level: \"3\"\n",
		"extra.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: openim-extra}\ndata: {a: b}\n---\n# nothing more\n",
		"labels.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: openim-labels}\ndata: {a: b}\n",
		"secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: openim-secret}\ntype: Opaque\nstringData: {password: " + marker + "first, user: root}\n",
		"api.yaml":    fmt.Sprintf(deployment, "openim-api"), "push.yaml": fmt.Sprintf(deployment, "openim-push"), "rpc.yaml": fmt.Sprintf(deployment, "openim-rpc"),
		"scaler.yaml": "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: push}\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: openim-push}\n  minReplicas: 1\n  maxReplicas: 9\n",
	})
}

var openimKinds = []string{"secrets", "configmaps", "deployments.apps", "horizontalpodautoscalers.autoscaling"}

// edit does what an operator does with kubectl edit.
func (c cluster) edit(t *testing.T, namespace, resource, name, patch string) {
	t.Helper()
	options := metav1.PatchOptions{FieldManager: "kubectl-edit"}
	var err error
	switch resource {
	case "configmap":
		_, err = c.CoreV1().ConfigMaps(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), options)
	case "secret":
		_, err = c.CoreV1().Secrets(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), options)
	case "deployment":
		_, err = c.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), options)
	case "deployment scale":
		_, err = c.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl"}, "scale")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// editByHand changes a release in all the ways in which people do, and once as an
// autoscaler does.
func (c cluster) editByHand(t *testing.T, namespace string) {
	t.Helper()
	c.edit(t, namespace, "configmap", "openim-config", `{"data":{"config.yaml":"mongo: {password: `+marker+`changed}\n","added":"x"}}`)
	c.edit(t, namespace, "deployment scale", "openim-api", `{"spec":{"replicas":5}}`)
	c.edit(t, namespace, "deployment", "openim-rpc", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"openim/openim-rpc:hotfix","env":[{"name":"DEBUG","value":"`+marker+`env"}]}]}}}}`)
	c.edit(t, namespace, "configmap", "openim-labels", `{"metadata":{"labels":{"team":"night"}}}`)
	c.edit(t, namespace, "secret", "openim-secret", `{"stringData":{"password":"`+marker+`second"}}`)
	c.edit(t, namespace, "deployment scale", "openim-push", `{"spec":{"replicas":7}}`)
	if err := c.CoreV1().ConfigMaps(namespace).Delete(t.Context(), "openim-extra", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.create(t, namespace, nil, []corev1.ConfigMap{{ObjectMeta: meta("by-hand"), Data: map[string]string{"a": "b"}}})
}

// described is a change in short: fields that have changed, and after a bar those
// that are not as in the release.
func described(changes []Change) []string {
	paths := func(changed []fields.Change) string {
		var all []string
		for _, f := range changed {
			all = append(all, f.Path)
		}
		return strings.Join(all, " ")
	}
	var texts []string
	for _, c := range changes {
		by := ""
		if c.Manual {
			by = " by hand"
		}
		texts = append(texts, fmt.Sprintf("%s %s/%s%s: %s | %s", c.Change, c.Kind, c.Name, by, paths(c.Fields), paths(c.Drift)))
	}
	return texts
}

func recordOf(t *testing.T, from *repository.SourceReader) Captured {
	t.Helper()
	var record Captured
	if err := from.Captured(&record); err != nil {
		t.Fatal(err)
	}
	return record
}

// requireNoValue fails if anything that a result says holds a secret.
func requireNoValue(t *testing.T, result any) {
	t.Helper()
	text, err := json.Marshal(result)
	if err != nil || shows(text, marker) {
		t.Errorf("a value is in the result: %s, %v", text, err)
	}
}

// shows reports whether a text holds a value, be it as Secrets have it.
func shows(text []byte, value string) bool {
	encoded := base64.StdEncoding.EncodeToString([]byte(value))
	whole := len(value) / 3 * 4 // the rest depends on what follows
	return bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte(encoded[:whole]))
}

// A release that Helm itself has installed, and then everything that people do to
// one: each of it is found and named, and nothing else is.
func TestDriftByHandIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	openimChart(t).Install(t, cluster.env, namespace, "main", "--set", "replicas=3")
	fixture := repotest.New(t)
	c := cluster.source(t, func(s *Settings) { s.Kinds = openimKinds }, namespace)
	before := fixture.Capture(t, "cluster", Kind, c)
	record := recordOf(t, before)
	want := []CapturedRelease{{Namespace: namespace, Name: "main", Chart: "openim", ChartVersion: "1.2.3", AppVersion: "3.4.0", Revision: 1, Status: "deployed"}}
	if diff := cmp.Diff(want, record.Releases); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
	fresh, err := ReadChanges(t.Context(), before, before, Reading{Drift: true})
	if err != nil || len(fresh) > 0 || record.Namespaces[0].Drifted > 0 {
		t.Errorf("what Helm has just installed has drifted: %+v, %v", fresh, err)
	}

	cluster.editByHand(t, namespace)
	after := fixture.Capture(t, "cluster", Kind, c)
	changes, err := ReadChanges(t.Context(), before, after, Reading{})
	if err != nil {
		t.Fatal(err)
	}
	main := "spec.template.spec.containers[name=main]."
	wantChanges := []string{
		"added ConfigMap/by-hand by hand:  | ",
		`changed ConfigMap/openim-config by hand: data.added data["config.yaml"] | data["config.yaml"] data.added`,
		"removed ConfigMap/openim-extra by hand:  | ",
		"changed ConfigMap/openim-labels by hand: metadata.labels.team | metadata.labels.team",
		"changed Deployment.apps/openim-api by hand: spec.replicas | spec.replicas",
		"changed Deployment.apps/openim-push: spec.replicas | ",
		"changed Deployment.apps/openim-rpc by hand: " + main + "env[name=DEBUG] " + main + "image | " + main + "env[name=DEBUG] " + main + "image",
		"changed Secret/openim-secret by hand: data.password | data.password",
	}
	if diff := cmp.Diff(wantChanges, described(changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	requireNoValue(t, changes)
	encoded := base64.StdEncoding.EncodeToString([]byte(marker))[:len(marker)/3*4]
	repotest.RequireSealed(t, fixture.Dir(), []string{marker, encoded, "openim-config", "openim-secret", "by-hand", "openim-rpc"})
	if got := recordOf(t, after).Namespaces[0].Drifted; got != 6 {
		t.Errorf("%d objects have drifted, want 6", got)
	}
	warnings := after.Point().Sources[0].Warnings
	if !slices.Contains(warnings, repository.Count{Source: "cluster", Code: warnDrift, Count: 6}) {
		t.Errorf("warnings %+v", warnings)
	}

	t.Run("without a key", func(t *testing.T) { requireSameWithoutKey(t, before, after, changes) })
	t.Run("who and when", func(t *testing.T) {
		for _, change := range changes {
			want := map[string]string{"openim-config": "kubectl-edit", "openim-rpc": "kubectl-edit", "openim-api": "kubectl", "openim-extra": ""}
			if by, ok := want[change.Name]; ok && (change.By != by || (change.At != nil) != (by == "kubectl-edit") || change.Release != "main") {
				t.Errorf("the change is %+v", change)
			}
		}
	})
	t.Run("values on request, and never those of Secrets", func(t *testing.T) {
		shown, err := ReadChanges(t.Context(), before, after, Reading{Values: true})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(shown)
		for value, want := range map[string]bool{"config": true, "changed": true, "first": false, "second": false} {
			if got := shows(text, marker+value); got != want {
				t.Errorf("value %q is shown: %v", value, got)
			}
		}
	})
	t.Run("drift that stays is listed on request", func(t *testing.T) {
		stays, err := ReadChanges(t.Context(), after, after, Reading{Drift: true})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			`drifted ConfigMap/openim-config by hand:  | data["config.yaml"] data.added`,
			"drifted ConfigMap/openim-labels by hand:  | metadata.labels.team",
			"drifted Deployment.apps/openim-api by hand:  | spec.replicas",
			"drifted Deployment.apps/openim-rpc by hand:  | " + main + "env[name=DEBUG] " + main + "image",
			"drifted Secret/openim-secret by hand:  | data.password",
			"absent ConfigMap/openim-extra by hand:  | ",
		}
		if diff := cmp.Diff(want, described(stays)); diff != "" {
			t.Errorf("drift (-want +got):\n%s", diff)
		}
		requireNoValue(t, stays)
	})
	t.Run("an upgrade makes good and is no hand's work", func(t *testing.T) {
		openimChart(t).Install(t, cluster.env, namespace, "main", "--set", "replicas=4")
		upgraded := fixture.Capture(t, "cluster", Kind, c)
		changes, err := ReadChanges(t.Context(), after, upgraded, Reading{})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			if change.Kind == "Deployment.apps" && change.Manual && len(change.Drift) == 0 {
				t.Errorf("%+v", change)
			}
		}
		if got := recordOf(t, upgraded).Releases[0].Revision; got != 2 {
			t.Errorf("revision %d", got)
		}
	})
}

// requireSameWithoutKey wants the list to tell the same as the content, without names.
func requireSameWithoutKey(t *testing.T, before, after *repository.SourceReader, want []Change) {
	t.Helper()
	got, err := ListChanges(t.Context(), before, after)
	if err != nil {
		t.Fatal(err)
	}
	short := func(changes []Change) []string {
		var texts []string
		for _, c := range changes {
			texts = append(texts, fmt.Sprintf("%s %s %s %s %s", c.ID, c.Change, c.Kind, c.Namespace, c.By))
		}
		slices.Sort(texts)
		return texts
	}
	if diff := cmp.Diff(short(want), short(got)); diff != "" {
		t.Errorf("changes (-with a key +without):\n%s", diff)
	}
	for _, c := range got {
		if c.Name != "" || len(c.Fields) > 0 {
			t.Errorf("without a key there is %+v", c)
		}
	}
}

func TestValuesOfAReleaseAreCaptured(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	for _, replicas := range []string{"3", "5"} {
		openimChart(t).Install(t, cluster.env, namespace, "main", "--set", "replicas="+replicas+",password="+marker+"values")
	}
	fixture := repotest.New(t)
	from := fixture.Capture(t, "cluster", Kind, cluster.source(t, nil, namespace))
	read := func(name string) string {
		file, err := from.Open(t.Context(), name, helmDir, namespace, "main")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		text, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got, want := read(valuesName), "password: "+marker+"values\nreplicas: 5\n"; got != want {
		t.Errorf("values %q, want %q", got, want)
	}
	// Helm's own view of the same.
	if got, want := read(manifestName), cluster.env.RunHelm(t, "get", "manifest", "main", "--namespace", namespace); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("manifest (-helm +captured):\n%s", cmp.Diff(want, got))
	}
	repotest.RequireSealed(t, fixture.Dir(), []string{marker})
}

// Whatever a Secret of Helm's type holds, the rest of the namespace is captured, and
// the point says that something was not read.
func TestAReleaseThatIsNoneIsAWarning(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	hostile := meta("sh.helm.release.v1.bad.v1")
	hostile.Labels = helmtest.Labels("bad", 1, "deployed", nil)
	good := meta("sh.helm.release.v1.good.v3")
	good.Labels = helmtest.Labels("good", 3, "deployed", nil)
	pending := meta("sh.helm.release.v1.good.v4")
	pending.Labels = helmtest.Labels("good", 4, "pending-upgrade", nil)
	release := helmtest.Packed(t, helmtest.Chart(namespace, "good", 3, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nowhere}\n", nil))
	cluster.create(t, namespace, []corev1.Secret{
		{ObjectMeta: hostile, Type: helm.SecretType, Data: map[string][]byte{"release": []byte(marker + "hostile")}},
		{ObjectMeta: good, Type: helm.SecretType, Data: map[string][]byte{"release": []byte(release)}},
		{ObjectMeta: pending, Type: helm.SecretType, Data: map[string][]byte{"release": []byte(release)}},
	}, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, cluster.source(t, nil, namespace))
	want := []repository.Count{{Source: "cluster", Code: warnReleaseUnreadable, Count: 1}, {Source: "cluster", Code: warnReleaseUnsettled, Count: 1}}
	if diff := cmp.Diff(want, from.Point().Sources[0].Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	record := recordOf(t, from)
	if len(record.Releases) != 1 || record.Releases[0].Revision != 3 || record.Namespaces[0].Objects != 3 || record.Namespaces[0].Drifted != 0 {
		t.Errorf("record %+v", record)
	}
}

// A release that Helm keeps in ConfigMaps.
func TestReleasesInConfigMaps(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	t.Setenv("HELM_DRIVER", "configmap")
	openimChart(t).Install(t, cluster.env, namespace, "main")
	c := cluster.source(t, func(s *Settings) { s.Kinds = []string{"configmaps"} }, namespace)
	record := recordOf(t, repotest.New(t).Capture(t, "cluster", Kind, c))
	if len(record.Releases) != 1 || record.Releases[0].Name != "main" || record.Namespaces[0].Drifted != 0 {
		t.Errorf("record %+v", record)
	}
}

// earlierVersion writes what a point holds as versions did that knew nothing of lists.
type earlierVersion struct{ from *repository.SourceReader }

func (e earlierVersion) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	var record Captured
	if err := e.from.Captured(&record); err != nil {
		return err
	}
	for _, namespace := range record.Namespaces {
		text, err := e.from.Open(ctx, fileName(namespace.Name))
		if err != nil {
			return err
		}
		file, err := draft.Create(ctx, fileName(namespace.Name))
		if err != nil {
			return err
		}
		if _, err = io.Copy(file, text); err == nil {
			err = file.Commit()
		}
		if err = errors.Join(err, text.Close()); err != nil {
			return err
		}
	}
	draft.Summarize(e.from.Summary())
	return draft.Captured(record)
}

// A point of an earlier version has no list of objects: with a key it is compared
// all the same, without one the error says what to do.
func TestPointsWithoutAListAreComparedByContent(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), seconds(zoo())[:4])
	c := cluster.source(t, nil, namespace)
	fixture := repotest.New(t)
	before := fixture.Capture(t, "cluster", Kind, earlierVersion{fixture.Capture(t, "cluster", Kind, c)})
	damage(t, cluster, namespace)
	after := fixture.Capture(t, "cluster", Kind, c)
	changes, err := ReadChanges(t.Context(), before, after, Reading{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, change := range changes {
		got = append(got, string(change.Change)+" "+change.Kind+"/"+change.Name)
	}
	want := []string{"removed ConfigMap/mixed", "changed Secret/basic", "changed Secret/binary", "changed Secret/decorated", "added Secret/foreign", "changed Secret/immutable"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	requireNoValue(t, changes)
	_, err = ListChanges(t.Context(), before, after)
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Usage || !strings.Contains(e.Try, "--identity") {
		t.Errorf("error %v", err)
	}
}
