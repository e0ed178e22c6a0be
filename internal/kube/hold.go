package kube

import (
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A workload that a restore has stopped says so itself, whatever becomes of the
// process that did it. The annotations are written in the change that takes the
// replicas away, and are removed in the one that gives them back.
const (
	replicasAnnotation = "openim-dr.io/replicas" // how many it had
	restoreAnnotation  = "openim-dr.io/restore"  // id of the restore that stopped it
	stageAnnotation    = "openim-dr.io/stage"    // with which stage, from 0: brought back are the last first
)

var holdAnnotations = []string{replicasAnnotation, restoreAnnotation, stageAnnotation}

var (
	deploymentKind  = kind{GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, resource: "deployments", namespaced: true}
	statefulSetKind = kind{GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, resource: "statefulsets", namespaced: true}

	// workloadKinds are what can be scaled to zero.
	workloadKinds = []kind{deploymentKind, statefulSetKind}
)

// hold is what a workload says about being stopped.
type hold struct {
	replicas int64
	restore  string
	stage    int
}

// holdOf returns the hold of a workload, or nil where it is not stopped by a
// restore.
func holdOf(u *unstructured.Unstructured) (*hold, error) {
	annotations := u.GetAnnotations()
	text, held := annotations[replicasAnnotation]
	if !held {
		return nil, nil
	}
	replicas, err := strconv.ParseInt(text, 10, 32)
	if err != nil || replicas < 0 {
		return nil, fmt.Errorf("its annotation %s is not a number of replicas", replicasAnnotation)
	}
	h := &hold{replicas: replicas, restore: annotations[restoreAnnotation]}
	// Without a stage it counts among the first, which come back last.
	h.stage, _ = strconv.Atoi(annotations[stageAnnotation])
	return h, nil
}

// annotations are how a hold is written.
func (h *hold) annotations() map[string]any {
	return map[string]any{
		replicasAnnotation: strconv.FormatInt(h.replicas, 10),
		restoreAnnotation:  h.restore,
		stageAnnotation:    strconv.Itoa(h.stage),
	}
}

// replicasOf returns how many replicas a workload is meant to have.
func replicasOf(u *unstructured.Unstructured) int64 {
	replicas, found, err := unstructured.NestedInt64(u.Object, "spec", "replicas")
	if !found || err != nil {
		return 1 // as the API has it
	}
	return replicas
}

func isWorkload(u *unstructured.Unstructured) bool {
	gk := u.GroupVersionKind().GroupKind()
	return slices.ContainsFunc(workloadKinds, func(k kind) bool { return k.GroupKind() == gk })
}

// unhold turns a stopped workload into what it is when it runs. That is its
// canonical form: a point must not hold that some restore was under way, and a
// restored workload equals its point while it is still stopped.
func unhold(u *unstructured.Unstructured) {
	if !isWorkload(u) {
		return
	}
	h, err := holdOf(u)
	if err != nil || h == nil {
		return // one that is broken stays, for somebody to see
	}
	removeAnnotations(u, holdAnnotations)
	setReplicas(u, h.replicas)
}

// keepHeld lets a workload stay stopped that is about to be overwritten: wanted
// comes back with the release, and not in the midst of the restore.
func keepHeld(wanted, live *unstructured.Unstructured) {
	if !isWorkload(live) {
		return
	}
	h, err := holdOf(live)
	if err != nil || h == nil {
		return
	}
	h.replicas = replicasOf(wanted)
	annotations := wanted.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	for name, value := range h.annotations() {
		annotations[name] = value.(string)
	}
	wanted.SetAnnotations(annotations)
	setReplicas(wanted, 0)
}

func setReplicas(u *unstructured.Unstructured, replicas int64) {
	// It fails only where spec is no mapping, and then there is nothing to scale.
	_ = unstructured.SetNestedField(u.Object, replicas, "spec", "replicas")
}
