package kube

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

var withVolumes = source.Selection{Volumes: true}

func (s *snapped) claim(t *testing.T, namespace, name string) *corev1.PersistentVolumeClaim {
	t.Helper()
	claim, err := s.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// requireMade fails unless a claim is what it was, filled from a snapshot.
func (s *snapped) requireMade(t *testing.T, namespace string, of CapturedSnapshot) {
	t.Helper()
	claim := s.claim(t, namespace, of.Claim)
	group := snapshotGroup
	want := corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &s.Driver, VolumeMode: ref(corev1.PersistentVolumeFilesystem),
		Resources:     corev1.VolumeResourceRequirements{Requests: claim.Spec.Resources.Requests},
		DataSource:    &corev1.TypedLocalObjectReference{APIGroup: &group, Kind: "VolumeSnapshot", Name: of.Snapshot},
		DataSourceRef: &corev1.TypedObjectReference{APIGroup: &group, Kind: "VolumeSnapshot", Name: of.Snapshot},
	}
	if diff := cmp.Diff(want, claim.Spec); diff != "" {
		t.Errorf("claim %s (-want +got):\n%s", of.Claim, diff)
	}
	if size := claim.Spec.Resources.Requests.Storage().String(); size != of.Size {
		t.Errorf("claim %s has the size %s, want %s", of.Claim, size, of.Size)
	}
	if diff := cmp.Diff(seaweedfs, claim.Labels); diff != "" || claim.Annotations["example.com/note"] != "kept" || claim.Annotations["pv.kubernetes.io/bind-completed"] != "" {
		t.Errorf("claim %s has the annotations %v and the labels (-want +got):\n%s", of.Claim, claim.Annotations, diff)
	}
}

func TestClaimsAreMadeOfSnapshotsThatAreThereAndThoseThatExistAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	c := s.capturing(t, nil)
	c.settings.Kinds = append(c.settings.Kinds, "persistentvolumeclaims") // the export has the claims, too
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	snapshots := volumesRecordOf(t, from).Volumes[0].Snapshots
	for _, lost := range []string{"filer-0", "volume-0"} {
		s.RemoveClaim(t, s.namespace, lost)
	}
	before := s.claim(t, s.namespace, "master-0")

	plan, err := c.Plan(t.Context(), from, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(plan.Warnings, "\n"); !strings.Contains(text, "3 claims") || !strings.Contains(text, s.namespace+"/filer-0") || !strings.Contains(text, "--volumes") {
		t.Errorf("without --volumes the plan warns of %q", text)
	}

	plan, compared := bringBack(t, c, from, withVolumes)
	requireEqual(t, compared)
	var steps []string
	for _, step := range plan.Steps {
		steps = append(steps, step.Action)
	}
	want := []string{"make claim filer-0 of snapshot " + snapshots[0].Snapshot, "make claim volume-0 of snapshot " + snapshots[2].Snapshot, "apply"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if text := strings.Join(plan.Warnings, "\n"); !strings.Contains(text, "claim "+s.namespace+"/master-0 exists and is left alone") {
		t.Errorf("the plan warns of %q", text)
	}
	if len(compared.Deviations) != 2 || compared.Deviations[0].What != "not compared" {
		t.Errorf("deviations: %+v", compared.Deviations)
	}
	s.requireMade(t, s.namespace, snapshots[0])
	s.requireMade(t, s.namespace, snapshots[2])
	if after := s.claim(t, s.namespace, "master-0"); after.UID != before.UID || after.ResourceVersion != before.ResourceVersion {
		t.Error("a claim that exists was touched")
	}
}

// The cluster is lost, and its snapshots were retained: all that is left of them are
// the handles in the point.
func TestClaimsAreMadeOfHandlesAlone(t *testing.T) {
	t.Parallel()
	s, fixture := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain), repotest.New(t)
	elsewhere := s.freeName(t)
	c := s.capturing(t, nil)
	from := fixture.Capture(t, "cluster", Kind, c)
	snapshots := volumesRecordOf(t, from).Volumes[0].Snapshots
	s.lose(t)
	s.Serve(elsewhere)

	want := source.Selection{Volumes: true, Rename: map[string]string{s.namespace: elsewhere}}
	plan, compared := bringBack(t, c, from, want)
	requireEqual(t, compared)
	if !strings.Contains(plan.Steps[0].Action, "of snapshot handle "+snapshots[0].Handle) {
		t.Errorf("steps: %+v", plan.Steps)
	}
	for _, snapshot := range snapshots {
		s.requireMade(t, elsewhere, snapshot)
	}
	contents, err := s.objects.Resource(testbed.SnapshotContentResource).List(t.Context(), metav1.ListOptions{LabelSelector: pointLabel + "=" + from.Point().Point})
	if err != nil || len(contents.Items) != 3 {
		t.Fatalf("%d contents were made (%v)", len(contents.Items), err)
	}
	for _, u := range contents.Items {
		content, err := as[snapshotv1.VolumeSnapshotContent](&u)
		if err != nil || content.Spec.DeletionPolicy != snapshotv1.VolumeSnapshotContentRetain {
			t.Errorf("content %+v (%v), want one that retains its snapshot", content, err)
		}
	}

	// What the restore has made goes with the point, and the driver's snapshots too.
	p := pruningOf(t, fixture, s.source(t, func(settings *Settings) { settings.Volumes = c.settings.Volumes }, elsewhere))
	fixture.Capture(t, "cluster", Kind, s.source(t, nil, s.namespace))
	p.record(t, from.Point().Point, repository.Forget, 100*time.Hour)
	if done := p.carryOut(t, p.plan(t)); len(done.Outside) != 1 || done.Outside[0].Removed != 3 {
		t.Errorf("done %+v, want 3 removed", done.Outside)
	}
	s.await(t, "the driver keeps what was pruned", func() bool { return len(s.Holds()) == 0 })
}

// lose removes snapshots, their contents and the claims from the cluster, and
// nothing from the driver.
func (s *snapped) lose(t *testing.T) {
	t.Helper()
	for _, u := range s.list(t, testbed.SnapshotResource) {
		content, _ := as[snapshotv1.VolumeSnapshot](&u)
		if err := s.objects.Resource(testbed.SnapshotResource).Namespace(s.namespace).Delete(t.Context(), u.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		s.await(t, "a snapshot is left", func() bool { return !s.has(t, u.GetName()) })
		if err := s.objects.Resource(testbed.SnapshotContentResource).Delete(t.Context(), contentNameOf(content), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, claim := range []string{"filer-0", "master-0", "volume-0"} {
		s.RemoveClaim(t, s.namespace, claim)
	}
	if len(s.Holds()) != 3 {
		t.Fatalf("the driver keeps %v", s.Holds())
	}
}

func (s *snapped) has(t *testing.T, snapshot string) bool {
	return slices.ContainsFunc(s.list(t, testbed.SnapshotResource), func(u unstructured.Unstructured) bool { return u.GetName() == snapshot })
}

func TestAPlanRefusesSnapshotsThatTheTargetCannotUse(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	c := s.capturing(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	s.RemoveClaim(t, s.namespace, "filer-0")
	refusals := func() string {
		plan, err := c.Plan(t.Context(), from, withVolumes)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, r := range plan.Refusals {
			texts = append(texts, r.Why)
		}
		return strings.Join(texts, "\n")
	}
	if got := refusals(); got != "" {
		t.Fatalf("refused: %s", got)
	}
	ctx := context.WithoutCancel(t.Context())
	classes := s.StorageV1().StorageClasses()
	if err := classes.Delete(ctx, s.Driver, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := refusals(); !strings.Contains(got, "claim filer-0: the cluster has no storage class "+s.Driver) {
		t.Errorf("without the class: %q", got)
	}
	s.StorageClass(t, s.Driver, "other.example.com")
	if got := refusals(); !strings.Contains(got, "is of driver other.example.com") {
		t.Errorf("with the class of another driver: %q", got)
	}
	if err := s.StorageV1().CSIDrivers().Delete(ctx, s.Driver, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := refusals(); !strings.Contains(got, "driver "+s.Driver+", which this cluster does not have") {
		t.Errorf("without the driver: %q", got)
	}
}

// A handle of another account or region is not found: the restore says so, and ends.
func TestARestoreEndsWhereTheDriverDoesNotKnowTheHandle(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentRetain)
	c := s.capturing(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	s.lose(t)
	s.Forget()
	c.settings.Volumes[0].Timeout = enough
	plan, err := c.Plan(t.Context(), from, withVolumes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Restore(t.Context(), from, plan, progress.Discard)
	if fault.KindOf(err) != fault.Failed || !strings.Contains(textOfError(err), "not found") || !strings.Contains(textOfError(err), "filer-0") {
		t.Errorf("got %s", textOfError(err))
	}
	if _, err := s.CoreV1().PersistentVolumeClaims(s.namespace).Get(t.Context(), "filer-0", metav1.GetOptions{}); err == nil {
		t.Error("a claim was made of a snapshot that is not there")
	}
}

func TestAResumedRestoreFindsTheClaimsThatItHasMade(t *testing.T) {
	t.Parallel()
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	c := s.capturing(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	for _, lost := range []string{"filer-0", "master-0", "volume-0"} {
		s.RemoveClaim(t, s.namespace, lost)
	}
	bringBack(t, c, from, withVolumes)
	again := withVolumes
	again.Attempt = source.Attempt{ID: "r", Resumed: true, Begun: []string{"kubernetes/testbed/" + s.namespace}}
	plan, compared := bringBack(t, c, from, again)
	requireEqual(t, compared)
	if len(plan.Warnings) != 0 || len(compared.Deviations) != 3 {
		t.Errorf("warnings %v, deviations %+v", plan.Warnings, compared.Deviations)
	}
}
