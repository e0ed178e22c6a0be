package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// refuseVolume is why a claim cannot be made of its snapshot; nobody can overrule it.
const refuseVolume = "volume"

// plannedVolume is a claim that is to be made of a snapshot.
type plannedVolume struct {
	snapshot CapturedSnapshot
	group    string // of the configuration that it was captured with
	captured string // namespace in the point
	target   string // namespace at the target
	claim    *unstructured.Unstructured
	present  bool // an earlier process of the restore has made it
	byHandle bool // the target does not know the snapshot yet
}

// volumes plans what becomes of the snapshots of volumes. Without being asked for
// them a restore leaves them alone, and says so.
func (r *planner) volumes(ctx context.Context, asked bool) error {
	wanted := r.wantedVolumes()
	if len(wanted) == 0 {
		return nil
	}
	if !asked {
		r.warn("the point refers to snapshots of the volumes of %s (%s), which are not used: --volumes makes the claims from them", claims(len(wanted)), namesOfVolumes(wanted))
		return nil
	}
	for _, v := range wanted {
		r.point.selection.leaveOut(v.captured, v.snapshot.Claim)
	}
	kept, err := r.point.claimsOf(ctx)
	if r.damage.Tolerates(err) {
		r.damage.Add(source.Lost{Object: claimsName, What: "all claims", Why: err.Error(), Names: []string{claimsName}})
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the claims of the point: %w", err)
	}
	return r.planVolumes(ctx, wanted, kept)
}

func (r *planner) wantedVolumes() []plannedVolume {
	var wanted []plannedVolume
	for _, group := range r.point.captured.Volumes {
		for _, s := range group.Snapshots {
			if r.point.selection.wants(group.Namespace, key{claimKind.GroupKind(), s.Claim}) {
				wanted = append(wanted, plannedVolume{snapshot: s, group: group.Name, captured: group.Namespace, target: r.point.selection.target(group.Namespace)})
			}
		}
	}
	return wanted
}

func namesOfVolumes(volumes []plannedVolume) string {
	var names []string
	for _, v := range volumes {
		names = append(names, named(v.captured, v.snapshot.Claim))
	}
	return strings.Join(names, ", ")
}

// leaveOut keeps a claim from being applied as the export has it: it is made of its
// snapshot, or exists and is left alone.
func (s *selection) leaveOut(namespace, claim string) {
	s.exclude = append(s.exclude, pattern{text: claim, namespace: namespace, kind: strings.ToLower(claimKind.Kind), name: claim})
}

func (r *planner) planVolumes(ctx context.Context, wanted []plannedVolume, kept map[string]*unstructured.Unstructured) error {
	if _, err := r.catalog.resources(ctx, snapshotKind.GroupVersion()); isUnserved(err) {
		r.refuse("kubernetes "+r.session.cluster, "it serves no "+snapshotGroup+": snapshots cannot be used there", "install the snapshot controller with its CRDs, and the CSI driver; or leave --volumes out")
		return nil
	} else if err != nil {
		return err
	}
	if err := r.sameCluster(ctx); err != nil {
		return err
	}
	var made []plannedVolume
	for _, v := range wanted {
		if v.claim = kept[named(v.captured, v.snapshot.Claim)]; v.claim == nil {
			return fault.New(fault.Corrupt, "read claim "+named(v.captured, v.snapshot.Claim)+" of the point", "its manifest names the claim, and its file %s does not hold it", claimsName)
		}
		planned, err := r.volume(ctx, &v)
		if err != nil {
			return err
		}
		if planned {
			made = append(made, v)
		}
	}
	r.private.volumes = made
	return r.volumeRights(ctx, made)
}

// sameCluster says what nobody can see from here: whether the driver at the target
// reaches the account and the region that the snapshots are in.
func (r *planner) sameCluster(ctx context.Context) error {
	uid, err := r.session.uid(ctx)
	if err != nil {
		return err
	}
	check := source.Check{Check: "volumes", Detail: "the snapshots were taken in this cluster"}
	const only = ": they can be used only where the driver reaches the same account and region, and in zones to which its storage class admits them"
	switch {
	case uid == "":
		check.Detail = "whether the snapshots were taken in this cluster cannot be seen, for want of the right " + right{"get", namespaceKind, systemNamespace}.call().right() + only
	case slices.ContainsFunc(r.point.captured.Volumes, func(g CapturedVolumes) bool { return g.Cluster != uid }):
		check.Detail = "the snapshots were taken in another cluster, or in one that could not be told from others" + only
	default:
		check.OK = true
	}
	r.plan.Checks = append(r.plan.Checks, check)
	return nil
}

// volume plans one claim, and reports whether it is to be made, or was.
func (r *planner) volume(ctx context.Context, v *plannedVolume) (bool, error) {
	live, err := r.session.read(ctx, claimKind, v.target, v.snapshot.Claim)
	if err != nil {
		return false, err
	}
	if v.present = live != nil && r.attempt.HasBegun(r.session.target(v.target)) && isFrom(live, v.snapshot.Snapshot); live != nil && !v.present {
		r.warn("claim %s exists and is left alone, with whatever its volume holds: delete it first, or restore under another name of the namespace, to have it from its snapshot", named(v.target, v.snapshot.Claim))
		return false, nil
	}
	if refused, err := r.unusable(ctx, v); refused || err != nil {
		return false, err
	}
	if v.byHandle, err = r.unknown(ctx, v); err != nil {
		return false, err
	}
	how := "snapshot " + v.snapshot.Snapshot
	if v.byHandle {
		how = "snapshot handle " + v.snapshot.Handle
	}
	r.plan.Steps = append(r.plan.Steps, source.Step{
		Action: "make claim " + v.snapshot.Claim + " of " + how, Target: r.session.target(v.target), Objects: 1, Bytes: v.snapshot.RestoreSize,
	})
	return true, nil
}

// unusable refuses a snapshot that the target's driver could not use.
func (r *planner) unusable(ctx context.Context, v *plannedVolume) (bool, error) {
	s, target := v.snapshot, r.session.target(v.target)
	driver, err := r.session.read(ctx, driverKind, "", s.Driver)
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		r.warn("whether the cluster has the driver %s of the snapshots is not known: the credentials may not get csidrivers", s.Driver)
	case err != nil:
		return false, err
	case driver == nil:
		r.refuse(target, fmt.Sprintf("claim %s: its snapshot is one of the driver %s, which this cluster does not have", s.Claim, s.Driver), "install the driver; or leave --volumes out, and restore what the volumes hold from its own source")
		return true, nil
	}
	if s.StorageClass == "" {
		return false, nil
	}
	class, err := readAs[storagev1.StorageClass](ctx, r.session, storageClassKind, "", s.StorageClass)
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		r.warn("whether the cluster has the storage class %s is not known: the credentials may not get storageclasses", s.StorageClass)
	case err != nil:
		return false, err
	case class == nil:
		r.refuse(target, fmt.Sprintf("claim %s: the cluster has no storage class %s", s.Claim, s.StorageClass), "create one of that name, with provisioner "+s.Driver)
		return true, nil
	case class.Provisioner != s.Driver:
		r.refuse(target, fmt.Sprintf("claim %s: storage class %s is of driver %s, and the snapshot of %s", s.Claim, s.StorageClass, class.Provisioner, s.Driver), "a driver reads its own snapshots only: give the class of that name the provisioner "+s.Driver)
		return true, nil
	}
	return false, nil
}

// unknown reports whether the target has no snapshot of that name, and refuses one
// that is another.
func (r *planner) unknown(ctx context.Context, v *plannedVolume) (bool, error) {
	handle, found, err := r.session.handleAt(ctx, v.target, v.snapshot.Snapshot)
	if err != nil || !found {
		return true, err
	}
	if handle != v.snapshot.Handle {
		r.refuse(r.session.target(v.target), fmt.Sprintf("snapshot %s there has the handle %q, and the point says %q", v.snapshot.Snapshot, handle, v.snapshot.Handle), "delete that snapshot, or restore under another name of the namespace")
	}
	return false, nil
}

// handleAt returns the handle of a snapshot, where there is one of that name.
func (s *session) handleAt(ctx context.Context, namespace, name string) (handle string, found bool, err error) {
	v, err := readAs[snapshotv1.VolumeSnapshot](ctx, s, snapshotKind, namespace, name)
	if err != nil || v == nil {
		return "", false, err
	}
	contentName := contentNameOf(v)
	if contentName == "" {
		contentName = textOf(v.Spec.Source.VolumeSnapshotContentName)
	}
	if contentName == "" {
		return "", true, nil
	}
	content, err := readAs[snapshotv1.VolumeSnapshotContent](ctx, s, snapshotContentKind, "", contentName)
	if err != nil || content == nil {
		return "", true, err
	}
	return handleOf(content), true, nil
}

// volumeRights refuses early what would fail halfway.
func (r *planner) volumeRights(ctx context.Context, made []plannedVolume) error {
	var missing []string
	for _, v := range made {
		needs := []right{{"create", claimKind, v.target}}
		if v.byHandle {
			needs = append(needs, right{"create", snapshotKind, v.target}, right{"create", snapshotContentKind, ""})
		}
		lacking, err := r.session.lacking(ctx, needs)
		if err != nil {
			return err
		}
		missing = append(missing, lacking...)
	}
	slices.Sort(missing)
	if missing = slices.Compact(missing); len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "plan the claims of", "the credentials lack the rights %s", strings.Join(missing, ", ")).
		On("kubernetes " + r.session.cluster).Hint("grant them as `openim-dr config rbac --for volumes` prints them, or restore with an administrator's kubeconfig")
}

func (r *planner) refuse(target, why, try string) {
	r.plan.Refusals = append(r.plan.Refusals, source.Refusal{Code: refuseVolume, Target: target, Why: why, Try: try})
}
