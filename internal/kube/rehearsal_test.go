package kube

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// rehearse goes through a point's documents.
func rehearse(t *testing.T, r *Rehearsal, from *repository.SourceReader) *source.Comparison {
	t.Helper()
	plan, err := r.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	compared, err := r.Compare(t.Context(), from, plan, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return compared
}

// A rehearsal accepts what was captured, with a server and without, and changes
// nothing in the cluster.
func TestRehearsalAcceptsWhatWasCaptured(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), seconds(zoo()))
	defer unlock(t, cluster, namespace)
	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	before := cluster.look(t, namespace)
	for name, server := range map[string]bool{"on a server": true, "without a server": false} {
		t.Run(name, func(t *testing.T) {
			r := &Rehearsal{c, server}
			compared := rehearse(t, r, from)
			requireEqual(t, compared)
			if got := compared.Items[0]; got.Name != namespace || got.Objects != from.Summary().Documents || len(compared.Deviations) > 0 {
				t.Errorf("compared %+v, deviations %+v", got, compared.Deviations)
			}
		})
	}
	after := cluster.look(t, namespace)
	if len(after) != len(before) {
		t.Errorf("%d objects are there, and %d were", len(after), len(before))
	}
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	list, err := s.objects.Resource(namespaceResource).List(t.Context(), metav1.ListOptions{LabelSelector: drillLabel + "=true"})
	if err != nil || slices.ContainsFunc(list.Items, func(u unstructured.Unstructured) bool { return u.GetDeletionTimestamp() == nil }) {
		t.Errorf("scratch namespaces are left: %v, %v", len(list.Items), err)
	}
	for _, left := range list.Items {
		cluster.removeNamespace(t.Context(), t, left.GetName())
	}
}

// Invariant 11: a document that no server would take is found, with a server and
// without.
func TestRehearsalFindsWhatNoServerTakes(t *testing.T) {
	cluster := newCluster(t)
	c := cluster.source(t, nil, cluster.freeName(t))
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	document := func(apiVersion, kind string, fields map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "one"},
		}}
		for name, value := range fields {
			u.Object[name] = value
		}
		return u
	}
	tests := map[string]struct {
		document *unstructured.Unstructured
		offline  string // what is found without a server; empty: nothing
		online   string
	}{
		"a good one":                    {document("v1", "ConfigMap", map[string]any{"data": map[string]any{"a": "b"}}), "", ""},
		"a field of another type":       {document("v1", "ConfigMap", map[string]any{"data": "text"}), "document", "document"},
		"a field that no such kind has": {document("v1", "ConfigMap", map[string]any{"dota": map[string]any{}}), "not tried", "document"},
		"a value that is not valid":     {document("v1", "Secret", map[string]any{"type": "kubernetes.io/tls"}), "", "document"},
		"a kind that nobody knows":      {document("example.com/v1", "Thing", nil), "not tried", "document"},
	}
	run := &dryRun{session: s, catalog: newCatalog(s), namespace: "openim-dr-drill-" + strings.ToLower(cluster.freeName(t))}
	run.rehearsal = &rehearsal{refused: map[string][]source.Difference{}}
	if err := run.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := run.end(t.Context()); err != nil {
			t.Error(err)
		}
		cluster.removeNamespace(t.Context(), t, run.namespace)
	}()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for way, want := range map[string]string{"offline": tt.offline, "online": tt.online} {
				r := &rehearsal{refused: map[string][]source.Difference{}}
				try := r.offline
				if way == "online" {
					run.rehearsal, try = r, run.offer
				}
				if err := try(t.Context(), "n", tt.document); err != nil {
					t.Fatal(err)
				}
				got := ""
				for _, d := range r.refused["n"] {
					got = d.What
				}
				for _, d := range r.untried {
					got = d.What
				}
				if got != want {
					t.Errorf("%s: found %q, want %q", way, got, want)
				}
			}
		})
	}
}
