package kube

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Invariant 5: of a restore that was killed just those namespaces are its own to
// which it had come, and of these only what is as it has written it.
func TestNamespaceThatIsFilledMeanwhile(t *testing.T) {
	cluster := newCluster(t)
	from, other := cluster.namespace(t, nil), cluster.namespace(t, nil)
	one := func(value string) []corev1.Secret {
		return []corev1.Secret{{ObjectMeta: meta("one"), Data: map[string][]byte{"a": []byte(value)}}}
	}
	cluster.create(t, from, one("as captured"), nil)
	cluster.create(t, other, one("as captured"), nil)
	c := cluster.source(t, nil, from, other)
	point := repotest.New(t).Capture(t, "cluster", Kind, c)
	first, second := cluster.namespace(t, nil), cluster.namespace(t, nil)
	rename := map[string]string{from: first, other: second}
	killed := errors.New("killed")
	var begun []string
	attempt := source.Attempt{ID: "r", Note: func(_ context.Context, target string) error {
		if len(begun) > 0 {
			return killed
		}
		begun = append(begun, target)
		return nil
	}}
	plan, err := c.Plan(t.Context(), point, source.Selection{Rename: rename, Attempt: attempt})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restore(t.Context(), point, plan, progress.Discard); !errors.Is(err, killed) {
		t.Fatalf("got %v", err)
	}
	untouched := second
	if len(cluster.look(t, first)) == 0 {
		first, untouched = second, first
	}
	if got := cluster.look(t, untouched); len(got) != 0 {
		t.Errorf("written before that was noted: %v", got)
	}
	occupied := func(agreed ...string) (targets []string) {
		attempt := source.Attempt{ID: "r", Resumed: true, Begun: begun, Agreed: agreed}
		plan, err := c.Plan(t.Context(), point, source.Selection{Rename: rename, Attempt: attempt})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range plan.Occupied {
			targets = append(targets, o.Target)
		}
		return targets
	}
	if got := occupied(); len(got) != 0 {
		t.Errorf("what the restore has written itself is in its way: %v", got)
	}
	cluster.create(t, untouched, one("of somebody"), nil)
	noted := begun[0]
	if got := occupied(); len(got) != 1 || got[0] == noted {
		t.Errorf("occupied are %v, want namespace %s", got, untouched)
	}
	secrets := cluster.CoreV1().Secrets(first)
	changed, err := secrets.Get(t.Context(), "one", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changed.Data["a"] = []byte("changed by somebody")
	cluster.must(t)(secrets.Update(t.Context(), changed, metav1.UpdateOptions{}))
	if got := occupied(); len(got) != 2 {
		t.Errorf("what differs is said to be the restore's own: occupied are %v", got)
	}
	if got := occupied(noted); len(got) != 1 {
		t.Errorf("what was agreed to be lost is in the way of a resume: %v", got)
	}
}
