package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// electionPatience is how long something may take that must come.
const electionPatience = 3 * time.Minute

// candidate is one of several processes.
func (c cluster) candidate(t *testing.T, namespace string, change func(*LeaseSettings)) *Election {
	t.Helper()
	s := LeaseSettings{Kubeconfig: c.env.Kubeconfig, Namespace: namespace, Instance: "prod", Identity: rand.Text(), Length: 6 * time.Second}
	if change != nil {
		change(&s)
	}
	e, err := NewElection(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// reign is the work of a candidate that was elected.
type reign struct {
	t       *testing.T
	began   chan context.Context // its work's
	end     context.CancelFunc
	outcome chan error
}

// rule lets a candidate lead until its context ends.
func rule(t *testing.T, e *Election) *reign {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reign{t: t, began: make(chan context.Context, 1), end: cancel, outcome: make(chan error, 1)}
	go func() {
		defer close(r.outcome)
		r.outcome <- e.Lead(ctx, func(ctx context.Context) {
			r.began <- ctx
			<-ctx.Done()
		})
	}()
	t.Cleanup(func() { cancel(); <-r.outcome })
	return r
}

func await[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(electionPatience):
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// One leads; another one is told so, and leads as soon as the first has ended.
func TestElection(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	namespace := c.env.NewNamespace(t)
	first := rule(t, c.candidate(t, namespace, nil))
	await(t, first.began, "the first")
	err := c.candidate(t, namespace, nil).Lead(t.Context(), func(context.Context) { t.Error("two lead") })
	if fault.KindOf(err) != fault.Busy || !strings.Contains(err.Error(), "is alive") {
		t.Errorf("the second is told %v, want that it is busy", err)
	}
	first.end()
	if err := await(t, first.outcome, "the end of the first"); err != nil {
		t.Errorf("the first ended with %v", err)
	}
	if holder := *leaseOf(t, c, namespace).Spec.HolderIdentity; holder != "" {
		t.Fatalf("after its end %q holds the Lease, want it given back", holder)
	}
	third := c.candidate(t, namespace, nil)
	if err := third.Lead(t.Context(), func(context.Context) {
		if l := leaseOf(t, c, namespace); *l.Spec.HolderIdentity != third.Identity || *l.Spec.LeaseTransitions != 1 || *l.Spec.LeaseDurationSeconds != 6 {
			t.Errorf("the Lease is %v", l.Spec)
		}
	}); err != nil {
		t.Error(err)
	}
}

func leaseOf(t *testing.T, c cluster, namespace string) *coordinationv1.Lease {
	t.Helper()
	lease, err := c.CoordinationV1().Leases(namespace).Get(t.Context(), DefaultLeaseName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// A leader that is cut off from the API server has ended its work before another one
// begins (invariant 8).
func TestElectionOfOneThatIsCutOff(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	namespace := c.env.NewNamespace(t)
	var cut atomic.Bool
	kubeconfig := c.front(t, func(http.ResponseWriter, *http.Request) bool {
		if cut.Load() {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		return false
	})
	first := rule(t, c.candidate(t, namespace, func(s *LeaseSettings) { s.Kubeconfig = kubeconfig }))
	working := await(t, first.began, "the first")
	cut.Store(true)
	for {
		err := c.candidate(t, namespace, nil).Lead(t.Context(), func(context.Context) {
			if working.Err() == nil {
				t.Error("two lead")
			}
		})
		if err == nil {
			break
		}
		if fault.KindOf(err) != fault.Busy {
			t.Fatal(err)
		}
	}
	if err := await(t, first.outcome, "the end of the first"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the first ended with %v, want that the Lease was lost", err)
	}
}

// Whoever finds that another one has the Lease ends its work at once.
func TestElectionThatSomebodyElseTook(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	namespace := c.env.NewNamespace(t)
	first := rule(t, c.candidate(t, namespace, func(s *LeaseSettings) { s.Length = time.Minute }))
	await(t, first.began, "the first")
	for {
		lease, other := leaseOf(t, c, namespace), "somebody else"
		lease.Spec.HolderIdentity = &other
		if _, err := c.CoordinationV1().Leases(namespace).Update(t.Context(), lease, metav1.UpdateOptions{}); err == nil {
			break
		} // it was renewed in between
	}
	if err := await(t, first.outcome, "the end of the first"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the first ended with %v, want that the Lease was lost", err)
	}
	if holder := *leaseOf(t, c, namespace).Spec.HolderIdentity; holder != "somebody else" {
		t.Errorf("then %q holds it: it was given away by who had lost it", holder)
	}
}

// A Lease elects the daemons of one instance: those of another one would never run.
func TestElectionOfAnotherInstance(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	namespace := c.env.NewNamespace(t)
	if err := c.candidate(t, namespace, nil).Lead(t.Context(), func(context.Context) {}); err != nil {
		t.Fatal(err)
	}
	other := c.candidate(t, namespace, func(s *LeaseSettings) { s.Instance = "staging" })
	err := other.Lead(t.Context(), func(context.Context) { t.Error("it leads") })
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `instance "prod"`) {
		t.Errorf("it is told %v", err)
	}
}

// What config rbac prints for the election suffices, and nothing of it is too much.
func TestElectionWithItsRightsAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	namespace := c.env.NewNamespace(t)
	access := ElectionAccess(LeaseSettings{Namespace: namespace})
	kubeconfig := c.granted(t, namespace, access)
	run := func() error {
		e := c.candidate(t, namespace, func(s *LeaseSettings) { s.Kubeconfig = kubeconfig })
		return e.Lead(t.Context(), func(context.Context) {})
	}
	for range 2 { // made, and taken again
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	without := c.granted(t, namespace)
	e := c.candidate(t, namespace, func(s *LeaseSettings) { s.Kubeconfig = without })
	if err := e.Lead(t.Context(), func(context.Context) { t.Error("it leads") }); fault.KindOf(err) != fault.Usage {
		t.Errorf("without rights it is told %v", err)
	}
}
