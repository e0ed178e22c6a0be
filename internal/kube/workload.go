package kube

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Workload is a Deployment or a StatefulSet.
type Workload struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	// Replicas is how many it has, or, where a restore has stopped it, how many
	// it will have again.
	Replicas int64 `json:"replicas"`
	// StoppedBy is the restore that has stopped it; empty where it runs.
	StoppedBy string `json:"stoppedBy,omitempty"`
}

// String is Kind namespace/name, as in "Deployment openim/openim-api".
func (w Workload) String() string { return w.Kind + " " + w.Namespace + "/" + w.Name }

// workload is one as the server has it.
type workload struct {
	kind   kind
	object *unstructured.Unstructured
	hold   *hold // nil: no restore has stopped it
	broken error // somebody has spoilt what it says about being stopped
}

func newWorkload(s *session, k kind, u *unstructured.Unstructured) *workload {
	w := &workload{kind: k, object: u}
	var err error
	if w.hold, err = holdOf(u); err != nil {
		w.broken = fault.New(fault.Usage, "read "+w.described().String()+" of", "%w", err).On("kubernetes "+s.cluster).
			Hint("correct the annotation: `kubectl -n %s annotate %s %s --overwrite %s=NUMBER`", u.GetNamespace(), k.rbac(), u.GetName(), replicasAnnotation)
	}
	return w
}

func (w *workload) described() Workload {
	d := Workload{Namespace: w.object.GetNamespace(), Kind: w.kind.Kind, Name: w.object.GetName(), Replicas: replicasOf(w.object)}
	if w.hold != nil {
		d.Replicas, d.StoppedBy = w.hold.replicas, w.hold.restore
	}
	return d
}

// mayStop refuses what stopping would destroy, and what nobody could bring back.
func (w *workload) mayStop(s *session) error {
	policy, _, _ := unstructured.NestedString(w.object.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
	claims, _, _ := unstructured.NestedSlice(w.object.Object, "spec", "volumeClaimTemplates")
	if policy == string(appsv1.DeletePersistentVolumeClaimRetentionPolicyType) && len(claims) > 0 {
		return fault.New(fault.Refused, "stop "+w.described().String()+" of", "its volumes would be deleted: spec.persistentVolumeClaimRetentionPolicy.whenScaled is %s", policy).On("kubernetes " + s.cluster).
			Hint("set it to Retain first, or choose workloads without this one in the stages of quiesce: a store is not to be stopped while it is restored")
	}
	return w.broken
}

// settled reports whether the cluster's controllers have seen that the workload
// has no replicas, and have acted on it.
func settled(u *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	left, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
	return observed >= u.GetGeneration() && left == 0
}

// workloads lists every Deployment and StatefulSet of some namespaces, by
// namespace, kind and name.
func (s *session) workloads(ctx context.Context, namespaces []string) ([]*workload, error) {
	var found []*workload
	for _, namespace := range namespaces {
		for _, k := range workloadKinds {
			listed, err := s.gather(ctx, k, namespace)
			if err != nil {
				return nil, err
			}
			for _, u := range listed {
				found = append(found, newWorkload(s, k, u))
			}
		}
	}
	return found, nil
}

// gather lists the objects of a kind in a namespace into memory: workloads and
// their pods, of which a namespace has few.
func (s *session) gather(ctx context.Context, k kind, namespace string) ([]*unstructured.Unstructured, error) {
	var gathered []*unstructured.Unstructured
	err := repeatable(func() error {
		gathered = nil
		return s.list(ctx, listing{kind: k, namespace: namespace}, func(u *unstructured.Unstructured) error {
			gathered = append(gathered, u)
			return nil
		})
	})
	slices.SortFunc(gathered, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	return gathered, err
}

// changeAttempts bounds how often a workload is changed that others change at
// the same time. Its controller does: it reports every pod.
const changeAttempts = 30

// change is what is to be done to a workload.
type change struct {
	replicas    int64
	annotations map[string]any // nil values are removed
}

// change makes a change that decide derives from the workload as it is, and
// again from what has become of it where somebody else was faster. decide
// returns nil where there is nothing to do; a workload that is gone needs
// nothing either.
func (s *session) change(ctx context.Context, w *workload, decide func(*workload) (*change, error)) error {
	for attempt := 1; ; attempt++ {
		if w.broken != nil {
			return w.broken
		}
		wanted, err := decide(w)
		if err != nil || wanted == nil {
			return err
		}
		err = s.patch(ctx, w, wanted)
		if !answered(err, metav1.StatusReasonConflict) || attempt == changeAttempts {
			return err
		}
		if w, err = s.again(ctx, w); err != nil || w == nil {
			return err
		}
	}
}

// patch changes exactly the state of the workload that was seen.
func (s *session) patch(ctx context.Context, w *workload, wanted *change) error {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": w.object.GetResourceVersion(), "annotations": wanted.annotations},
		"spec":     map[string]any{"replicas": wanted.replicas},
	})
	if err != nil {
		return err
	}
	name, namespace := w.object.GetName(), w.object.GetNamespace()
	started := time.Now()
	_, err = s.objects.Resource(w.kind.gvr()).Namespace(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: fieldManager})
	if err == nil {
		return nil
	}
	err = s.fail(call{verb: "patch", resource: w.kind.rbac(), namespace: namespace, name: name}, started, err)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil
	}
	return err
}

// again reads a workload anew, or returns nil where it is gone.
func (s *session) again(ctx context.Context, w *workload) (*workload, error) {
	name, namespace := w.object.GetName(), w.object.GetNamespace()
	started := time.Now()
	u, err := s.objects.Resource(w.kind.gvr()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		err = s.fail(call{verb: "get", resource: w.kind.rbac(), namespace: namespace, name: name}, started, err)
		if answered(err, metav1.StatusReasonNotFound) {
			return nil, nil
		}
		return nil, err
	}
	return newWorkload(s, w.kind, u), nil
}

// counted writes a number of replicas in words.
func counted(n int64) string { return quantity.Count(n, "replica", "replicas") }
