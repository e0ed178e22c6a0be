package helm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubejson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kubeyaml "sigs.k8s.io/yaml"
)

// errManifest stands for what a YAML parser says, which quotes the text.
var errManifest = errors.New("it is not the manifest of a release")

// EachObject calls fn for each object of a manifest as Helm keeps it: documents
// with comments between them, of which some are empty and some are lists of objects.
// One document at a time is in memory.
func EachObject(manifest string, fn func(*unstructured.Unstructured) error) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || isTooLarge(text) {
			return errManifest
		}
		if isBlank(text) {
			continue
		}
		if err := manifestDocument(text, fn); err != nil {
			return err
		}
	}
}

func manifestDocument(text []byte, fn func(*unstructured.Unstructured) error) error {
	asJSON, err := kubeyaml.YAMLToJSON(text)
	if err != nil {
		return errManifest
	}
	var fields map[string]any
	if err := kubejson.Unmarshal(asJSON, &fields); err != nil {
		return errManifest
	}
	items, isList := fields["items"].([]any)
	if kind, _ := fields["kind"].(string); !isList || !strings.HasSuffix(kind, "List") {
		items = []any{fields}
	}
	for _, item := range items {
		object, _ := item.(map[string]any)
		u := &unstructured.Unstructured{Object: object}
		if u.GetKind() == "" || u.GetAPIVersion() == "" {
			return errManifest
		}
		if u.GetName() == "" {
			continue // the server makes its name up
		}
		if err := fn(u); err != nil {
			return err
		}
	}
	return nil
}

// isBlank reports whether a document is empty or nothing but comments.
func isBlank(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && line != "---" {
			return false
		}
	}
	return true
}

// largestObject bounds an object of a manifest, in bytes. A server takes 1.5 MiB.
const largestObject = 4 << 20

// isTooLarge reports whether a document is larger than any object, as it stands or
// with all that it refers to: a few lines can name a long text a million times.
func isTooLarge(text []byte) bool {
	if len(text) > largestObject {
		return true
	}
	if bytes.IndexByte(text, '&') < 0 || bytes.IndexByte(text, '*') < 0 {
		return false
	}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) != nil {
		return true // nor is it a document
	}
	return expanded(&root, map[*yaml.Node]int64{}) > largestObject
}

// expanded is the size of what a node stands for. known has the sizes of nodes that
// were measured; one that refers to itself is larger than any object.
func expanded(n *yaml.Node, known map[*yaml.Node]int64) int64 {
	if size, ok := known[n]; ok {
		return size
	}
	known[n] = largestObject + 1 // until it is known: where it is met again, it is within itself
	size := int64(len(n.Value)) + 1
	if n.Alias != nil {
		size += expanded(n.Alias, known)
	}
	for _, child := range n.Content {
		size = min(size+expanded(child, known), largestObject+1)
	}
	known[n] = size
	return size
}
