package kube

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openim-dr/openim-dr/internal/kube/document"
)

// admin is a session of somebody who may do everything.
func (c cluster) admin(t *testing.T) *session {
	t.Helper()
	s, err := c.source(t, nil).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// documentsOf reads YAML documents.
func documentsOf(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	everything := func(d document.Document) error { objects = append(objects, d.Object); return nil }
	if err := document.ReadOf(strings.NewReader(text), document.EveryKind, everything); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return objects
}

// apply does what `kubectl apply --server-side` does, once in a dry run and once in
// earnest. The objects go with the test.
func (s *session) apply(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	catalog := newCatalog(s)
	for _, u := range objects {
		k, err := catalog.captured(t.Context(), u.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		resource := s.objects.Resource(k.gvr()).Namespace(u.GetNamespace())
		for _, dry := range [][]string{{metav1.DryRunAll}, nil} {
			if _, err := resource.Apply(t.Context(), u.GetName(), u, metav1.ApplyOptions{FieldManager: "kubectl", Force: true, DryRun: dry}); err != nil {
				t.Fatalf("apply %s: %v", keyOf(u), err)
			}
		}
		t.Cleanup(func() {
			_ = resource.Delete(context.WithoutCancel(t.Context()), u.GetName(), metav1.DeleteOptions{})
		})
	}
}

// granted returns a kubeconfig of a new ServiceAccount that has what is printed for
// some accesses and nothing else, as soon as the server knows it.
func (c cluster) granted(t *testing.T, namespace string, accesses ...*Access) string {
	t.Helper()
	account := Account{namespace, "dr-" + strings.ToLower(rand.Text()[:12])}
	var text bytes.Buffer
	if err := account.Manifests(&text, accesses...); err != nil {
		t.Fatal(err)
	}
	c.admin(t).apply(t, documentsOf(t, text.String()))
	kubeconfig := c.impersonating(t, "system:serviceaccount:"+account.Namespace+":"+account.Name)
	s, err := c.source(t, func(s *Settings) { s.Kubeconfig = kubeconfig }).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, access := range accesses {
		for _, g := range access.grants {
			err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
				return s.may(ctx, g.kind, g.call())
			})
			if err != nil {
				t.Fatalf("%s is not granted: %v", g.call(), err)
			}
		}
	}
	return kubeconfig
}

// without returns an access but for one of its rights.
func (a *Access) without(at int) *Access {
	less := *a
	less.grants = slices.Delete(slices.Clone(a.grants), at, at+1)
	return &less
}

// requireEachRight takes one right after the other away, and wants what try finds
// wrong then to name it. With all of them nothing may be wrong.
func (c cluster) requireEachRight(t *testing.T, namespace string, access *Access, try func(t *testing.T, kubeconfig string, missing *grant) []string) {
	t.Helper()
	if wrong := try(t, c.granted(t, namespace, access), nil); len(wrong) > 0 {
		t.Fatalf("with everything that is printed: %s", strings.Join(wrong, "\n"))
	}
	for i, g := range access.grants {
		t.Run(strings.ReplaceAll(g.call().String(), namespace, "NAMESPACE"), func(t *testing.T) {
			wrong := strings.Join(try(t, c.granted(t, namespace, access.without(i)), &g), "\n")
			if !strings.Contains(wrong, g.verb) || !strings.Contains(wrong, g.kind.resource) && !strings.Contains(wrong, g.kind.Kind) {
				t.Errorf("without it is wrong %q, want that to name it", wrong)
			}
		})
	}
}

// found returns what of an error is wrong.
func found(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}
