package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// awaitGone waits until no pod of some workloads runs. A server that does not
// answer for a moment does not end the wait.
func (q *Quiescer) awaitGone(ctx context.Context, s *session, stage string, stopped []*workload) error {
	var left []string // as last seen
	var lost error    // of the last look
	err := wait.PollUntilContextTimeout(ctx, q.interval, q.patience, true, func(ctx context.Context) (bool, error) {
		var names []string
		if names, lost = s.remains(ctx, stopped); lost != nil {
			return false, unlessPassing(lost)
		}
		left = names
		return len(left) == 0, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.New(fault.Failed, fmt.Sprintf("wait for stage %q to stop in", stage), "cancelled: %w", ctx.Err()).On("kubernetes " + s.cluster).
			Hint("what is stopped stays so: resume the restore, or bring the workloads back with `openim-dr restore --release`")
	case !wait.Interrupted(err):
		return err
	case len(left) == 0:
		return lost // there was no answer for all that time
	}
	return q.stillThere(s, stage, left)
}

// unlessPassing returns an error that trying again does not change.
func unlessPassing(err error) error {
	if fault.KindOf(err) == fault.Failed && !errors.Is(err, errBroughtBack) {
		return nil
	}
	return err
}

const shownRemains = 5

func (q *Quiescer) stillThere(s *session, stage string, left []string) error {
	shown := strings.Join(left[:min(len(left), shownRemains)], ", ")
	if more := len(left) - shownRemains; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return fault.New(fault.Failed, fmt.Sprintf("wait for stage %q to stop in", stage), "after %s there are still %s", q.patience, shown).On("kubernetes " + s.cluster).
		Hint("`kubectl -n NAMESPACE describe pod POD` says why; one whose node is lost goes with `kubectl -n NAMESPACE delete pod POD --force --grace-period=0`, one without a controller with `kubectl -n NAMESPACE delete pod POD`. " +
			"Then resume the restore: what is stopped stays so, and is not counted again. Or bring the workloads back with `openim-dr restore --release`")
}

// errBroughtBack: somebody gives replicas to what is being stopped.
var errBroughtBack = errors.New("somebody else scales it up again")

// remains names the pods of some workloads that may still write, and the
// workloads whose controllers have not acted yet: they may yet make pods.
func (s *session) remains(ctx context.Context, stopped []*workload) ([]string, error) {
	var left []string
	for _, namespace := range namespacesOf(stopped) {
		names, err := s.remainsIn(ctx, namespace, stopped)
		if err != nil {
			return nil, err
		}
		left = append(left, names...)
	}
	return left, nil
}

func namespacesOf(workloads []*workload) []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.object.GetNamespace())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (s *session) remainsIn(ctx context.Context, namespace string, stopped []*workload) ([]string, error) {
	now, err := s.workloads(ctx, []string{namespace})
	if err != nil {
		return nil, err
	}
	var present population
	if present.replicaSets, err = s.gather(ctx, replicaSetKind, namespace); err != nil {
		return nil, err
	}
	// Pods last: by then what made them has been seen to have stopped.
	if present.pods, err = s.gather(ctx, podKind, namespace); err != nil {
		return nil, err
	}
	var left []string
	for _, w := range stopped {
		if w.object.GetNamespace() != namespace {
			continue
		}
		current := w.asDeleted()
		if i := slices.IndexFunc(now, w.same); i >= 0 {
			current = now[i]
		}
		names, err := current.remains(present)
		if err != nil {
			return nil, fault.New(fault.Failed, "stop "+w.described().String()+" of", "%w", err).On("kubernetes " + s.cluster).
				Hint("suspend what does so, such as the automated sync of Argo CD or a reconciliation of Flux, and resume the restore")
		}
		left = append(left, names...)
	}
	return left, nil
}

// population is what of a namespace may belong to workloads.
type population struct{ replicaSets, pods []*unstructured.Unstructured }

// same goes by name: one that was deleted and made again under its name takes
// its place.
func (w *workload) same(other *workload) bool {
	return w.kind == other.kind && w.object.GetNamespace() == other.object.GetNamespace() && w.object.GetName() == other.object.GetName()
}

// asDeleted is a workload that is no more, and so has no replicas and no
// controller that would make pods.
func (w *workload) asDeleted() *workload {
	u := w.object.DeepCopy()
	setReplicas(u, 0)
	unstructured.RemoveNestedField(u.Object, "metadata", "generation")
	unstructured.RemoveNestedField(u.Object, "status")
	return &workload{kind: w.kind, object: u, hold: w.hold}
}

// remains names what is left of a workload that was scaled to zero.
func (w *workload) remains(present population) ([]string, error) {
	if replicasOf(w.object) != 0 {
		return nil, fmt.Errorf("%w, to %d", errBroughtBack, replicasOf(w.object))
	}
	ours := map[types.UID]bool{w.object.GetUID(): true} // every known controller of pods, and whether it is this workload's
	acted := settled(w.object)
	for _, rs := range present.replicaSets {
		owner := metav1.GetControllerOfNoCopy(rs)
		ours[rs.GetUID()] = owner != nil && owner.UID == w.object.GetUID()
		if ours[rs.GetUID()] {
			acted = acted && replicasOf(rs) == 0 && settled(rs)
		}
	}
	var left []string
	selector := w.selector()
	for _, pod := range present.pods {
		if isOf(pod, ours, selector) && !ended(pod) {
			left = append(left, describePod(pod))
		}
	}
	if len(left) == 0 && !acted {
		left = append(left, w.described().String()+", on which the cluster's controllers have not acted")
	}
	return left, nil
}

// selector returns how the workload finds its pods; nil where that cannot be
// read.
func (w *workload) selector() labels.Selector {
	field, _, _ := unstructured.NestedMap(w.object.Object, "spec", "selector")
	var read metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(field, &read); err != nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&read)
	if err != nil || selector.Empty() {
		return nil
	}
	return selector
}

// isOf reports whether a pod belongs to a workload: by its controller, or, where
// it has none or its ReplicaSet is no more, by its looks. Labels alone do not
// tell: some installations give all their parts the same.
func isOf(pod *unstructured.Unstructured, ours map[types.UID]bool, selector labels.Selector) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner != nil {
		yes, known := ours[owner.UID]
		if known || owner.Kind != replicaSetKind.Kind {
			return yes
		}
	}
	return selector != nil && selector.Matches(labels.Set(pod.GetLabels()))
}

// ended reports whether all containers of a pod have ended for good.
func ended(pod *unstructured.Unstructured) bool {
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	return phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed)
}

func describePod(pod *unstructured.Unstructured) string {
	text := fmt.Sprintf("pod %s/%s", pod.GetNamespace(), pod.GetName())
	var facts []string
	if since := pod.GetDeletionTimestamp(); since != nil {
		facts = append(facts, "to end by "+since.UTC().Format(time.RFC3339))
	}
	if metav1.GetControllerOfNoCopy(pod) == nil {
		facts = append(facts, "without a controller")
	}
	if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); node != "" {
		facts = append(facts, "on node "+node)
	}
	if len(facts) > 0 {
		text += " (" + strings.Join(facts, ", ") + ")"
	}
	return text
}
