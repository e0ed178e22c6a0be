package kube

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/retention"
)

// pruning is a prune of a repository together with a cluster.
type pruning struct {
	*repository.Pruner
	order retention.Order
}

func pruningOf(t *testing.T, f *repotest.Fixture, c *Cluster) pruning {
	t.Helper()
	return pruning{
		&repository.Pruner{Store: f.Store, Repo: f.Open(t), Signer: f.Signer, Instance: repotest.Instance, Tool: "test", By: "pruner"},
		retention.Order{Policy: retention.Policy{Last: 100, Grace: 72 * time.Hour}, Outsiders: map[string]source.Outsider{"cluster": c}},
	}
}

func (p pruning) record(t *testing.T, point string, change repository.Change, ago time.Duration) {
	t.Helper()
	s := repository.State{Point: point, Change: change, By: "pruner", Reason: "test", Time: time.Now().UTC().Add(-ago).Truncate(time.Second)}
	if _, err := p.Record(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func (p pruning) plan(t *testing.T) *retention.Pruning {
	t.Helper()
	todo, err := retention.PlanPrune(t.Context(), p.Pruner, p.order)
	if err != nil {
		t.Fatal(err)
	}
	return todo
}

func (p pruning) carryOut(t *testing.T, todo *retention.Pruning) retention.Pruned {
	t.Helper()
	done, err := todo.CarryOut(t.Context(), p.Pruner, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// beginRun takes snapshots for a point and does not commit it; end lets go of the run.
func beginRun(t *testing.T, f *repotest.Fixture, stream string, c *Cluster) (draft *repository.Draft, end func()) {
	t.Helper()
	w := f.Writer(t)
	ctx, lease, err := w.Acquire(t.Context(), repository.StreamLease(repotest.Instance, stream))
	if err != nil {
		t.Fatal(err)
	}
	if draft, err = w.Begin(ctx, stream, []string{"cluster"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Capture(ctx, draft.Source("cluster", Kind, 1), progress.Discard); err != nil {
		t.Fatal(err)
	}
	return draft, lease.Release
}

// pointsWithSnapshots lists the points that snapshots of our instance are marked with.
func (s *snapped) pointsWithSnapshots(t *testing.T) []string {
	t.Helper()
	var points []string
	for _, u := range append(s.list(t, testbed.SnapshotResource), s.list(t, testbed.GroupSnapshotResource)...) {
		if point := u.GetLabels()[pointLabel]; u.GetDeletionTimestamp() == nil && u.GetLabels()[instanceLabel] == repotest.Instance {
			points = append(points, point)
		}
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// Invariant 6, of what stands outside the repository.
func TestPruneRemovesTheSnapshotsOfPointsThatAreGoneAndNoOthers(t *testing.T) {
	t.Parallel()
	for _, policy := range []snapshotv1.DeletionPolicy{snapshotv1.VolumeSnapshotContentDelete, snapshotv1.VolumeSnapshotContentRetain} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			s, fixture := newSnapped(t, policy), repotest.New(t)
			fixture.LeaseLength = 4 * time.Second
			c := s.capturing(t, nil)
			failed, end := beginRun(t, fixture, "manual", c)
			failed.Abandon()
			end()
			swept := fixture.Capture(t, "cluster", Kind, c).Point().Point // fences the failed run off
			graced := fixture.Capture(t, "cluster", Kind, c).Point().Point
			held := fixture.Capture(t, "cluster", Kind, c).Point().Point
			newest := fixture.Capture(t, "cluster", Kind, c).Point().Point
			live, end := beginRun(t, fixture, "other", c)
			defer end()
			elsewhere := repotest.New(t).Capture(t, "cluster", Kind, c).Point().Point // of another repository
			s.foreign(t, swept)

			p := pruningOf(t, fixture, c)
			p.record(t, swept, repository.Forget, 100*time.Hour)
			p.record(t, graced, repository.Forget, time.Hour)
			p.record(t, held, repository.Forget, 100*time.Hour)
			p.record(t, held, repository.Hold, 0)

			todo := p.plan(t)
			want := []string{swept, failed.Point()}
			slices.Sort(want)
			if len(todo.Outside) != 1 || !slices.Equal(todo.Outside[0].Points, want) || todo.Outside[0].Objects != 6 || todo.Outside[0].Bytes != 6*2<<30 || todo.Outside[0].Kept != 12 {
				t.Fatalf("planned %+v, want 6 snapshots of %v", todo.Outside, want)
			}
			if len(s.pointsWithSnapshots(t)) != 7 {
				t.Error("a plan has removed snapshots")
			}
			done := p.carryOut(t, todo)
			if len(done.Outside) != 1 || done.Outside[0].Removed != 6 || done.Outside[0].Warning != "" {
				t.Errorf("done %+v, want 6 removed", done.Outside)
			}
			wantLeft := []string{graced, held, newest, live.Point(), elsewhere}
			slices.Sort(wantLeft)
			if left := s.pointsWithSnapshots(t); !slices.Equal(left, wantLeft) {
				t.Errorf("snapshots are left of points %v, want %v", left, wantLeft)
			}
			// The driver keeps nothing of them, whatever the policy; of the others all.
			s.await(t, "the driver keeps what was pruned", func() bool { return len(s.Holds()) == 15+1 })
			if _, err := live.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(s.list(t, testbed.SnapshotResource), func(u unstructured.Unstructured) bool {
				return u.GetName() == "foreign" && u.GetDeletionTimestamp() == nil
			}) {
				t.Error("a snapshot of another instance was removed")
			}
			if again := p.plan(t); again.Outlying() != 0 {
				t.Errorf("the next prune would remove %+v", again.Outside)
			}
		})
	}
}

// foreign takes a snapshot that is another instance's, though of the same point.
func (s *snapped) foreign(t *testing.T, point string) {
	t.Helper()
	labels := belonging{instance: "another", repository: "r", source: "cluster", point: point}.labels("seaweedfs")
	u := newSnapshot(snapshotKind, s.namespace, "foreign", labels, map[string]any{
		"volumeSnapshotClassName": s.class, "source": map[string]any{"persistentVolumeClaimName": "mysql-0"},
	})
	s.must(t)(s.objects.Resource(testbed.SnapshotResource).Namespace(s.namespace).Create(t.Context(), u, metav1.CreateOptions{}))
	s.await(t, "the foreign snapshot is not taken", func() bool { return slices.Contains(s.Holds(), "mysql-0") })
}

func TestPruneRemovesAGroupSnapshotWithItsMembers(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete), repotest.New(t)
	c := s.capturing(t, func(g *Volumes) { g.Group, g.Class = true, s.GroupClass(t, snapshotv1.VolumeSnapshotContentRetain) })
	gone := fixture.Capture(t, "cluster", Kind, c).Point().Point
	stays := fixture.Capture(t, "cluster", Kind, c).Point().Point
	p := pruningOf(t, fixture, c)
	p.record(t, gone, repository.Forget, 100*time.Hour)
	done := p.carryOut(t, p.plan(t))
	if done.Outside[0].Removed != 1 {
		t.Errorf("done %+v, want one group removed", done.Outside)
	}
	s.await(t, "members are left", func() bool { return len(s.Holds()) == 3 })
	s.await(t, "what the driver keeps of the group is left", func() bool { return len(s.groupContents(t)) == 1 })
	if left := s.pointsWithSnapshots(t); !slices.Equal(left, []string{stays}) {
		t.Errorf("snapshots are left of %v, want %s", left, stays)
	}
}

// groupContents are what the driver keeps of group snapshots, whatever their policy.
func (s *snapped) groupContents(t *testing.T) []string {
	t.Helper()
	list, err := s.objects.Resource(testbed.GroupContentResource).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range list.Items {
		if driver, _, _ := unstructured.NestedString(u.Object, "spec", "driver"); driver == s.Driver {
			names = append(names, u.GetName())
		}
	}
	return names
}

// What is outside is never a reason to stop: the points are pruned all the same.
func TestPruneWithoutTheClusterIsAWarning(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete), repotest.New(t)
	c := s.capturing(t, nil)
	gone := fixture.Capture(t, "cluster", Kind, c).Point().Point
	fixture.Capture(t, "cluster", Kind, c)
	away := s.source(t, func(settings *Settings) {
		settings.Kubeconfig = "/no/such/kubeconfig"
		settings.Volumes = []Volumes{{Name: "seaweedfs", Namespace: s.namespace, Selector: "app=seaweedfs", Class: s.class, Timeout: enough}}
	})
	p := pruningOf(t, fixture, away)
	p.record(t, gone, repository.Forget, 100*time.Hour)
	todo := p.plan(t)
	if len(todo.Outside) != 1 || !strings.Contains(todo.Outside[0].Warning, "/no/such/kubeconfig") {
		t.Errorf("planned %+v, want a warning", todo.Outside)
	}
	done := p.carryOut(t, todo)
	if !slices.Equal(done.Swept.Points, []string{gone}) || len(s.pointsWithSnapshots(t)) != 2 {
		t.Errorf("swept %v with snapshots of %v left", done.Swept.Points, s.pointsWithSnapshots(t))
	}
	// A later prune, with the cluster, removes what this one could not.
	p = pruningOf(t, fixture, c)
	if done := p.carryOut(t, p.plan(t)); done.Outside[0].Removed != 3 {
		t.Errorf("done %+v, want 3 removed", done.Outside)
	}
}

// Invariant 6: a point that is not swept after all keeps what belongs to it.
func TestSnapshotsOfAPointThatTheStorageKeepsStay(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete), repotest.New(t)
	c := s.capturing(t, nil)
	gone := fixture.Capture(t, "cluster", Kind, c).Point().Point
	fixture.Capture(t, "cluster", Kind, c)
	p := pruningOf(t, fixture, c)
	p.record(t, gone, repository.Forget, 100*time.Hour)
	todo := p.plan(t)
	if todo.Outlying() != 3 {
		t.Fatalf("planned %+v", todo.Outside)
	}
	p.record(t, gone, repository.Hold, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := todo.CarryOut(ctx, p.Pruner, progress.Discard); err == nil {
		t.Error("a held point was swept")
	}
	if left := s.pointsWithSnapshots(t); len(left) != 2 {
		t.Errorf("snapshots are left of %v, want two points", left)
	}
}
