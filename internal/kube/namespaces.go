package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

var (
	namespaceKind     = kind{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, resource: "namespaces"}
	namespaceResource = namespaceKind.gvr()
)

// namespace reads one namespace, or returns nil where there is none.
func (s *session) namespace(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	started := time.Now()
	u, err := s.objects.Resource(namespaceResource).Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return u, nil
	}
	err = s.fail(call{verb: "get", resource: "namespaces", name: name}, started, err)
	if answered(err, metav1.StatusReasonNotFound) {
		return nil, nil
	}
	return nil, err
}

// chosen returns the names of the configured namespaces, in order. A name that
// does not exist is an error, and so is a pattern that matches nothing: a
// point must not be missing what somebody believes is in it. unseen are names
// whose existence the credentials do not allow to be checked.
func (s *session) chosen(ctx context.Context, settings Settings) (names, unseen []string, err error) {
	for _, pattern := range settings.Namespaces {
		if isPattern(pattern) {
			matched, err := s.matching(ctx, pattern, settings.Exclude.Namespaces)
			if err != nil {
				return nil, nil, err
			}
			names = append(names, matched...)
			continue
		}
		found, err := s.namespace(ctx, pattern)
		switch {
		case answered(err, metav1.StatusReasonForbidden):
			unseen = append(unseen, pattern) // a Role in the namespace alone is enough to read it
		case err != nil:
			return nil, nil, err
		case found == nil:
			return nil, nil, s.noNamespace(fmt.Sprintf("namespace %q does not exist", pattern))
		}
		names = append(names, pattern)
	}
	slices.Sort(names)
	return slices.Compact(names), unseen, nil
}

func (s *session) matching(ctx context.Context, pattern string, excluded []string) ([]string, error) {
	var names []string
	err := repeatable(func() error {
		names = nil
		return s.list(ctx, listing{kind: namespaceKind}, func(u *unstructured.Unstructured) error {
			if name := u.GetName(); matchesAny([]string{pattern}, name) && !matchesAny(excluded, name) {
				names = append(names, name)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, s.noNamespace(fmt.Sprintf("no namespace matches %q", pattern))
	}
	return names, nil
}

func (s *session) noNamespace(why string) error {
	return fault.New(fault.Usage, "choose namespaces of", "%s", why).On("kubernetes " + s.cluster).
		Hint("`kubectl get namespaces` lists them; correct namespaces of this source")
}
