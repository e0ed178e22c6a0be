package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// errUsable: a cluster that is told of a snapshot looks it up at once, as a rule.
var errUsable = errors.New("the timeout of its group is over")

// patience is how long a snapshot of a group may take until it can be used at the
// target: as the target's own settings of that group say.
func (c *Cluster) patience(group string) time.Duration {
	for _, g := range c.settings.Volumes {
		if g.Name == group {
			return g.effective().Timeout.Duration()
		}
	}
	return Volumes{}.effective().Timeout.Duration()
}

// volumes makes the claims that were planned, before anything is applied that might
// use them: a StatefulSet makes empty ones itself.
func (r *restore) volumes(ctx context.Context, planned []plannedVolume, namespaces []plannedNamespace) error {
	for _, v := range planned {
		if err := r.volumeNamespace(ctx, v, namespaces); err != nil {
			return err
		}
		if err := r.tellOf(ctx, v); err != nil {
			return fmt.Errorf("make claim %s: %w", named(v.target, v.snapshot.Claim), err)
		}
	}
	for _, v := range planned {
		if err := r.claim(ctx, v); err != nil {
			return fmt.Errorf("make claim %s: %w", named(v.target, v.snapshot.Claim), err)
		}
	}
	return nil
}

// volumeNamespace makes the namespace of a claim where it is not there: as the point
// has it, or by its name alone where it holds nothing else of it.
func (r *restore) volumeNamespace(ctx context.Context, v plannedVolume, namespaces []plannedNamespace) error {
	if err := r.attempt.Begin(ctx, r.session.target(v.target)); err != nil {
		return err
	}
	for _, planned := range namespaces {
		if planned.target != v.target {
			continue
		}
		if planned.exists {
			return nil
		}
		return r.createNamespace(ctx, planned)
	}
	existing, err := r.session.namespace(ctx, v.target)
	if err != nil || existing != nil {
		return err
	}
	return r.createNamespace(ctx, plannedNamespace{object: bareNamespace(v.captured), target: v.target})
}

// tellOf tells the target of a snapshot that it does not know, by its handle.
func (r *restore) tellOf(ctx context.Context, v plannedVolume) error {
	if !v.byHandle {
		return nil
	}
	m := r.from.Point()
	owner := belonging{instance: m.Instance, repository: m.Repository, source: r.from.Name(), point: m.Point}
	name := owner.snapshotName(v.group, v.target, v.snapshot.Claim)
	content, snapshot := snapshotByHandle(v.snapshot, v.target, name, owner.labels(v.group))
	for _, one := range []struct {
		kind   kind
		create func() error
	}{
		{snapshotContentKind, func() error { _, err := r.session.createObject(ctx, snapshotContentKind, content); return err }},
		{snapshotKind, func() error { _, err := r.session.createObject(ctx, snapshotKind, snapshot); return err }},
	} {
		// An earlier process of the restore may have made it; claim looks at the handle.
		if err := one.create(); err != nil && !answered(err, metav1.StatusReasonAlreadyExists) {
			return err
		}
	}
	return nil
}

// claim makes one claim of a snapshot that can be used.
func (r *restore) claim(ctx context.Context, v plannedVolume) error {
	if err := r.awaitUsable(ctx, v); err != nil {
		return err
	}
	handle, _, err := r.session.handleAt(ctx, v.target, v.snapshot.Snapshot)
	if err != nil {
		return err
	}
	if handle != v.snapshot.Handle {
		return fault.New(fault.Refused, "use snapshot "+v.snapshot.Snapshot, "its handle is %q, and the point says %q", handle, v.snapshot.Handle).On(r.session.target(v.target))
	}
	if !v.present {
		u, err := fromSnapshot(v.claim, v.target, v.snapshot)
		if err != nil {
			return err
		}
		if _, err := r.session.createObject(ctx, claimKind, u); err != nil {
			return err
		}
	}
	r.objects.Add(1)
	return nil
}

func (r *restore) awaitUsable(ctx context.Context, v plannedVolume) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.patience(v.group), errUsable)
	defer cancel()
	why := ""
	err := wait.PollUntilContextCancel(ctx, snapshotInterval, true, func(ctx context.Context) (bool, error) {
		s, err := readAs[snapshotv1.VolumeSnapshot](ctx, r.session, snapshotKind, v.target, v.snapshot.Snapshot)
		if err != nil || s == nil {
			why = "it is gone"
			return false, err
		}
		why = stateOf(s)
		return isReady(s), nil
	})
	if err == nil || !errors.Is(context.Cause(ctx), errUsable) {
		return err
	}
	return fault.New(fault.Failed, "wait until snapshot "+v.snapshot.Snapshot+" can be used", "%w: %s", errUsable, why).On(r.session.target(v.target)).
		Hint("a snapshot of another account, project or region is not found by its handle; `kubectl describe volumesnapshot` there says more. Then resume, or restore without --volumes")
}

// volumes looks whether the claims are there, made of their snapshots. What is in
// them nobody has compared, and that is said.
func (r *comparing) volumes(ctx context.Context, planned []plannedVolume, result *source.Comparison) error {
	made := map[string]*source.Compared{}
	var order []string
	for _, v := range planned {
		name := v.captured + "/" + claimKind.Kind
		if made[name] == nil {
			made[name] = &source.Compared{Name: name, Equal: true}
			order = append(order, name)
		}
		item := made[name]
		item.Objects++
		live, err := r.session.read(ctx, claimKind, v.target, v.snapshot.Claim)
		if err != nil {
			return err
		}
		if live == nil || !isFrom(live, v.snapshot.Snapshot) {
			item.Equal = false
			result.Differences = append(result.Differences, source.Difference{Object: name + "/" + v.snapshot.Claim, What: "missing", Want: "made of " + v.snapshot.Snapshot})
		}
		result.Deviations = append(result.Deviations, source.Deviation{
			Object: name + "/" + v.snapshot.Claim, What: "not compared", Why: "its volume is filled by the driver from snapshot " + strings.TrimSpace(v.snapshot.Handle) + ", of whose content the point holds no digest",
		})
	}
	for _, name := range order {
		result.Items = append(result.Items, *made[name])
	}
	return nil
}
