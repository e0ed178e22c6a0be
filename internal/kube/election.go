package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

const (
	// DefaultLeaseName is that of the Lease which elects.
	DefaultLeaseName = "openim-dr"
	// DefaultLeaseLength is how long a Lease holds without a renewal.
	DefaultLeaseLength = time.Minute
	// mostLeaseLength bounds how long the Lease of somebody else is waited for,
	// whatever it says of itself.
	mostLeaseLength = time.Hour
	// leaveTimeout bounds the last word of a holder that ends.
	leaveTimeout = 5 * time.Second
	// podNamespace is where a pod finds the namespace of its service account.
	podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// ErrLeaseLost is the cause with which work ends when somebody else has taken the
// Lease, or it could not be renewed in time.
var ErrLeaseLost = errors.New("the Lease was lost to another process")

var leaseKind = kind{schema.GroupVersionKind{Group: coordinationv1.GroupName, Version: "v1", Kind: "Lease"}, "leases", true}

// Election elects one of several processes by a Lease of the cluster (coordination.k8s.io).
// A holder that is cut off from the API server or suspended ends its work after two
// thirds of the Lease's length, by its own monotonic clock; another one takes over after
// the whole length without a change, by its own. The server's clock is not asked.
type Election struct {
	LeaseSettings

	cluster *Cluster
}

// LeaseSettings say which Lease elects, and whom.
type LeaseSettings struct {
	Kubeconfig, Context string        // as those of Settings
	Namespace           string        // of the Lease; empty: the pod's own
	Name                string        // empty: DefaultLeaseName
	Length              time.Duration // in whole seconds; zero: DefaultLeaseLength
	// Instance is whose daemons are elected. A Lease that is another's is refused.
	Instance string
	// Identity is that of this process, and no other has it.
	Identity string
}

// NewElection checks settings and fills in their defaults. The server is not asked.
func NewElection(s LeaseSettings) (*Election, error) {
	if s.Namespace == "" {
		own, err := os.ReadFile(podNamespace)
		if err != nil {
			return nil, fault.New(fault.Usage, "find the namespace of the Lease", "this is no pod of a cluster").
				Hint("set daemon.lease.namespace, or daemon.election: repository")
		}
		s.Namespace = strings.TrimSpace(string(own))
	}
	s.Name, s.Length = cmp.Or(s.Name, DefaultLeaseName), cmp.Or(s.Length, DefaultLeaseLength)
	cluster, err := New("election", &Settings{Kubeconfig: s.Kubeconfig, Context: s.Context})
	if err != nil {
		return nil, err
	}
	return &Election{s, cluster}, nil
}

// ElectionAccess is what electing by a Lease takes.
func ElectionAccess(s LeaseSettings) *Access {
	a := &Access{name: "election", purpose: ForElect}
	name := cmp.Or(s.Name, DefaultLeaseName)
	a.add(right{"create", leaseKind, s.Namespace})
	for _, verb := range []string{"get", "update"} {
		a.grants = append(a.grants, grant{right{verb, leaseKind, s.Namespace}, name})
	}
	a.note("What is created cannot be restricted by name.")
	return a
}

// Lead waits until the Lease is free and calls work while it holds, with a context that
// ends when it does not any more. It returns once work has, or with fault.Busy where
// another process renews the Lease.
func (e *Election) Lead(ctx context.Context, work func(ctx context.Context)) error {
	s, err := e.cluster.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &tenure{LeaseSettings: e.LeaseSettings, session: s}
	if err := t.take(ctx); err != nil {
		return err
	}
	working, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		t.keep(working, cancel)
	}()
	work(working)
	cancel(context.Canceled)
	<-renewed
	if errors.Is(context.Cause(working), ErrLeaseLost) {
		return ErrLeaseLost
	}
	t.leave(ctx)
	return nil
}

// tenure is the time of one holder.
type tenure struct {
	LeaseSettings

	session *session
	held    *coordinationv1.Lease // as the server has it
	renewed time.Time             // when the renewal that holds was sent: an observer saw it later
}

// take holds the Lease as soon as nobody else does.
func (t *tenure) take(ctx context.Context) error {
	for {
		seen, err := t.read(ctx)
		if err != nil {
			return err
		}
		if seen != nil && seen.Annotations[instanceLabel] != t.Instance {
			return fault.New(fault.Usage, "take the Lease", "it elects the daemons of instance %q", seen.Annotations[instanceLabel]).On(t.Namespace + "/" + t.Name).
				Hint("set daemon.lease.name: each instance needs a Lease of its own")
		}
		if seen != nil && !t.free(seen) {
			if err := t.outlast(ctx, seen); err != nil {
				return err
			}
		}
		err = t.write(ctx, seen, t.Identity)
		if !answered(err, metav1.StatusReasonConflict, metav1.StatusReasonAlreadyExists) {
			return err
		}
	}
}

// free reports whether nobody holds the Lease, or this process does: a reply was lost.
func (t *tenure) free(l *coordinationv1.Lease) bool {
	return l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" || *l.Spec.HolderIdentity == t.Identity
}

// outlast returns nil once the Lease of somebody else has not changed for its length, or
// was given back.
func (t *tenure) outlast(ctx context.Context, seen *coordinationv1.Lease) error {
	length := t.Length
	if given := seen.Spec.LeaseDurationSeconds; given != nil && *given > 0 {
		length = min(time.Duration(*given)*time.Second, mostLeaseLength)
	}
	tick := time.NewTicker(length / 8)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < length; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now, err := t.read(ctx)
		switch {
		case err != nil:
			return err
		case now == nil || t.free(now):
			return nil
		case now.ResourceVersion != seen.ResourceVersion:
			return fault.New(fault.Busy, "take the Lease", "%s holds it and is alive", *now.Spec.HolderIdentity).On(t.Namespace + "/" + t.Name)
		}
	}
	return nil
}

// keep renews the Lease until ctx ends, and ends it where that fails for too long.
func (t *tenure) keep(ctx context.Context, end context.CancelCauseFunc) {
	// The process may be suspended anywhere. When it wakes, the timer ends its work
	// before any renewal is tried.
	left := func() time.Duration { return time.Until(t.renewed.Add(t.Length * 2 / 3)) }
	late := time.AfterFunc(left(), func() { end(ErrLeaseLost) })
	defer late.Stop()
	tick := time.NewTicker(t.Length / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if ctx.Err() != nil || left() <= 0 {
			continue // the timer has ended it, or is about to
		}
		if err := t.renew(ctx); errors.Is(err, ErrLeaseLost) {
			end(err)
			return
		}
		late.Reset(left())
	}
}

// renew writes the Lease anew. Where somebody else has it, that is ErrLeaseLost; any
// other error may pass.
func (t *tenure) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.Length/3)
	defer cancel()
	err := t.write(ctx, t.held, t.Identity)
	if !answered(err, metav1.StatusReasonConflict, metav1.StatusReasonNotFound) {
		return err
	}
	now, err := t.read(ctx)
	switch {
	case err != nil:
		return err
	case now == nil || now.Spec.HolderIdentity == nil || *now.Spec.HolderIdentity != t.Identity:
		return ErrLeaseLost
	}
	return t.write(ctx, now, t.Identity) // an earlier renewal has arrived, and its reply has not
}

// leave gives the Lease back, so that another process need not wait for its end. It is
// a courtesy: where it fails the wait remains.
func (t *tenure) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_ = t.write(ctx, t.held, "") // see above
}

func (t *tenure) read(ctx context.Context) (*coordinationv1.Lease, error) {
	l, err := readAs[coordinationv1.Lease](ctx, t.session, leaseKind, t.Namespace, t.Name)
	if err != nil {
		return nil, fmt.Errorf("elect who leads: %w", err)
	}
	return l, nil
}

// write puts the Lease in the place of what was seen, or makes it where there was none.
func (t *tenure) write(ctx context.Context, seen *coordinationv1.Lease, holder string) error {
	began := time.Now()
	now, seconds, transitions := metav1.NewMicroTime(began), int32(max(t.Length/time.Second, 1)), int32(0)
	next := &coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: leaseKind.GroupVersion().String(), Kind: leaseKind.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name, Annotations: map[string]string{instanceLabel: t.Instance}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now, LeaseTransitions: &transitions},
	}
	if seen != nil {
		next.ObjectMeta = seen.ObjectMeta
		next.Spec.AcquireTime, next.Spec.LeaseTransitions = seen.Spec.AcquireTime, seen.Spec.LeaseTransitions
		if !t.free(seen) || seen.Spec.HolderIdentity == nil || *seen.Spec.HolderIdentity == "" {
			next.Spec.AcquireTime = &now
			if seen.Spec.LeaseTransitions != nil {
				transitions = *seen.Spec.LeaseTransitions
			}
			transitions++
			next.Spec.LeaseTransitions = &transitions
		}
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(next)
	if err != nil {
		return err
	}
	written, err := t.put(ctx, &unstructured.Unstructured{Object: object}, seen == nil)
	if err != nil {
		return fmt.Errorf("elect who leads: %w", err)
	}
	if t.held, err = as[coordinationv1.Lease](written); err == nil {
		t.renewed = began
	}
	return err
}

func (t *tenure) put(ctx context.Context, u *unstructured.Unstructured, isNew bool) (*unstructured.Unstructured, error) {
	if isNew {
		return t.session.createObject(ctx, leaseKind, u)
	}
	started := time.Now()
	written, err := t.session.objects.Resource(leaseKind.gvr()).Namespace(u.GetNamespace()).Update(ctx, u, metav1.UpdateOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, t.session.fail(call{verb: "update", resource: leaseKind.rbac(), namespace: u.GetNamespace(), name: u.GetName()}, started, err)
	}
	return written, nil
}
