package kube

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Invariant 3, with the dynamic client as the witness: a lost cluster. Whatever
// keeps others from being written comes back last: of the zoo's own webhook that
// refuses all widgets this is the proof.
func TestEveryKindSurvivesTheLossOfTheCluster(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.make(t)
	before := z.look(t)
	kinds := map[string]bool{}
	for name := range before {
		kind, _, _ := strings.Cut(name, "/")
		kinds[kind] = true
	}
	if len(kinds) < 40 || len(before) != len(z.objects) {
		t.Fatalf("the zoo has %d objects of %d kinds", len(before), len(kinds))
	}
	c := z.source(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	if got := from.Summary().Documents; got != int64(len(before)) {
		t.Errorf("captured %d documents, want %d:\n%s", got, len(before), missingFrom(t, from, z))
	}

	z.remove(t.Context(), t)
	z.removeNamespace(t.Context(), t, z.namespace)
	if left := z.look(t); len(left) > 0 {
		t.Fatalf("%v are left", slices.Sorted(maps.Keys(left)))
	}
	plan, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	if len(plan.Occupied) != 0 {
		t.Errorf("occupied: %+v", plan.Occupied)
	}
	if diff := cmp.Diff(before, z.look(t)); diff != "" {
		t.Errorf("objects differ (-before +after):\n%s", diff)
	}
	z.requireOrder(t)
}

// missingFrom names what of the zoo is in no file.
func missingFrom(t *testing.T, from *repository.SourceReader, z *kindZoo) string {
	t.Helper()
	held := string(plaintext(t, from, clusterPart)) + string(plaintext(t, from, z.namespace))
	var missing []string
	for _, u := range z.objects {
		if !strings.Contains(held, "kind: "+u.GetKind()+"\n") {
			missing = append(missing, u.GetKind())
		}
	}
	return strings.Join(missing, ", ")
}

// requireOrder looks at the versions that the server counts up with each write.
func (z *kindZoo) requireOrder(t *testing.T) {
	t.Helper()
	written := func(kind string) string {
		for _, u := range z.objects {
			if u.GetKind() == kind {
				live, err := z.of(u).Get(t.Context(), u.GetName(), metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprintf("%020s", live.GetResourceVersion())
			}
		}
		t.Fatalf("the zoo has no %s", kind)
		return ""
	}
	order := []string{"Role", "Secret", "RoleBinding", "Widget", "ValidatingWebhookConfiguration"}
	for i, kind := range order[1:] {
		if written(order[i]) > written(kind) {
			t.Errorf("%s was written after %s", order[i], kind)
		}
	}
}

// Two captures of a cluster in which nothing changes are equal to the byte.
func TestTwoCapturesOfEveryKindAreEqual(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.make(t)
	c, fixture := z.source(t, nil), repotest.New(t)
	first, second := fixture.Capture(t, "cluster", Kind, c), fixture.Capture(t, "cluster", Kind, c)
	for _, part := range []string{clusterPart, z.namespace} {
		if !bytes.Equal(plaintext(t, first, part), plaintext(t, second, part)) {
			t.Errorf("the files of %s differ", part)
		}
	}
}

// What was changed by hand is overwritten, fields that the point lacks included,
// what objects were given by the cluster stays, and the plan says whose the fields
// are.
func TestOverwritingEveryKind(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.make(t)
	before := z.look(t)
	c := z.source(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	address := z.address(t)
	for _, u := range z.objects {
		patch := `{"metadata":{"labels":{"example.com/added":"by-hand"},"annotations":{"example.com/added":"by-hand"}}}`
		_, err := z.of(u).Patch(t.Context(), u.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
		if err != nil {
			t.Fatal(err)
		}
	}
	role := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": map[string]any{"name": z.name, "namespace": z.namespace}}}
	_, err := z.of(role).Patch(t.Context(), z.name, types.MergePatchType, []byte(`{"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		t.Fatal(err)
	}

	plan, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	if len(plan.Occupied) != 2 {
		t.Errorf("occupied: %+v", plan.Occupied)
	}
	want := fmt.Sprintf(`kubernetes/testbed/%s: of Role.rbac.authorization.k8s.io/%s would be overwritten rules of "kubectl-edit"`, z.namespace, z.name)
	if !slices.Contains(plan.Warnings, want) {
		t.Errorf("warnings %q, want %q", plan.Warnings, want)
	}
	if diff := cmp.Diff(before, z.look(t)); diff != "" {
		t.Errorf("objects differ (-before +after):\n%s", diff)
	}
	if got := z.address(t); got != address {
		t.Errorf("a Service that was overwritten has address %s, and had %s", got, address)
	}
}

func (z *kindZoo) address(t *testing.T) string {
	t.Helper()
	s, err := z.CoreV1().Services(z.namespace).Get(t.Context(), z.name+"-port", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(s.Spec.ClusterIPs, s.Spec.Ports)
}

// A claim, and whatever else takes data with it, is not deleted to be changed.
func TestAClaimIsNotReplaced(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	claim := z.only(t, "PersistentVolumeClaim")
	z.make(t)
	c := z.source(t, func(s *Settings) { s.Kinds = []string{"persistentvolumeclaims"} })
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	z.remove(t.Context(), t)
	other := claim.DeepCopy()
	unstructured.RemoveNestedField(other.Object, "spec", "storageClassName")
	if err := unstructured.SetNestedStringSlice(other.Object, []string{"ReadOnlyMany"}, "spec", "accessModes"); err != nil {
		t.Fatal(err)
	}
	made, err := z.of(other).Create(t.Context(), other, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Restore(t.Context(), from, plan, progress.Discard)
	requireRefusal(t, err, "PersistentVolumeClaim/"+z.name, "with it data would be deleted")
	left, err := z.of(claim).Get(t.Context(), claim.GetName(), metav1.GetOptions{})
	if err != nil || left.GetUID() != made.GetUID() {
		t.Errorf("the claim is another one: %v", err)
	}
}

// A drill goes through every kind, with a server that has none of it and without
// one. Nothing of the cluster as a whole is left behind.
func TestEveryKindIsRehearsed(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.make(t)
	c := z.source(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	z.remove(t.Context(), t)
	for name, server := range map[string]bool{"on a server": true, "without a server": false} {
		t.Run(name, func(t *testing.T) {
			compared := rehearse(t, &Rehearsal{c, server}, from)
			requireEqual(t, compared)
			if len(compared.Items) != 2 || compared.Items[0].Name != clusterPart {
				t.Errorf("compared %+v", compared.Items)
			}
			var untried []string
			for _, d := range compared.Deviations {
				untried = append(untried, d.Object)
			}
			slices.Sort(untried)
			want := []string{clusterPart + "/Gadget." + z.group() + "/" + z.name, z.namespace + "/Widget." + z.group() + "/" + z.name}
			if !server { // which knows no definitions either
				want = append([]string{clusterPart + "/CustomResourceDefinition.apiextensions.k8s.io/gadgets." + z.group(), clusterPart + "/CustomResourceDefinition.apiextensions.k8s.io/widgets." + z.group()}, want...)
			}
			if diff := cmp.Diff(want, untried); diff != "" {
				t.Errorf("not tried (-want +got):\n%s", diff)
			}
		})
	}
	if left := z.look(t); len(left) > 0 {
		t.Errorf("%v are left", slices.Sorted(maps.Keys(left)))
	}
}

// A selection of what belongs to no namespace needs its file alone.
func TestFilesThatTheClusterNeeds(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.keep("IngressClass", "Secret")
	z.make(t)
	c := z.source(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	got, err := c.Needs(from, source.Selection{Include: []string{"_cluster/IngressClass"}})
	if diff := cmp.Diff(from.FilesBelow(clusterPart), got); err != nil || diff != "" || len(got) != 1 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	z.remove(t.Context(), t)
	_, compared := bringBack(t, c, from, source.Selection{Include: []string{"_cluster/IngressClass"}})
	requireEqual(t, compared)
	if back := slices.Collect(maps.Keys(z.look(t))); !slices.Equal(back, []string{"IngressClass/" + z.name}) {
		t.Errorf("%v came back", back)
	}
}
