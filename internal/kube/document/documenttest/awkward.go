// Package documenttest has objects that are hard to write down, for tests.
package documenttest

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Awkward are strings that YAML might take for something else, or lose something of.
var Awkward = []string{
	"", " ", "\n", "\n\n", " leading", "trailing ", "trailing\n", "two\nlines", "two\r\nlines", "\rreturn", "tab\tbed", "\ttab first\nsecond",
	"  indented\n    more\nless", "\n first line empty", "blank last \n", "---", "---\nkind: Secret", "a\n---\nb", "...", "# no comment", "a # b", "a: b", "- item",
	"{}", "[]", "{{ .Values.x }}", "'single'", `"double"`, `back\slash`, "%directive", "@at", "`tick", "&anchor", "*alias", "!tag", "|", ">", "?", ":", "-", "=", "<<",
	"null", "~", "Null", "true", "yes", "No", "on", "OFF", "y", "n", "1", "-1", "+1", "0", "007", "0x1F", "0o17", "0b1", "1_000", "1e3", "1.0", ".5", "-.inf", ".NaN",
	"12:30", "12:30:45", "2001-01-01", "2001-01-01T00:00:00Z", "1,000",
	"\x00", "\x1b[31m", "\x7f", "\u0080", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff", "\U0001f600", "中文", "日本語\nテキスト\n", "e\u0301",
	strings.Repeat("a long line of words ", 50), strings.Repeat("x", 5000), strings.Repeat("line\n", 300), strings.Repeat(" \n", 10),
}

// ObjectWith is an object that holds a string in several places.
func ObjectWith(value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "zoo", "annotations": map[string]any{"value": value}},
		"data":     map[string]any{"value": value, "again": value},
	}}
}
