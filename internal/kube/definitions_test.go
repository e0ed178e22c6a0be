package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Objects of which the target knows nothing are refused in the plan, unless the
// point brings what defines them.
func TestCustomResourcesNeedTheirDefinition(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.keep("CustomResourceDefinition", "Gadget", "Widget", "Secret")
	z.make(t)
	c := z.source(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	z.remove(t.Context(), t)
	widget := "Widget of " + z.group() + "/v1"
	t.Run("which is left out", func(t *testing.T) {
		_, err := c.Plan(t.Context(), from, source.Selection{Exclude: []string{"*/CustomResourceDefinition"}})
		requireFault(t, err, fault.Usage, "the server does not serve Gadget of "+z.group()+"/v1beta1")
		if e, ok := fault.Outermost(err); !ok || e.Try == "" {
			t.Errorf("error %v says nothing to try", err)
		}
		_, err = c.Plan(t.Context(), from, source.Selection{Include: []string{z.namespace}})
		requireFault(t, err, fault.Usage, "the server does not serve "+widget)
	})
	t.Run("and may be left out themselves", func(t *testing.T) {
		plan, err := c.Plan(t.Context(), from, source.Selection{Include: []string{z.namespace}, Exclude: []string{"*/Widget." + z.group()}})
		if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Objects != 3 {
			t.Errorf("plan %+v, %v", plan, err)
		}
	})
	t.Run("which is restored in the same go, under another name of the namespace", func(t *testing.T) {
		renamed := z.freeName(t)
		plan, compared := bringBack(t, c, from, source.Selection{Rename: map[string]string{z.namespace: renamed}})
		requireEqual(t, compared)
		if len(plan.Steps) != 3 || plan.Steps[0].Target != "kubernetes/testbed/_cluster" || plan.Steps[1].Action != "create namespace" {
			t.Errorf("steps %+v", plan.Steps)
		}
		for _, u := range z.objects {
			if u.GetNamespace() != "" {
				u.SetNamespace(renamed)
			}
		}
		if got := z.look(t); len(got) != len(z.objects) {
			t.Errorf("%d objects are back, want %d", len(got), len(z.objects))
		}
		z.remove(t.Context(), t) // while the namespace is there
	})
	t.Run("and the whole of them cannot be renamed", func(t *testing.T) {
		_, err := c.Plan(t.Context(), from, source.Selection{Rename: map[string]string{"_cluster": "copy"}})
		requireFault(t, err, fault.Usage, "_cluster is none")
	})
}

// What keeps a definition from being established is said after a while. Here the
// name is taken by another definition of the group.
func TestADefinitionThatIsNeverServed(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	s, err := z.source(t, nil).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.patience = 1 // nanosecond
	err = s.awaitDefined(t.Context(), []kind{{GroupVersionKind: schema.GroupVersionKind{Group: z.group(), Version: "v1", Kind: "Widget"}, resource: "widgets", namespaced: true}})
	requireFault(t, err, fault.Failed, "the server does not serve them yet")
}

// A controller makes an account in each namespace as soon as it is there. It is in
// nobody's way, and gets what the point has of it.
func TestTheAccountOfANewNamespace(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	pulls := &corev1.ServiceAccount{ObjectMeta: meta("default"), ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}}}
	cluster.must(t)(cluster.CoreV1().ServiceAccounts(namespace).Create(t.Context(), pulls, metav1.CreateOptions{}))
	c := cluster.source(t, func(s *Settings) { s.Kinds = []string{"serviceaccounts"} }, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	for name, late := range map[string]bool{"made before the plan": false, "made after it": true} {
		t.Run(name, func(t *testing.T) {
			renamed := cluster.namespace(t, nil)
			bare := func() {
				cluster.must(t)(cluster.CoreV1().ServiceAccounts(renamed).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta("default")}, metav1.CreateOptions{}))
			}
			if !late {
				bare()
			}
			plan, err := c.Plan(t.Context(), from, source.Selection{Rename: map[string]string{namespace: renamed}})
			if err != nil || len(plan.Occupied) != 0 {
				t.Fatalf("occupied %+v, %v", plan.Occupied, err)
			}
			if late {
				bare()
			}
			if _, err := c.Restore(t.Context(), from, plan, progress.Discard); err != nil {
				t.Fatal(err)
			}
			compared, err := c.Compare(t.Context(), from, plan, progress.Discard)
			if err != nil {
				t.Fatal(err)
			}
			requireEqual(t, compared)
		})
	}
}
