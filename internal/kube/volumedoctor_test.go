package kube

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// ofVolumes are the findings about volumes, and their texts.
func ofVolumes(findings []source.Finding) (severe []string, texts string) {
	for _, f := range findings {
		if strings.HasPrefix(f.Check, "kubernetes.volumes.") {
			severe = append(severe, strings.TrimPrefix(f.Check, "kubernetes.volumes.")+" "+string(f.Severity))
			texts += f.Evidence + "\n"
		}
	}
	return severe, texts
}

func TestDoctorLooksAtTheVolumesOfAGroup(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	other := s.env.NewStorage(t)
	deletes, groups, others := s.Class(t, snapshotv1.VolumeSnapshotContentDelete), s.GroupClass(t, snapshotv1.VolumeSnapshotContentRetain), other.Class(t, snapshotv1.VolumeSnapshotContentRetain)
	for name, tt := range map[string]struct {
		change func(*Volumes)
		want   []string
		saying string
	}{
		"all is well":      {nil, []string{"rights ok", "class ok", "claims ok"}, "3 claims can be snapped: filer-0, master-0, volume-0"},
		"a group snapshot": {func(g *Volumes) { g.Group, g.Class = true, groups }, []string{"rights ok", "class ok", "claims ok"}, "retains snapshots"},
		"deletion policy":  {func(g *Volumes) { g.Class = deletes }, []string{"rights ok", "class warning", "claims ok"}, "has the deletion policy Delete"},
		"no class":         {func(g *Volumes) { g.Class = "none" }, []string{"rights ok", "class error", "claims ok"}, "there is no VolumeSnapshotClass none"},
		"another driver":   {func(g *Volumes) { g.Class = others }, []string{"rights ok", "class ok", "claims error", "claims error", "claims error"}, "is of driver " + s.Driver},
		"no claim":         {func(g *Volumes) { g.Selector = "app=none" }, []string{"rights ok", "class ok", "claims error"}, "chooses no claim"},
		"no thaw":          {func(g *Volumes) { g.Freeze = &Freeze{Before: []string{"/bin/true"}, After: []string{"/no/such"}} }, []string{"rights ok", "freeze error", "class ok", "claims ok"}, "/no/such"},
	} {
		t.Run(name, func(t *testing.T) {
			got, texts := ofVolumes(s.capturing(t, tt.change).Examine(t.Context()))
			if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(texts, tt.saying) {
				t.Errorf("findings (-want +got):\n%s\nsaying:\n%s", diff, texts)
			}
		})
	}
}

// limitedTo is somebody who has some rights and no others.
func (s *snapped) limitedTo(t *testing.T, rights []right) (kubeconfig string) {
	t.Helper()
	var here, everywhere []rbacv1.PolicyRule
	for _, r := range rights {
		rule := rbacv1.PolicyRule{Verbs: []string{r.verb}, APIGroups: []string{r.kind.Group}, Resources: []string{r.kind.resource}}
		if r.namespace == "" {
			everywhere = append(everywhere, rule)
		} else {
			here = append(here, rule)
		}
	}
	kubeconfig = s.as(t, s.namespace, here...)
	name := s.namespace + "-reader" // the user of as
	roles, bindings := s.RbacV1().ClusterRoles(), s.RbacV1().ClusterRoleBindings()
	s.must(t)(roles.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta(name), Rules: everywhere}, metav1.CreateOptions{}))
	s.must(t)(bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta(name), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
	}, metav1.CreateOptions{}))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = roles.Delete(ctx, name, metav1.DeleteOptions{})
		_ = bindings.Delete(ctx, name, metav1.DeleteOptions{})
	})
	return kubeconfig
}

// The rights that doctor asks for are enough, and each of them is needed.
func TestSnapshotsAreTakenWithJustTheRightsThatDoctorAsksFor(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	c := s.capturing(t, nil)
	c.settings.Kinds = []string{"configmaps"}
	needed := append(c.settings.Volumes[0].captureRights(snapshotKind), right{"list", kind{resource: "configmaps"}, s.namespace})
	c.settings.Kubeconfig = s.limitedTo(t, needed)
	fixture := repotest.New(t)
	if got := len(volumesRecordOf(t, fixture.Capture(t, "cluster", Kind, c)).Volumes[0].Snapshots); got != 3 {
		t.Errorf("%d snapshots were taken", got)
	}
	severe, texts := ofVolumes(c.Examine(t.Context()))
	if slices.Contains(severe, "rights error") {
		t.Errorf("doctor misses rights: %s", texts)
	}
	s.Lead("filer-0", testbed.SnapshotWay{Cut: true})
	c.settings.Volumes[0].Timeout = enough
	if _, err := fixture.TryCapture(t.Context(), t, "cluster", Kind, c); err == nil || strings.Contains(err.Error(), "remove the snapshots") {
		t.Errorf("the failed run ended with %v, want that it has removed its snapshots", err)
	}
	if points := s.pointsWithSnapshots(t); len(points) != 1 {
		t.Errorf("snapshots are left of %v, want those of the one point", points)
	}
}

// Without the right to change what is retained a failed run leaves its snapshots to
// prune, marked, and says so.
func TestAFailedRunThatMayNotRemoveItsSnapshotsLeavesThemToPrune(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain), repotest.New(t)
	full := s.capturing(t, nil)
	c := s.capturing(t, func(g *Volumes) { g.Timeout = enough })
	c.settings.Kinds = []string{"configmaps"}
	needed := append(c.settings.Volumes[0].captureRights(snapshotKind), right{"list", kind{resource: "configmaps"}, s.namespace})
	c.settings.Kubeconfig = s.limitedTo(t, needed)
	s.Lead("filer-0", testbed.SnapshotWay{Cut: true})
	_, err := fixture.TryCapture(t.Context(), t, "cluster", Kind, c)
	if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "claim filer-0") || !strings.Contains(err.Error(), "openim-dr prune removes what is left of them") {
		t.Errorf("the run ended with %v", err)
	}
	s.Lead("filer-0", testbed.SnapshotWay{})
	fixture.Capture(t, "cluster", Kind, full) // fences the failed run off
	if points := s.pointsWithSnapshots(t); len(points) != 2 {
		t.Errorf("snapshots are left of %v, want those of the run and of the point", points)
	}
	p := pruningOf(t, fixture, full)
	if done := p.carryOut(t, p.plan(t)); len(done.Outside) != 1 || done.Outside[0].Removed != 3 {
		t.Errorf("done %+v, want 3 removed", done.Outside)
	}
	s.await(t, "the driver keeps what was pruned", func() bool { return len(s.Holds()) == 3 })
}

func TestPruneNeedsOnlyTheNamespacesOfTheGroups(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain), repotest.New(t)
	c := s.capturing(t, nil)
	gone := fixture.Capture(t, "cluster", Kind, c).Point().Point
	fixture.Capture(t, "cluster", Kind, c)
	pruner := s.capturing(t, nil)
	pruner.settings.Kubeconfig = s.limitedTo(t, pruner.settings.Volumes[0].pruneRights())
	p := pruningOf(t, fixture, pruner)
	p.record(t, gone, repository.Forget, 100*time.Hour)
	if done := p.carryOut(t, p.plan(t)); len(done.Outside) != 1 || done.Outside[0].Removed != 3 || done.Outside[0].Warning != "" {
		t.Errorf("done %+v, want 3 removed", done.Outside)
	}
	s.await(t, "the driver keeps what was pruned", func() bool { return len(s.Holds()) == 3 })
}

// A cluster without the CRDs of snapshots, as most are at first.
func TestAClusterThatTakesNoSnapshotsIsNamed(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	from := repotest.New(t).Capture(t, "cluster", Kind, s.capturing(t, nil))
	c := s.capturing(t, nil)
	c.settings.Kubeconfig = s.without(t, "/apis/snapshot.storage.k8s.io")
	if got, texts := ofVolumes(c.Examine(t.Context())); !slices.Equal(got, []string{"served error"}) || !strings.Contains(texts, "takes no volumesnapshots") {
		t.Errorf("findings %v: %s", got, texts)
	}
	if _, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c); fault.KindOf(err) != fault.Usage {
		t.Errorf("a capture ended with %v", err)
	}
	plan, err := c.Plan(t.Context(), from, withVolumes)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Why, "serves no snapshot.storage.k8s.io") {
		t.Errorf("refusals %+v", plan.Refusals)
	}
}

// without returns a kubeconfig of the API server without some paths of it.
func (s *snapped) without(t *testing.T, prefix string) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return kubeconfigFor(t, front.URL, config.BearerToken)
}
