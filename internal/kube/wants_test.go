package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// requireRefusal wants an error of safety that says some texts.
func requireRefusal(t *testing.T, err error, saying ...string) {
	t.Helper()
	requireFault(t, err, fault.Refused, saying...)
}

// requireFault wants an error of a kind that says some texts.
func requireFault(t *testing.T, err error, kind fault.Kind, saying ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("error %v, want one of kind %v", err, kind)
	}
	for _, text := range saying {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not say %q", err, text)
		}
	}
}

func requireSame(t *testing.T, what string, want, got *unstructured.Unstructured) {
	t.Helper()
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
