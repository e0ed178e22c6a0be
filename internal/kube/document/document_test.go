package document

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/kube/document/documenttest"
)

func requireRoundTrip(t rapid.TB, objects ...*unstructured.Unstructured) {
	t.Helper()
	var stream bytes.Buffer
	w := NewWriter(&stream)
	for _, u := range objects {
		if err := w.Write(u); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	var got []map[string]any
	err := Read(&stream, func(d Document) error {
		got = append(got, d.Object.Object)
		return nil
	})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	want := make([]map[string]any, len(objects))
	for i, u := range objects {
		want[i] = u.Object
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("objects differ after YAML (-want +got):\n%s", diff)
	}
}

// Invariant 3: whatever an object holds comes back from the YAML, to the bit.
func TestDocumentsRoundTripAwkwardStrings(t *testing.T) {
	for _, value := range documenttest.Awkward {
		requireRoundTrip(t, documenttest.ObjectWith(value), documenttest.ObjectWith("another document"))
	}
}

func TestDocumentsRoundTripAnyString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(documenttest.Awkward), rapid.String())
		parts := rapid.SliceOfN(piece, 1, 4).Draw(t, "parts")
		requireRoundTrip(t, documenttest.ObjectWith(strings.Join(parts, rapid.SampledFrom([]string{"", "\n", " "}).Draw(t, "between"))))
	})
}

func TestDocumentsKeepTypesApart(t *testing.T) {
	requireRoundTrip(t, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Zoo", "metadata": map[string]any{"name": "types"},
		"spec": map[string]any{
			"int": int64(9007199254740993), "negative": int64(-1), "float": 1.5, "string of digits": "42",
			"yes": true, "nothing": nil, "list": []any{"a", int64(1), map[string]any{"b": "c"}}, "empty list": []any{}, "empty map": map[string]any{},
			"0": "a number as a key", "true": "a word as a key", "null": "and another", "a.b/c": "an annotation as a key",
		},
	}})
}

func TestDocumentsThatAreNoObjectsAreRefusedWithoutQuotingThem(t *testing.T) {
	tests := map[string]string{
		"a scalar":            "hunter2",
		"no kind":             "apiVersion: v1\nmetadata: {name: hunter2}\n",
		"no name":             "apiVersion: v1\nkind: Secret\ndata: {password: hunter2}\n",
		"broken YAML":         "apiVersion: v1\nkind: Secret\n  password: hunter2\n",
		"a separator with it": "--- hunter2\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			err := Read(strings.NewReader(text), func(Document) error { return nil })
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the document: %v", err)
			}
		})
	}
}
