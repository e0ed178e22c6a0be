package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	groupv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1beta2"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// snapshotInterval is the time between two looks at snapshots that are on their way.
const snapshotInterval = 500 * time.Millisecond

// errVolumesTimeout: the time of the settings is over.
var errVolumesTimeout = errors.New("the timeout of the group is over")

// taker begins the snapshots of a group, one by one or all at one instant.
type taker interface {
	begin(ctx context.Context) error
	// look returns the snapshots by claim, as far as they are there, and what is
	// wrong with all of them, if anything is.
	look(ctx context.Context) (found map[string]*snapshotv1.VolumeSnapshot, wrong string, err error)
	// groupName is that of the group's own object; empty where there is none.
	groupName() string
}

// taker chooses how the group is snapped, and makes sure that its class exists.
func (g *volumeGroup) taker(ctx context.Context) (taker, error) {
	class, made := snapshotClassKind, taker(&singleSnapshots{g})
	if g.Group {
		kinds, err := newCatalog(g.session).groupSnapshots(ctx)
		if err != nil {
			return nil, err
		}
		class, made = kinds.class, &groupSnapshot{volumeGroup: g, kind: kinds.snapshot}
	}
	found, err := g.session.read(ctx, class, "", g.Class)
	if answered(err, metav1.StatusReasonForbidden) {
		return made, nil // the snapshot's controller will find out
	}
	if err == nil && found == nil {
		err = g.fail(fault.Usage, "there is no %s %q", class.Kind, g.Class).Hint("`kubectl get %s` lists them; or the snapshot controller is not installed", class.rbac())
	}
	return made, err
}

// singleSnapshots are one VolumeSnapshot for each claim.
type singleSnapshots struct{ *volumeGroup }

func (t *singleSnapshots) groupName() string { return "" }

func (t *singleSnapshots) begin(ctx context.Context) error {
	for _, claim := range t.chosen {
		name := t.owner.snapshotName(t.Name, t.Namespace, claim.Name)
		_, err := t.session.createObject(ctx, snapshotKind, newSnapshot(snapshotKind, t.Namespace, name, t.owner.labels(t.Name), map[string]any{
			"volumeSnapshotClassName": t.Class,
			"source":                  map[string]any{"persistentVolumeClaimName": claim.Name},
		}))
		if err != nil {
			return t.fail(fault.KindOf(err), "%w", err).Hint("a cluster takes snapshots once the snapshot controller and its CRDs are installed: `openim-dr doctor` says what is missing")
		}
	}
	return nil
}

func (t *singleSnapshots) look(ctx context.Context) (map[string]*snapshotv1.VolumeSnapshot, string, error) {
	selector := t.owner.selector() + "," + volumesLabel + "=" + labelValue(t.Name)
	listed, err := listAs[snapshotv1.VolumeSnapshot](ctx, t.session, listing{kind: snapshotKind, namespace: t.Namespace, selector: selector})
	return byClaim(listed), "", err
}

func byClaim(listed []*snapshotv1.VolumeSnapshot) map[string]*snapshotv1.VolumeSnapshot {
	found := map[string]*snapshotv1.VolumeSnapshot{}
	for _, v := range listed {
		found[textOf(v.Spec.Source.PersistentVolumeClaimName)] = v
	}
	return found
}

// groupSnapshot is one VolumeGroupSnapshot, whose controller makes the snapshots.
type groupSnapshot struct {
	*volumeGroup
	kind kind
	name string
}

func (t *groupSnapshot) groupName() string { return t.name }

func (t *groupSnapshot) begin(ctx context.Context) error {
	selector, err := metav1.ParseToLabelSelector(t.Selector)
	if err != nil {
		return t.fail(fault.Usage, "its selector cannot be that of a group snapshot")
	}
	asMap, err := runtime.DefaultUnstructuredConverter.ToUnstructured(selector)
	if err != nil {
		return err
	}
	t.name = t.owner.snapshotName(t.Name, t.Namespace, labelValue(t.Name))
	_, err = t.session.createObject(ctx, t.kind, newSnapshot(t.kind, t.Namespace, t.name, t.owner.labels(t.Name), map[string]any{
		"volumeGroupSnapshotClassName": t.Class,
		"source":                       map[string]any{"selector": asMap},
	}))
	return err
}

// look finds the members by their owner: each is known to be one before its status
// says so.
func (t *groupSnapshot) look(ctx context.Context) (map[string]*snapshotv1.VolumeSnapshot, string, error) {
	group, err := readAs[groupv1.VolumeGroupSnapshot](ctx, t.session, t.kind, t.Namespace, t.name)
	if err != nil || group == nil {
		return nil, "the group snapshot is gone", err
	}
	wrong := ""
	if group.Status != nil {
		wrong = complaint(group.Status.Error)
	}
	if group.Status == nil || group.Status.ReadyToUse == nil {
		wrong = cmp.Or(wrong, "no controller has taken the group snapshot up")
	}
	listed, err := listAs[snapshotv1.VolumeSnapshot](ctx, t.session, listing{kind: snapshotKind, namespace: t.Namespace})
	members := slices.DeleteFunc(listed, func(v *snapshotv1.VolumeSnapshot) bool { return !isMember(v, group.UID) })
	return byClaim(members), wrong, err
}

// await looks at the snapshots until each chosen claim has one that is as wanted, or
// until ctx ends. What a controller reports meanwhile is no end: it tries again, and
// many a report is gone a moment later.
func (g *volumeGroup) await(ctx context.Context, t taker, what string, done func(*snapshotv1.VolumeSnapshot) bool) ([]*snapshotv1.VolumeSnapshot, error) {
	ready := make([]*snapshotv1.VolumeSnapshot, len(g.chosen))
	var late []string
	err := wait.PollUntilContextCancel(ctx, snapshotInterval, true, func(ctx context.Context) (bool, error) {
		found, wrong, err := t.look(ctx)
		if err != nil {
			return false, err
		}
		late = late[:0]
		for i, claim := range g.chosen {
			v := found[claim.Name]
			switch {
			case v == nil:
				late = append(late, fmt.Sprintf("claim %s: %s", claim.Name, cmp.Or(wrong, "its snapshot is gone")))
			case !done(v):
				late = append(late, fmt.Sprintf("claim %s, snapshot %s: %s", claim.Name, v.Name, stateOf(v)))
			default:
				ready[i] = v
			}
		}
		return len(late) == 0, nil
	})
	if err == nil {
		g.shown.Add(int64(len(ready)))
		return ready, nil
	}
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, context.Canceled) {
		return nil, err
	}
	return nil, g.fail(fault.Failed, "%w, and %d of %s have no snapshot that is %s: %s", cause, len(late), claims(len(g.chosen)), what, strings.Join(late, "; ")).
		Hint("`kubectl -n %s describe volumesnapshots` and the logs of the CSI driver's snapshotter say why; timeout and freeze.limit of the group say how long is waited", g.Namespace)
}

// describe records what the snapshots are, and makes sure that each is of the claim
// that it was made for.
func (g *volumeGroup) describe(ctx context.Context, ready []*snapshotv1.VolumeSnapshot) ([]CapturedSnapshot, error) {
	recorded := make([]CapturedSnapshot, 0, len(ready))
	for i, v := range ready {
		content, err := readAs[snapshotv1.VolumeSnapshotContent](ctx, g.session, snapshotContentKind, "", contentNameOf(v))
		if err != nil {
			return nil, err
		}
		if content == nil || !refersTo(content, v) || handleOf(content) == "" {
			return nil, g.fail(fault.Failed, "snapshot %s says that it is ready, and its content %s is not that of the snapshot", v.Name, contentNameOf(v)).
				Hint("look at both with `kubectl get -o yaml`; the controller of snapshots is at fault")
		}
		recorded = append(recorded, captureSnapshot(g.chosen[i], v, content))
	}
	return recorded, nil
}

func captureSnapshot(claim *corev1.PersistentVolumeClaim, v *snapshotv1.VolumeSnapshot, content *snapshotv1.VolumeSnapshotContent) CapturedSnapshot {
	size := claim.Status.Capacity[corev1.ResourceStorage]
	if size.IsZero() {
		size = claim.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	s := CapturedSnapshot{
		Claim: claim.Name, Size: size.String(), StorageClass: textOf(claim.Spec.StorageClassName),
		AccessModes: accessModes(claim.Spec.AccessModes), VolumeMode: cmp.Or(textOf(claim.Spec.VolumeMode), string(corev1.PersistentVolumeFilesystem)),
		Snapshot: v.Name, Content: content.Name, Handle: handleOf(content), Driver: content.Spec.Driver,
		DeletionPolicy: string(content.Spec.DeletionPolicy),
	}
	if v.Status.RestoreSize != nil {
		s.RestoreSize = v.Status.RestoreSize.Value()
	}
	if v.Status.CreationTime != nil {
		s.CreationTime = v.Status.CreationTime.UTC()
	}
	return s
}
