package kube

import (
	"context"
	"reflect"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/openim-dr/openim-dr/internal/fault"
)

const (
	// replaceAttempts bounds how often an object that somebody else keeps
	// changing is replaced.
	replaceAttempts = 5
	// goneTimeout ends the wait for a deleted object's finalizers.
	goneTimeout  = 30 * time.Second
	goneInterval = 200 * time.Millisecond
)

// writer brings one object to the target. It is used by one goroutine.
type writer struct {
	session   *session
	kind      kind
	namespace string
	object    *unstructured.Unstructured // stripped
}

func (w *writer) resource() dynamic.ResourceInterface {
	return w.session.objects.Resource(w.kind.gvr()).Namespace(w.namespace)
}

// call describes one request about the object.
func (w *writer) call(verb string) call {
	return call{verb: verb, resource: w.kind.rbac(), namespace: w.namespace, name: w.object.GetName()}
}

func (w *writer) create(ctx context.Context) error { return w.createAs(ctx, w.object) }

func (w *writer) createAs(ctx context.Context, u *unstructured.Unstructured) error {
	started := time.Now()
	_, err := w.resource().Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return w.session.fail(w.call("create"), started, err)
	}
	return nil
}

// live reads the object as it is at the target, or nil.
func (w *writer) live(ctx context.Context) (*unstructured.Unstructured, error) {
	started := time.Now()
	u, err := w.resource().Get(ctx, w.object.GetName(), metav1.GetOptions{})
	if err == nil {
		return u, nil
	}
	err = w.session.fail(w.call("get"), started, err)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, nil
	}
	return nil, err
}

// equal reports whether the object at the target is the wanted one already.
func (w *writer) equal(live *unstructured.Unstructured) bool {
	stripped := live.DeepCopy()
	strip(stripped)
	return reflect.DeepEqual(stripped.Object, w.object.Object)
}

// replace makes an object that exists equal to the wanted one.
func (w *writer) replace(ctx context.Context) error {
	var err error
	for range replaceAttempts {
		if err = w.replaceOnce(ctx); !answered(err, metav1.StatusReasonConflict, metav1.StatusReasonAlreadyExists) {
			return err
		}
	}
	return err
}

func (w *writer) replaceOnce(ctx context.Context) error {
	live, err := w.live(ctx)
	if err != nil {
		return err
	}
	if live == nil {
		return w.create(ctx)
	}
	if w.equal(live) {
		return nil
	}
	if isHeadless(live) != isHeadless(w.object) {
		// To have an address or none is for life, and the server does not say so.
		return w.recreate(ctx, live)
	}
	err = w.update(ctx, live)
	if answered(err, metav1.StatusReasonInvalid) {
		// An immutable object, or another type of Secret: no update can do it.
		if losesData(w.kind) {
			return w.refuseRecreate(err)
		}
		return w.recreate(ctx, live)
	}
	return err
}

// inPlaceOf returns the wanted object as it may stand where live does.
func (w *writer) inPlaceOf(live *unstructured.Unstructured) *unstructured.Unstructured {
	u := w.object.DeepCopy()
	keepHeld(u, live)
	return u
}

// irreplaceable are kinds, written Kind.group, with which data goes.
var irreplaceable = []string{"PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition.apiextensions.k8s.io"}

func losesData(k kind) bool { return slices.Contains(irreplaceable, k.GroupKind().String()) }

// refuseRecreate is for what cannot be changed and must not be deleted.
func (w *writer) refuseRecreate(err error) error {
	return fault.New(fault.Refused, "replace "+keyOf(w.object).String()+" in", "it cannot be changed, and with it data would be deleted: %w", err).
		On(w.session.target(partOf(w.namespace))).Hint("leave it as it is with --exclude '*/%s/%s/%s', or move its data elsewhere and delete it first", partOf(w.namespace), w.kind.Kind, w.object.GetName())
}

func (w *writer) update(ctx context.Context, live *unstructured.Unstructured) error {
	u := w.inPlaceOf(live)
	keepAllocated(u, live)
	u.SetResourceVersion(live.GetResourceVersion())
	// The uids in these are of this cluster, so they hold.
	u.SetOwnerReferences(live.GetOwnerReferences())
	started := time.Now()
	if _, err := w.resource().Update(ctx, u, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return w.session.fail(w.call("update"), started, err)
	}
	return nil
}

// recreate deletes exactly the object that was seen and creates the wanted
// one in its place.
func (w *writer) recreate(ctx context.Context, live *unstructured.Unstructured) error {
	uid, seen := live.GetUID(), live.GetResourceVersion()
	started := time.Now()
	err := w.resource().Delete(ctx, w.object.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &seen},
	})
	if err != nil {
		if err = w.session.fail(w.call("delete"), started, err); !answered(err, metav1.StatusReasonNotFound) {
			return err
		}
	}
	err = wait.PollUntilContextTimeout(ctx, goneInterval, goneTimeout, true, func(ctx context.Context) (bool, error) {
		left, err := w.live(ctx)
		return left == nil || left.GetUID() != uid, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fault.New(fault.Failed, "replace "+keyOf(w.object).String()+" in", "the old one is still there %s after it was deleted: a finalizer holds it", goneTimeout).
			On(w.session.target(partOf(w.namespace))).Hint("see its metadata.finalizers, then run the same restore again")
	}
	if err != nil {
		return err
	}
	return w.createAs(ctx, w.inPlaceOf(live))
}
