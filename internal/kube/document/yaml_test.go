package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// texts are what YAML has other ideas about, and what a configuration is full of.
var texts = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", "yes", "No", "null", "~", "Nan", ".inf", "0x1f", "1e3", "012", "1:30", "2026-11-27", "=", "<<", "a: b", "a #b", "- a", "# a", "'", "''", `"`, `\`, "a\n", "\na", " a", "a ", "\n", "a\n\n",
		"a\n b\n", " a\nb", "\ta", "a\tb\nc", "a\r\nb", "---\nkind: Secret\n", "...\n", "%YAML", "kind: x\napiVersion: y\n", "a\n \nb", "\n\nb", "é\nb", "\u2028", "\u0085", "\ufeff", "😀", "\x00", "\x7f", "|", ">", "&a", "*a", "!a", "@", "`", "{", "[", "]", "?", "? a", ":", "-",
		strings.Repeat("word ", 60), strings.Repeat("x", 300),
	}),
	rapid.StringMatching(`[ -~]{0,40}`),
	rapid.StringMatching(`([ -~]{0,12}\n){0,6}[ -~]{0,6}`),
	rapid.StringMatching(`[A-Za-z0-9+/=]{0,60}`),
	rapid.String(),
)

// anything is a value as the server delivers it.
func anything(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		texts.AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.SampledFrom([]any{0.5, -1e20, 1e-7}),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(scalars,
		rapid.MapOfN(texts, anything(depth-1), 0, 4).AsAny(),
		rapid.SliceOfN(anything(depth-1), 0, 4).AsAny(),
	)...)
}

// Invariant 3: whatever an object holds, the document is read as what was written,
// and its kind can be told from its lines, or nothing is told.
func TestDocumentsHoldAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "a"},
			"data": rapid.MapOfN(texts, anything(3), 0, 5).Draw(t, "data"), texts.Draw(t, "key"): anything(3).Draw(t, "value"),
		}}
		if u.GetKind() != "Widget" || u.GetName() != "a" || u.GetAPIVersion() != "example.com/v1" {
			t.Skip("the key is one of the object's own")
		}
		var out strings.Builder
		w := NewWriter(&out)
		for range 2 { // the second behind a separator
			if err := w.Write(u); err != nil {
				t.Fatal(err)
			}
		}
		if w.Written != int64(out.Len()) {
			t.Errorf("%d bytes are counted of %d", w.Written, out.Len())
		}
		for document := range strings.SplitSeq(out.String(), "\n---\n") {
			if kind, told := tellKind([]byte(document)); told && kind.String() != "Widget.example.com" {
				t.Errorf("told to be %s:\n%s", kind, document)
			}
		}
		read := 0
		err := Read(strings.NewReader(out.String()), func(d Document) error {
			read++
			if diff := cmp.Diff(u.Object, d.Object.Object); diff != "" {
				t.Errorf("(-written +read):\n%s\n%s", diff, out.String())
			}
			return nil
		})
		if err != nil || read != 2 {
			t.Fatalf("%d documents, %v:\n%s", read, err, out.String())
		}
	})
}
