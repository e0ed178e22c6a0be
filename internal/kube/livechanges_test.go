package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// readWith opens a source of a point with one key alone.
func readWith(t *testing.T, f *repotest.Fixture, from *repository.SourceReader, identities ...seal.Identity) *repository.SourceReader {
	t.Helper()
	repo := f.Open(t)
	listing, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := listing.Find(from.Point().Point)
	if err != nil {
		t.Fatal(err)
	}
	reader, _ := repository.SourceOf(repo.Unlock(p, identities), from.Name())
	return reader
}

// With the key that a daemon holds, and no other, the cluster itself tells the names of
// what has changed since a point.
func TestTheClusterAgainstAPoint(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace, other := cluster.namespace(t, nil), cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	cluster.create(t, other, secrets[:1], nil)
	fixture := repotest.New(t)
	c := cluster.source(t, nil, namespace, other)
	captured := fixture.Capture(t, "cluster", Kind, c)
	from := readWith(t, fixture, captured, fixture.Catalog)
	if changes, err := c.LiveChanges(t.Context(), from); err != nil || len(changes) > 0 {
		t.Fatalf("nothing was changed, and found is %+v, %v", changes, err)
	}

	edited := metav1.UpdateOptions{FieldManager: "kubectl-edit"}
	secret, err := cluster.CoreV1().Secrets(namespace).Get(t.Context(), "binary", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Data["text"] = []byte(marker + "changed")
	cluster.must(t)(cluster.CoreV1().Secrets(namespace).Update(t.Context(), secret, edited))
	cluster.must(t)(cluster.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: meta("new"), Data: map[string]string{"a": "b"}}, metav1.CreateOptions{FieldManager: "cert-manager-controller"}))
	if err := cluster.CoreV1().Secrets(namespace).Delete(t.Context(), "basic", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	changes, err := c.LiveChanges(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, change := range changes {
		got = append(got, string(change.Change)+" "+change.Namespace+" "+change.Kind+"/"+change.Name+" "+change.By)
		if change.ID == "" || (change.At == nil) != (change.Change == Removed) || change.Manual != (change.By == "kubectl-edit") {
			t.Errorf("change %+v", change)
		}
	}
	want := []string{
		"added " + namespace + " ConfigMap/new cert-manager-controller",
		"removed " + namespace + " Secret/ ", // by its digest alone
		"changed " + namespace + " Secret/binary kubectl-edit",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	requireNoValue(t, changes)

	t.Run("two points say the same", func(t *testing.T) {
		listed, err := ListChanges(t.Context(), captured, fixture.Capture(t, "cluster", Kind, c))
		if err != nil || len(listed) != len(changes) {
			t.Fatalf("%+v, %v", listed, err)
		}
		ids := map[string]Change{}
		for _, change := range listed {
			ids[change.ID] = change
		}
		for _, change := range changes {
			if twin := ids[change.ID]; twin.Change != change.Change || twin.Manual != change.Manual || twin.By != change.By {
				t.Errorf("%+v, and by two points %+v", change, twin)
			}
		}
	})
	t.Run("what is not looked at is not gone", func(t *testing.T) {
		narrower := cluster.source(t, func(s *Settings) { s.Kinds = []string{"configmaps"} }, namespace)
		changes, err := narrower.LiveChanges(t.Context(), from)
		if err != nil || len(changes) != 1 || changes[0].Name != "new" {
			t.Errorf("changes %+v, %v", changes, err)
		}
	})
	t.Run("without any key", func(t *testing.T) {
		_, err := c.LiveChanges(t.Context(), readWith(t, fixture, captured))
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%v, want an error of usage", err)
		}
	})
}
