package kube

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// right is one that a Role grants; in the whole cluster where no namespace is named.
// What is asked of the server beforehand and what AccessFor prints are the same
// values, so that neither can forget what the other knows.
type right struct {
	verb      string
	kind      kind
	namespace string
}

func (r right) call() call {
	return call{verb: r.verb, resource: r.kind.rbac(), namespace: r.namespace}
}

// lacking returns in words which of some rights these credentials do not have.
func (s *session) lacking(ctx context.Context, needed []right) ([]string, error) {
	var missing []string
	for _, r := range needed {
		allowed, err := s.may(ctx, r.kind, r.call())
		if err != nil {
			return nil, err
		}
		if !allowed {
			missing = append(missing, r.call().right())
		}
	}
	return missing, nil
}

// readRight is what capturing a kind takes, and comparing it.
func readRight(k kind, namespace string) right { return right{"list", k, namespace} }

// writeRights are what restoring a kind takes; over objects that exist more than
// where there are none.
func writeRights(k kind, namespace string, over bool) []right {
	needed := []right{{"create", k, namespace}}
	if over {
		needed = append(needed, right{"get", k, namespace}, right{"update", k, namespace})
		if !losesData(k) {
			needed = append(needed, right{"delete", k, namespace})
		}
	}
	return needed
}

var accessReviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// may asks the server whether these credentials have a right.
func (s *session) may(ctx context.Context, k kind, what call) (bool, error) {
	review := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": accessReviews.GroupVersion().String(),
		"kind":       "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"verb": what.verb, "group": k.Group, "version": k.Version, "resource": k.resource, "namespace": what.namespace, "name": what.name,
		}},
	}}
	started := time.Now()
	answer, err := s.objects.Resource(accessReviews).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, s.fail(call{verb: "create", resource: accessReviews.GroupResource().String()}, started, err)
	}
	allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
	return allowed, err
}
