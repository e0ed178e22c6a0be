package kube

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// A string that YAML might take for something else, or lose something of.
var awkward = []string{
	"", " ", "\n", "\n\n", " leading", "trailing ", "trailing\n", "two\nlines", "two\r\nlines", "\rreturn", "tab\tbed", "\ttab first\nsecond",
	"  indented\n    more\nless", "\n first line empty", "blank last \n", "---", "---\nkind: Secret", "a\n---\nb", "...", "# no comment", "a # b", "a: b", "- item",
	"{}", "[]", "{{ .Values.x }}", "'single'", `"double"`, `back\slash`, "%directive", "@at", "`tick", "&anchor", "*alias", "!tag", "|", ">", "?", ":", "-", "=", "<<",
	"null", "~", "Null", "true", "yes", "No", "on", "OFF", "y", "n", "1", "-1", "+1", "0", "007", "0x1F", "0o17", "0b1", "1_000", "1e3", "1.0", ".5", "-.inf", ".NaN",
	"12:30", "12:30:45", "2001-01-01", "2001-01-01T00:00:00Z", "1,000",
	"\x00", "\x1b[31m", "\x7f", "\u0080", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff", "\U0001f600", "中文", "日本語\nテキスト\n", "e\u0301",
	strings.Repeat("a long line of words ", 50), strings.Repeat("x", 5000), strings.Repeat("line\n", 300), strings.Repeat(" \n", 10),
}

func objectWith(value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "zoo", "annotations": map[string]any{"value": value}},
		"data":     map[string]any{"value": value, "again": value},
	}}
}

func requireRoundTrip(t rapid.TB, objects ...*unstructured.Unstructured) {
	t.Helper()
	var stream bytes.Buffer
	w := &documentWriter{w: &stream}
	for _, u := range objects {
		if err := w.write(u); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	var got []map[string]any
	err := readDocuments(&stream, func(d document) error {
		got = append(got, d.object.Object)
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
	for _, value := range awkward {
		requireRoundTrip(t, objectWith(value), objectWith("another document"))
	}
}

func TestDocumentsRoundTripAnyString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(awkward), rapid.String())
		parts := rapid.SliceOfN(piece, 1, 4).Draw(t, "parts")
		requireRoundTrip(t, objectWith(strings.Join(parts, rapid.SampledFrom([]string{"", "\n", " "}).Draw(t, "between"))))
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
			err := readDocuments(strings.NewReader(text), func(document) error { return nil })
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the document: %v", err)
			}
		})
	}
}
