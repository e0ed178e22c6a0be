package kube

import (
	"fmt"
	"strings"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// with returns the source as somebody with other credentials has it.
func (s *snapped) with(t *testing.T, kubeconfig string, change func(*Volumes)) *Cluster {
	t.Helper()
	c := s.capturing(t, change)
	c.settings.Kubeconfig = kubeconfig
	return c
}

func accessTo(t *testing.T, c *Cluster, purpose Purpose) *Access {
	t.Helper()
	access, err := c.AccessFor(t.Context(), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return access
}

// ways are those in which volumes are snapped.
func (s *snapped) ways(t *testing.T) map[string]func(*Volumes) {
	t.Helper()
	groups := s.GroupClass(t, snapshotv1.VolumeSnapshotContentRetain)
	return map[string]func(*Volumes){
		"one by one": nil,
		"as a group": func(g *Volumes) { g.Group, g.Class = true, groups },
	}
}

// A backup takes all that is printed for it, and nothing else, also where it snaps
// volumes; and doctor looks at all of them with what is printed for it.
func TestVolumesAreSnappedWithThePrintedRights(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	for name, change := range s.ways(t) {
		t.Run(name, func(t *testing.T) {
			full := s.capturing(t, change)
			access, looking := accessTo(t, full, ForBackup), accessTo(t, full, ForDoctor)
			s.requireEachRight(t, s.namespace, access, func(t *testing.T, kubeconfig string, missing *grant) []string {
				c := s.with(t, kubeconfig, change)
				if missing != nil {
					return problems(c.Examine(t.Context()))
				}
				_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
				return found(err)
			})
			c := s.with(t, s.granted(t, s.namespace, access, looking), change)
			if wrong := problems(c.Examine(t.Context())); len(wrong) > 0 {
				t.Errorf("doctor misses %q", wrong)
			}
		})
	}
}

// To delete snapshots with their points takes all that is printed for it, and nothing
// else. Without one of the rights they stay, and prune says why.
func TestPruneRunsWithThePrintedRights(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	for name, change := range s.ways(t) {
		t.Run(name, func(t *testing.T) {
			full, fixture := s.capturing(t, change), repotest.New(t)
			s.requireEachRight(t, s.namespace, accessTo(t, full, ForPrune), func(t *testing.T, kubeconfig string, _ *grant) []string {
				fixture.Capture(t, "cluster", Kind, full) // beside what could not be removed before
				c := s.with(t, kubeconfig, change)
				listed, err := c.Outside(t.Context(), repotest.Instance, fixture.Open(t).Record().Repository)
				if err != nil {
					return found(err)
				}
				if len(listed) == 0 {
					return []string{"no snapshot is found"}
				}
				_, err = c.RemoveOutside(t.Context(), listed)
				return found(err)
			})
		})
	}
}

// To make claims of snapshots takes what is printed for it beside what a restore does:
// of snapshots that are there, and of handles alone.
func TestClaimsAreMadeWithThePrintedRights(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	full := s.capturing(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, full)
	access := accessTo(t, full, ForVolumes)
	try := func(t *testing.T, kubeconfig string) []string {
		t.Helper()
		c := s.with(t, kubeconfig, nil)
		plan, err := c.Plan(t.Context(), from, source.Selection{Volumes: true, Include: []string{s.namespace + "/PersistentVolumeClaim"}})
		if err != nil {
			return found(err)
		}
		wrong := plan.Warnings
		for _, check := range plan.Checks {
			if !check.OK {
				wrong = append(wrong, check.Detail)
			}
		}
		if len(wrong) > 0 {
			return wrong
		}
		if _, err := c.Restore(t.Context(), from, plan, progress.Discard); err != nil {
			return found(err)
		}
		compared, err := c.Compare(t.Context(), from, plan, progress.Discard)
		if err == nil && !compared.Equal() {
			return []string{fmt.Sprintf("differences %+v", compared.Differences)}
		}
		return found(err)
	}
	s.requireEachRight(t, s.namespace, access, func(t *testing.T, kubeconfig string, missing *grant) []string {
		if missing == nil { // the cluster knows the snapshots still
			for _, claim := range []string{"filer-0", "master-0", "volume-0"} {
				s.RemoveClaim(t, s.namespace, claim)
			}
			if wrong := try(t, kubeconfig); len(wrong) > 0 {
				return wrong
			}
		}
		s.loseAll(t)
		return try(t, kubeconfig)
	})
}

// loseAll has the cluster lose claims and snapshots, as far as they are there; the
// driver keeps what is retained.
func (s *snapped) loseAll(t *testing.T) {
	t.Helper()
	claims := s.CoreV1().PersistentVolumeClaims(s.namespace)
	list, err := claims.List(t.Context(), metav1.ListOptions{LabelSelector: "app=seaweedfs"})
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range list.Items {
		s.RemoveClaim(t, s.namespace, claim.Name)
	}
	for _, u := range s.list(t, testbed.SnapshotResource) {
		snapshot, err := as[snapshotv1.VolumeSnapshot](&u)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.objects.Resource(testbed.SnapshotResource).Namespace(s.namespace).Delete(t.Context(), snapshot.Name, metav1.DeleteOptions{})
		s.await(t, "a snapshot is left", func() bool { return !s.has(t, snapshot.Name) })
		for _, content := range []string{contentNameOf(snapshot), textOf(snapshot.Spec.Source.VolumeSnapshotContentName)} {
			_ = s.objects.Resource(testbed.SnapshotContentResource).Delete(t.Context(), content, metav1.DeleteOptions{})
		}
	}
}

// A source that snaps nothing takes no right for it, and that is said.
func TestRightsForVolumesOfASourceThatHasNone(t *testing.T) {
	c, err := New("cluster", &Settings{Kubeconfig: "/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []Purpose{ForPrune, ForVolumes} {
		_, err := c.AccessFor(t.Context(), purpose)
		requireFault(t, err, fault.Usage, "source cluster", "snaps no volumes")
	}
}

// What is granted is written down, right by right.
func TestTheRightsOfVolumes(t *testing.T) {
	c, err := New("cluster", &Settings{Kubeconfig: "/nowhere", Namespaces: []string{"a"}, Volumes: []Volumes{
		{Name: "one", Namespace: "a", Selector: "app=a", Class: "c"}, {Name: "all", Namespace: "b", Selector: "app=b", Class: "c", Group: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for purpose, want := range map[Purpose][]string{
		ForPrune: {
			"ClusterRole : get,patch volumegroupsnapshotcontents", "ClusterRole : get,patch volumesnapshotcontents",
			"Role a: get,list,delete volumesnapshots",
			"Role b: get,list,delete volumegroupsnapshots", "Role b: list volumesnapshots",
		},
		ForVolumes: {
			"ClusterRole : get,create volumesnapshotcontents", "ClusterRole : get csidrivers,storageclasses",
			"Role a: get namespaces a", "Role a: get,create persistentvolumeclaims", "Role a: get,create volumesnapshots",
			"Role b: get namespaces b", "Role b: get,create persistentvolumeclaims", "Role b: get,create volumesnapshots",
			"Role kube-system: get namespaces kube-system",
		},
	} {
		rules, text := printed(t, accessTo(t, c, purpose))
		if got := strings.Join(rules, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("for %s:\n%s\nwant\n%s", purpose, got, strings.Join(want, "\n"))
		}
		if !strings.Contains(text, "# Source cluster: what "+string(purpose)+" takes.") {
			t.Errorf("no comment says what it is for:\n%s", text)
		}
	}
}
