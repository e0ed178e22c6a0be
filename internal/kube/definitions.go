package kube

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openim-dr/openim-dr/internal/fault"
)

var definitionKind = kind{
	GroupVersionKind: schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	resource:         "customresourcedefinitions",
}

const (
	// servedTimeout ends the wait until the server serves what was defined. It
	// takes a second or two, and some more where there are several servers.
	servedTimeout  = 2 * time.Minute
	servedInterval = 100 * time.Millisecond
)

// notYet are answers of a server that is still busy with a definition.
var notYet = []metav1.StatusReason{metav1.StatusReasonNotFound, metav1.StatusReasonServiceUnavailable, metav1.StatusReasonTooManyRequests}

func isDefinition(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().GroupKind() == definitionKind.GroupKind()
}

// kindsDefinedBy returns the kind that a CustomResourceDefinition defines, once for
// each version that it has served.
func kindsDefinedBy(u *unstructured.Unstructured) []kind {
	group, _, _ := unstructured.NestedString(u.Object, "spec", "group")
	name, _, _ := unstructured.NestedString(u.Object, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(u.Object, "spec", "names", "plural")
	reach, _, _ := unstructured.NestedString(u.Object, "spec", "scope")
	versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
	var kinds []kind
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if version["served"] != true {
			continue
		}
		named, _ := version["name"].(string)
		kinds = append(kinds, kind{
			GroupVersionKind: schema.GroupVersionKind{Group: group, Version: named, Kind: name}, resource: plural, namespaced: reach == "Namespaced",
		})
	}
	return kinds
}

// define makes known what the server will serve once a definition is there.
func (c *catalog) define(kinds []kind) {
	for _, k := range kinds {
		c.defined[k.GroupVersionKind] = k
	}
}

// awaitDefined waits until the server serves what definitions that were brought
// back define. What was learnt of these groups before is forgotten.
func (s *session) awaitDefined(ctx context.Context, defined []kind) error {
	for _, k := range defined {
		var lost error
		err := wait.PollUntilContextTimeout(ctx, servedInterval, s.patience, true, func(ctx context.Context) (bool, error) {
			started := time.Now()
			_, err := s.objects.Resource(k.gvr()).List(ctx, metav1.ListOptions{Limit: 1})
			if err == nil {
				return true, nil
			}
			lost = s.fail(call{verb: "list", resource: k.rbac()}, started, err)
			if answered(lost, notYet...) {
				return false, nil
			}
			var answer *answerError
			if errors.As(lost, &answer) {
				return true, nil // it answers, which is enough: what it has against a list is its own affair
			}
			return false, unlessPassing(lost)
		})
		if wait.Interrupted(err) && ctx.Err() == nil {
			return fault.New(fault.Failed, "wait for "+k.rbac()+" in", "after %s the server does not serve them yet: %w", s.patience, lost).On("kubernetes "+s.cluster).
				Hint("`kubectl describe crd %s` says what is in the way; then run the same restore again", k.rbac())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
