package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// capturing returns a source that captures workloads.
func (f *fleet) capturing(t *testing.T) *Cluster {
	t.Helper()
	return f.source(t, func(s *Settings) { s.Kinds = []string{"deployments.apps", "statefulsets.apps"} }, f.namespace)
}

// What is captured while workloads are stopped is what they are when they run.
func TestACaptureDoesNotSeeThatWorkloadsAreStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	fixture := repotest.New(t)
	before := fixture.Capture(t, "cluster", Kind, f.capturing(t))
	mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
	during := fixture.Capture(t, "cluster", Kind, f.capturing(t))
	var one, two Captured
	if err := before.Captured(&one); err != nil {
		t.Fatal(err)
	}
	if err := during.Captured(&two); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.Namespaces, two.Namespaces, cmp.Comparer(sameDigest)); diff != "" {
		t.Errorf("captures (-running +stopped):\n%s", diff)
	}
}

// A restore of the workloads themselves starts none of them: that is what the
// release does, with what the point says.
func TestARestoredWorkloadStaysStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	c := f.capturing(t)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	f.scale(t, "openim-rpc-user", 4)
	f.patchDeployment(t, "openim-api", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"newer"}]}}}}`)
	f.AwaitPods(t, "openim-rpc-user", 4)
	mustStop(t.Context(), t, f.quiescer(t, nil), "r1")

	plan, err := c.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	f.requireState(t, stopped("r1"))
	compared, err := c.Compare(t.Context(), from, plan, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compared)
	mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
	f.requireState(t, running())
	if compared, err = c.Compare(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compared)
}

func TestUnhold(t *testing.T) {
	object := func(kind string, replicas int64, annotations map[string]any) map[string]any {
		metadata := map[string]any{"name": "a"}
		if annotations != nil {
			metadata["annotations"] = annotations
		}
		return map[string]any{"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": map[string]any{"replicas": replicas}}
	}
	held := map[string]any{replicasAnnotation: "3", restoreAnnotation: "r1", stageAnnotation: "1"}
	tests := map[string]struct{ object, want map[string]any }{
		"a stopped Deployment":      {object("Deployment", 0, held), object("Deployment", 3, nil)},
		"a stopped StatefulSet":     {object("StatefulSet", 0, held), object("StatefulSet", 3, nil)},
		"one that runs":             {object("Deployment", 2, map[string]any{"a": "b"}), object("Deployment", 2, map[string]any{"a": "b"})},
		"other annotations stay":    {object("Deployment", 0, map[string]any{"a": "b", replicasAnnotation: "3"}), object("Deployment", 3, map[string]any{"a": "b"})},
		"a spoilt one is left":      {object("Deployment", 0, map[string]any{replicasAnnotation: "x"}), object("Deployment", 0, map[string]any{replicasAnnotation: "x"})},
		"another kind is left":      {object("DaemonSet", 0, held), object("DaemonSet", 0, held)},
		"one scaled up in between":  {object("Deployment", 1, held), object("Deployment", 3, nil)},
		"a negative number is none": {object("Deployment", 0, map[string]any{replicasAnnotation: "-1"}), object("Deployment", 0, map[string]any{replicasAnnotation: "-1"})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := (&unstructured.Unstructured{Object: tt.object}).DeepCopy()
			unhold(u)
			if diff := cmp.Diff(tt.want, u.Object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}
