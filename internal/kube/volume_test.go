package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// enough is what a busy machine needs at most for what does not fail; what fails takes
// as long.
const enough = quantity.Duration(5 * time.Second)

var seaweedfs = map[string]string{"app": "seaweedfs"}

// snapped is a namespace with three claims of SeaweedFS and one of somebody else.
type snapped struct {
	cluster
	*testbed.Storage
	namespace string
	class     string
	objects   dynamic.Interface
}

func newSnapped(t *testing.T, policy snapshotv1.DeletionPolicy) *snapped {
	t.Helper()
	cluster := newCluster(t)
	s := &snapped{cluster: cluster, namespace: cluster.namespace(t, nil)}
	s.Storage = cluster.env.NewStorage(t, s.namespace)
	s.class = s.Class(t, policy)
	for _, name := range []string{"filer-0", "master-0", "volume-0"} {
		s.Claim(t, s.namespace, name, seaweedfs)
	}
	s.Claim(t, s.namespace, "mysql-0", map[string]string{"app": "mysql"})
	config, err := clientcmd.BuildConfigFromFlags("", cluster.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if s.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// capturing is the source, with a group as a test wants it.
func (s *snapped) capturing(t *testing.T, change func(*Volumes)) *Cluster {
	t.Helper()
	return s.source(t, func(settings *Settings) {
		group := Volumes{Name: "seaweedfs", Namespace: s.namespace, Selector: "app=seaweedfs", Class: s.class}
		if change != nil {
			change(&group)
		}
		settings.Volumes = []Volumes{group}
	}, s.namespace)
}

func (s *snapped) list(t *testing.T, r schema.GroupVersionResource) []unstructured.Unstructured {
	t.Helper()
	list, err := s.objects.Resource(r).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// await waits until something has become so, as controllers get there.
func (s *snapped) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return so(), nil })
	if err != nil {
		t.Fatalf("%s: %v; the driver keeps %v", what, err, s.Holds())
	}
}

// requireNothingLeft waits until no snapshot is left, here or in the driver.
func (s *snapped) requireNothingLeft(t *testing.T) {
	t.Helper()
	s.await(t, "snapshots are left", func() bool {
		return len(s.list(t, testbed.SnapshotResource))+len(s.list(t, testbed.GroupSnapshotResource))+len(s.Holds()) == 0
	})
}

func volumesRecordOf(t *testing.T, from *repository.SourceReader) Captured {
	t.Helper()
	var captured Captured
	if err := from.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	return captured
}

func TestVolumesOfAGroupAreSnappedIntoThePoint(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	before := time.Now().Add(-time.Second)
	from := repotest.New(t).Capture(t, "cluster", Kind, s.capturing(t, nil))
	groups := volumesRecordOf(t, from).Volumes
	if len(groups) != 1 || len(groups[0].Snapshots) != 3 {
		t.Fatalf("recorded %+v, want one group of three snapshots", groups)
	}
	g := groups[0]
	if g.Name != "seaweedfs" || g.Namespace != s.namespace || g.Class != s.class || g.Group != "" || g.Cluster == "" || g.Begun.Before(before) || g.Ended.Before(g.Begun) || g.FrozenSeconds != 0 {
		t.Errorf("recorded of the group: %+v", g)
	}
	for i, claim := range []string{"filer-0", "master-0", "volume-0"} {
		got := g.Snapshots[i]
		if !strings.HasPrefix(got.Handle, "snap-"+claim) || !strings.Contains(got.Snapshot, claim) || got.Content == "" || got.CreationTime.Before(before.Truncate(time.Second)) {
			t.Errorf("recorded of claim %s: %+v", claim, got)
		}
		want := CapturedSnapshot{
			Claim: claim, Size: "2Gi", StorageClass: s.Driver, AccessModes: []string{"ReadWriteOnce"}, VolumeMode: "Filesystem", Driver: s.Driver,
			DeletionPolicy: "Retain", RestoreSize: 2 << 30, Snapshot: got.Snapshot, Content: got.Content, Handle: got.Handle, CreationTime: got.CreationTime,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("recorded of claim %s (-want +got):\n%s", claim, diff)
		}
	}
	for _, u := range s.list(t, testbed.SnapshotResource) {
		want := map[string]string{instanceLabel: repotest.Instance, repositoryLabel: from.Point().Repository, sourceLabel: "cluster", pointLabel: from.Point().Point, volumesLabel: "seaweedfs"}
		if diff := cmp.Diff(want, u.GetLabels()); diff != "" {
			t.Errorf("labels of %s (-want +got):\n%s", u.GetName(), diff)
		}
	}
	if held := s.Holds(); !slices.Equal(held, []string{"filer-0", "master-0", "volume-0"}) {
		t.Errorf("the driver keeps snapshots of %v", held)
	}
}

// Every point makes others: an export that held them would never be the same twice.
func TestOurOwnSnapshotsAreNotExported(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete), repotest.New(t)
	c := s.capturing(t, nil)
	c.settings.Kinds = []string{"volumesnapshots.snapshot.storage.k8s.io"}
	fixture.Capture(t, "cluster", Kind, c)
	if n := fixture.Capture(t, "cluster", Kind, c).Summary().Documents; n != 0 {
		t.Errorf("%d snapshots of the point before are exported", n)
	}
}

func TestAGroupSnapshotIsTakenWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	from := repotest.New(t).Capture(t, "cluster", Kind, s.capturing(t, func(g *Volumes) {
		g.Group, g.Class = true, s.GroupClass(t, snapshotv1.VolumeSnapshotContentDelete)
	}))
	g := volumesRecordOf(t, from).Volumes[0]
	groups := s.list(t, testbed.GroupSnapshotResource)
	if len(groups) != 1 || g.Group != groups[0].GetName() || len(g.Snapshots) != 3 || len(s.Holds()) != 3 {
		t.Errorf("recorded %+v, with %d group snapshots", g, len(groups))
	}
}

// Which claims have no snapshot, and why, is in the error; nothing is left behind.
func TestSnapshotsThatFailEndTheRunAndAreRemoved(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		way   testbed.SnapshotWay
		group bool
		want  []string
	}{
		"never ready":             {testbed.SnapshotWay{Cut: true}, false, []string{"claim master-0", "does not say that it can be used"}},
		"reported":                {testbed.SnapshotWay{Error: "quota of snapshots\nexceeded"}, false, []string{"claim master-0", "quota of snapshots exceeded"}},
		"no controller":           {testbed.SnapshotWay{Ignored: true}, false, []string{"claim master-0", "no controller has taken it up"}},
		"one member of the group": {testbed.SnapshotWay{Error: "disk is busy"}, true, []string{"claim master-0", "disk is busy"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
			s.Lead("master-0", tt.way)
			c := s.capturing(t, func(g *Volumes) {
				g.Timeout = enough
				if tt.group {
					g.Group, g.Class = true, s.GroupClass(t, snapshotv1.VolumeSnapshotContentDelete)
				}
			})
			_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
			if err == nil {
				t.Fatal("a run with two of three snapshots has succeeded")
			}
			for _, want := range append(tt.want, "1 of 3 claims", "group seaweedfs") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if fault.KindOf(err) != fault.Failed || strings.Contains(err.Error(), "filer-0") {
				t.Errorf("the error is %v of %v", fault.KindOf(err), err)
			}
			s.requireNothingLeft(t)
		})
	}
}

func TestSettingsThatSnapNothingAreRefused(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	for name, tt := range map[string]struct {
		change func(*Volumes)
		want   string
	}{
		"no claim": {func(g *Volumes) { g.Selector = "app=nobody" }, "chooses no claim"},
		"no class": {func(g *Volumes) { g.Class = "nobody" }, `no VolumeSnapshotClass "nobody"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, s.capturing(t, tt.change))
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	s.requireNothingLeft(t)
}

// Invariant 1: a point says what is missing.
func TestAPointSaysThatItsVolumesAreMissing(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	s.Lead("volume-0", testbed.SnapshotWay{Cut: true})
	from := repotest.New(t).Capture(t, "cluster", Kind, s.capturing(t, func(g *Volumes) {
		g.Timeout, g.OnFailure = enough, "incomplete"
	}))
	point := from.Point()
	want := []repository.Count{{Source: "cluster", Code: missingVolumes, Count: 3}}
	if diff := cmp.Diff(want, point.Missing); diff != "" || point.Complete {
		t.Errorf("complete: %t, missing (-want +got):\n%s", point.Complete, diff)
	}
	if len(volumesRecordOf(t, from).Volumes) != 0 {
		t.Error("half a group is recorded")
	}
	s.requireNothingLeft(t)
}

func TestARunThatIsStoppedRemovesItsSnapshots(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	s.Lead("filer-0", testbed.SnapshotWay{Cut: true})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	fixture, c := repotest.New(t), s.capturing(t, nil)
	go func() {
		_, err := fixture.TryCapture(ctx, t, "cluster", Kind, c)
		ended <- err
	}()
	s.await(t, "no snapshots are taken", func() bool { return len(s.Holds()) == 3 })
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("a run that was stopped ended with %v", err)
	}
	s.requireNothingLeft(t)
}

// frozen are commands that note in a file that they were run, and what they were told.
func frozen(t *testing.T) (file string, freeze *Freeze) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "calls")
	command := func(what string) []string {
		return []string{"/bin/sh", "-c", fmt.Sprintf(`echo %s "$OPENIM_DR_VOLUMES" >> %s`, what, file)}
	}
	return file, &Freeze{Before: command("freeze"), After: command("thaw")}
}

func called(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestVolumesAreFrozenUntilAllAreCutAndThawedWhateverHappens(t *testing.T) {
	t.Parallel()
	const both = "freeze seaweedfs\nthaw seaweedfs\n"
	for name, tt := range map[string]struct {
		way    testbed.SnapshotWay
		change func(*Freeze)
		want   string // of the error; empty: there is none
		calls  string
	}{
		"all is well":          {testbed.SnapshotWay{}, nil, "", both},
		"a snapshot fails":     {testbed.SnapshotWay{Error: "disk is busy"}, func(f *Freeze) { f.Limit = enough }, "must not stay frozen for longer than 5s", both},
		"the freeze fails":     {testbed.SnapshotWay{}, func(f *Freeze) { f.Before = []string{"/bin/false"} }, "freeze the volumes", "thaw seaweedfs\n"},
		"the freeze hangs":     {testbed.SnapshotWay{}, func(f *Freeze) { f.Before, f.Timeout = []string{"/bin/sleep", "600"}, enough }, "it was not done after 5s", "thaw seaweedfs\n"},
		"the thaw fails":       {testbed.SnapshotWay{}, func(f *Freeze) { f.After = []string{"/bin/false"} }, "let them go by hand", "freeze seaweedfs\n"},
		"the thaw is missing":  {testbed.SnapshotWay{}, func(f *Freeze) { f.After = []string{"/no/such/program"} }, "thaw the volumes", "freeze seaweedfs\n"},
		"cut but never usable": {testbed.SnapshotWay{Cut: true}, nil, "does not say that it can be used", both},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
			s.Lead("filer-0", tt.way)
			file, freeze := frozen(t)
			if tt.change != nil {
				tt.change(freeze)
			}
			c := s.capturing(t, func(g *Volumes) { g.Freeze, g.Timeout = freeze, 10*enough })
			if tt.way.Cut {
				c.settings.Volumes[0].Timeout = enough
			}
			_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, c)
			if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(textOfError(err), tt.want) {
				t.Errorf("got %v, want %q", textOfError(err), tt.want)
			}
			if got := called(t, file); got != tt.calls {
				t.Errorf("called %q, want %q", got, tt.calls)
			}
			if err != nil {
				s.requireNothingLeft(t)
			}
		})
	}
}

// textOfError is an error with its hints, as people see it.
func textOfError(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if e, ok := fault.Outermost(err); ok {
		text += "; " + e.Try
	}
	return text
}

func TestARunThatIsStoppedThawsWhatItHasFrozen(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	s.Lead("filer-0", testbed.SnapshotWay{Ignored: true})
	file, freeze := frozen(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	fixture, c := repotest.New(t), s.capturing(t, func(g *Volumes) { g.Freeze = freeze })
	go func() {
		_, err := fixture.TryCapture(ctx, t, "cluster", Kind, c)
		ended <- err
	}()
	s.await(t, "nothing is begun", func() bool { return len(s.list(t, testbed.SnapshotResource)) == 3 })
	stop()
	if err := <-ended; err == nil {
		t.Error("a run that was stopped has succeeded")
	}
	if got, want := called(t, file), "freeze seaweedfs\nthaw seaweedfs\n"; got != want {
		t.Errorf("called %q, want %q", got, want)
	}
	s.requireNothingLeft(t)
}
