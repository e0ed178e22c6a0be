package kube

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// controlled makes an object that another one controls.
func controlled(kind, name, uid, ownerKind, owner string, rest map[string]any) *unstructured.Unstructured {
	metadata := map[string]any{"namespace": "n", "name": name, "uid": uid, "generation": int64(2), "labels": map[string]any{"app": "api"}}
	if owner != "" {
		metadata["ownerReferences"] = []any{map[string]any{"kind": ownerKind, "name": "o", "uid": owner, "controller": true}}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "metadata": metadata}}
	for name, value := range rest {
		u.Object[name] = value
	}
	return u
}

// counts are what an object is meant to have, and what its controller has seen.
func counts(replicas, observed, left int64) map[string]any {
	return map[string]any{
		"spec":   map[string]any{"replicas": replicas, "selector": map[string]any{"matchLabels": map[string]any{"app": "api"}}},
		"status": map[string]any{"observedGeneration": observed, "replicas": left},
	}
}

func TestWhatRemainsOfAWorkload(t *testing.T) {
	deployment := func(replicas, observed, left int64) *workload {
		return &workload{kind: deploymentKind, object: controlled("Deployment", "api", "d", "", "", counts(replicas, observed, left))}
	}
	replicaSet := func(uid, owner string, replicas, observed, left int64) *unstructured.Unstructured {
		return controlled("ReplicaSet", uid, uid, "Deployment", owner, counts(replicas, observed, left))
	}
	pod := func(ownerKind, owner, phase string) *unstructured.Unstructured {
		return controlled("Pod", "p", "p", ownerKind, owner, map[string]any{"status": map[string]any{"phase": phase}})
	}
	lags := []string{"Deployment n/api, on which the cluster's controllers have not acted"}
	one := []string{"pod n/p"}
	tests := map[string]struct {
		workload    *workload
		replicaSets []*unstructured.Unstructured
		pods        []*unstructured.Unstructured
		want        []string
	}{
		"nothing":                                   {workload: deployment(0, 2, 0)},
		"a controller that has not looked":          {workload: deployment(0, 1, 0), want: lags},
		"a controller that still counts replicas":   {workload: deployment(0, 2, 1), want: lags},
		"a ReplicaSet that is to have replicas":     {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "d", 1, 2, 0)}, want: lags},
		"a ReplicaSet whose controller lags":        {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "d", 0, 1, 0)}, want: lags},
		"a ReplicaSet of another":                   {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "other", 1, 2, 1)}},
		"a pod":                                     {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "d", 0, 2, 0)}, pods: []*unstructured.Unstructured{pod("ReplicaSet", "rs", "Running")}, want: one},
		"a pod that has ended":                      {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "d", 0, 2, 0)}, pods: []*unstructured.Unstructured{pod("ReplicaSet", "rs", "Succeeded")}},
		"a pod of another with the same labels":     {workload: deployment(0, 2, 0), replicaSets: []*unstructured.Unstructured{replicaSet("rs", "other", 1, 2, 1)}, pods: []*unstructured.Unstructured{pod("ReplicaSet", "rs", "Running")}},
		"a pod of a Job with the same labels":       {workload: deployment(0, 2, 0), pods: []*unstructured.Unstructured{pod("Job", "j", "Running")}},
		"a pod whose ReplicaSet is gone":            {workload: deployment(0, 2, 0), pods: []*unstructured.Unstructured{pod("ReplicaSet", "gone", "Running")}, want: one},
		"a pod of a workload that has been deleted": {workload: deployment(3, 1, 3).asDeleted(), pods: []*unstructured.Unstructured{pod("ReplicaSet", "gone", "Running")}, want: one},
		"a workload that has been deleted":          {workload: deployment(3, 1, 3).asDeleted()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.workload.remains(population{tt.replicaSets, tt.pods})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := deployment(1, 2, 1).remains(population{}); !errors.Is(err, errBroughtBack) {
		t.Errorf("error %v, want %v", err, errBroughtBack)
	}
}
