package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// damage changes what a namespace with the zoo holds, in every way in which an
// object can differ, and adds one that no point holds.
func damage(t *testing.T, cluster cluster, namespace string) {
	t.Helper()
	secrets, configMaps := cluster.CoreV1().Secrets(namespace), cluster.CoreV1().ConfigMaps(namespace)
	changed, err := secrets.Get(t.Context(), "binary", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changed.Data["all"] = []byte(marker + "changed")
	cluster.must(t)(secrets.Update(t.Context(), changed, metav1.UpdateOptions{}))
	annotated, err := secrets.Get(t.Context(), "decorated", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	annotated.Annotations = nil
	cluster.must(t)(secrets.Update(t.Context(), annotated, metav1.UpdateOptions{}))
	// Neither an immutable object nor a type can be updated: another one of the name.
	for _, name := range []string{"immutable", "basic"} {
		if err := secrets.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	cluster.create(t, namespace, []corev1.Secret{
		{ObjectMeta: meta("immutable"), Immutable: ref(true), Data: map[string][]byte{"a": []byte(marker + "other")}},
		{ObjectMeta: meta("basic"), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"b": []byte("c")}},
		{ObjectMeta: meta("foreign"), Data: map[string][]byte{"a": []byte(marker + "foreign")}},
	}, nil)
	if err := configMaps.Delete(t.Context(), "mixed", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestCompareNamesWhatDiffersAndNoValue(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	plan, err := c.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	damage(t, cluster, namespace)
	compared, err := c.Compare(t.Context(), from, plan, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range compared.Differences {
		got = append(got, d.What+" "+d.Object)
	}
	want := []string{
		"missing " + namespace + "/ConfigMap/mixed", "digest " + namespace + "/Secret/basic", "digest " + namespace + "/Secret/binary",
		"digest " + namespace + "/Secret/decorated", "digest " + namespace + "/Secret/immutable",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if compared.Equal() || strings.Contains(fmt.Sprintf("%+v", compared), marker) {
		t.Errorf("the comparison is %+v", compared)
	}
}

func TestOverwritingMakesTheNamespaceEqualAndSparesOtherObjects(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	want := cluster.look(t, namespace)
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	damage(t, cluster, namespace)
	want["Secret/foreign"] = cluster.look(t, namespace)["Secret/foreign"]

	plan, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	if diff := cmp.Diff(want, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
	occupied := []source.Occupied{{Target: "kubernetes/testbed/" + namespace, Parts: []string{namespace + "/configmaps", namespace + "/secrets"}, Holds: "11 of the 12 objects to be restored, 4 of them different from the point"}}
	if diff := cmp.Diff(occupied, plan.Occupied); diff != "" {
		t.Errorf("occupied (-want +got):\n%s", diff)
	}
	target := "kubernetes/testbed/" + namespace
	warnings := []string{
		target + " also holds 1 object that the restore leaves as found",
		target + `: of Secret/basic would be overwritten type of "kube.test"`,
		target + `: of Secret/binary would be overwritten data.all of "kube.test"`,
		target + `: of Secret/immutable would be overwritten data.a of "kube.test"`,
	}
	if diff := cmp.Diff(warnings, plan.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// Invariant 5: what came to be after the plan was nobody's to give up.
func TestAnObjectThatAppearsAfterThePlanIsNotOverwritten(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, _ := zoo()
	cluster.create(t, namespace, secrets[:2], nil)
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	cluster.wipe(t.Context(), t, namespace)
	plan, err := c.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}

	cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("binary"), Data: map[string][]byte{"a": []byte(marker + "new")}}, secrets[1]}, nil)
	before := cluster.look(t, namespace)
	_, err = c.Restore(t.Context(), from, plan, progress.Discard)
	if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "Secret/binary") || strings.Contains(err.Error(), marker) {
		t.Errorf("error %v, want a refusal that names Secret/binary", err)
	}
	if diff := cmp.Diff(before, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-before +after):\n%s", diff)
	}
}

func TestRestoreOfASelection(t *testing.T) {
	cluster := newCluster(t)
	namespace, other := cluster.namespace(t, nil), cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	for _, n := range []string{namespace, other} {
		cluster.create(t, n, secrets, configMaps[:4])
	}
	want := cluster.look(t, namespace)
	c := cluster.source(t, nil, namespace, other)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	for _, n := range []string{namespace, other} {
		cluster.wipe(t.Context(), t, n)
	}
	_, compared := bringBack(t, c, from, source.Selection{Include: []string{namespace + "/Secret"}, Exclude: []string{"*/*/b*"}})
	requireEqual(t, compared)
	for name := range want {
		if !strings.HasPrefix(name, "Secret/") || strings.HasPrefix(name, "Secret/b") {
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
	if left := cluster.look(t, other); len(left) > 0 {
		t.Errorf("%d objects came back that were not asked for", len(left))
	}
	_, err := c.Plan(t.Context(), from, source.Selection{Include: []string{namespace + "/Secret/nobody"}})
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("a selection of nothing: %v, want an error of usage", err)
	}
}

// A Secret as it was, beside the one that is in use.
func TestRestoreOfAnObjectUnderAnotherName(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	before := cluster.look(t, namespace)
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	want := source.Selection{
		Include: []string{namespace + "/Secret/binary", namespace + "/ConfigMap/mixed"},
		Rename:  map[string]string{namespace + "/secret/binary": "binary-restored", namespace + "/ConfigMap/mixed": "mixed-restored"},
	}
	plan, compared := bringBack(t, c, from, want)
	requireEqual(t, compared)
	if len(plan.Occupied) > 0 || !slices.ContainsFunc(plan.Warnings, func(text string) bool { return strings.Contains(text, "2 objects get another name") }) {
		t.Errorf("occupied %+v, warnings %q", plan.Occupied, plan.Warnings)
	}
	after := maps.Clone(before)
	after["Secret/binary-restored"], after["ConfigMap/mixed-restored"] = before["Secret/binary"], before["ConfigMap/mixed"]
	if diff := cmp.Diff(after, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}

	// What has that name is overwritten only where somebody agrees, as anything is.
	restored, err := cluster.CoreV1().Secrets(namespace).Get(t.Context(), "binary-restored", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	restored.Data["text"] = []byte("by hand")
	cluster.must(t)(cluster.CoreV1().Secrets(namespace).Update(t.Context(), restored, metav1.UpdateOptions{FieldManager: "kubectl-edit"}))
	plan, compared = bringBack(t, c, from, want)
	requireEqual(t, compared)
	if len(plan.Occupied) != 1 || !slices.ContainsFunc(plan.Warnings, func(text string) bool {
		return strings.Contains(text, "of Secret/binary-restored would be overwritten data.text of \"kubectl-edit\"")
	}) {
		t.Errorf("occupied %+v, warnings %q", plan.Occupied, plan.Warnings)
	}
	if diff := cmp.Diff(after, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}

	for name, want := range map[string]source.Selection{
		"an object that is not there": {Rename: map[string]string{namespace + "/Secret/nobody": "new"}},
		"one that is left out":        {Exclude: []string{"*/Secret"}, Rename: map[string]string{namespace + "/Secret/binary": "new"}},
		"the name of another":         {Rename: map[string]string{namespace + "/Secret/binary": "tls"}},
		"of a namespace left out":     {Include: []string{namespace}, Rename: map[string]string{"other/Secret/binary": "new"}},
	} {
		if _, err := c.Plan(t.Context(), from, want); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "rename objects") {
			t.Errorf("%s: %v, want an error of usage", name, err)
		}
	}
}

func TestCaptureOfMoreThanAPage(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	var configMaps []corev1.ConfigMap
	for i := range 3 * firstPage {
		size := 1 + i%7*i // some of them large, so that pages differ
		configMaps = append(configMaps, corev1.ConfigMap{ObjectMeta: meta(fmt.Sprintf("m-%03d", i)), Data: map[string]string{"a": strings.Repeat("x", 10*size)}})
	}
	cluster.create(t, namespace, nil, configMaps)
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	if got := from.Summary().Documents; got != int64(len(configMaps)) {
		t.Errorf("captured %d objects of %d", got, len(configMaps))
	}
	before := cluster.look(t, namespace)
	cluster.wipe(t.Context(), t, namespace)
	_, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	if diff := cmp.Diff(before, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-before +after):\n%s", diff)
	}
}
