package kube

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kubeyaml "sigs.k8s.io/yaml"
)

// separator stands before every document but the first, as kubectl reads it.
const separator = "---\n"

// documentWriter writes objects as the documents of one YAML stream.
type documentWriter struct {
	w       io.Writer
	encoder yamlEncoder
	begun   bool
	written int64
}

// write adds u as one document. What its own encoder cannot write the YAML library
// that kubectl reads with can. It is given the object itself: kubeyaml.Marshal goes
// through JSON text, which that library refuses when it holds some rarer characters.
func (d *documentWriter) write(u *unstructured.Unstructured) error {
	text, err := d.encoder.encode(u.Object)
	if err != nil {
		text, err = yaml.Marshal(u.Object)
	}
	if err != nil {
		return fmt.Errorf("write %s as YAML: not possible", keyOf(u)) // the library's error may quote a value
	}
	if d.begun {
		n, err := io.WriteString(d.w, separator)
		d.written += int64(n)
		if err != nil {
			return err
		}
	}
	d.begun = true
	n, err := d.w.Write(text)
	d.written += int64(n)
	return err
}

// errDocument stands for what a YAML parser says, which quotes the text.
var errDocument = errors.New("it is not the YAML of a Kubernetes object")

// document is one object as it stands in a stream.
type document struct {
	object *unstructured.Unstructured
	size   int64
}

func everyKind(schema.GroupKind) bool { return true }

// readDocuments calls fn for each document of a stream, one in memory at a
// time, and returns only at its end, so that r has verified every byte.
func readDocuments(r io.Reader, fn func(document) error) error {
	return readDocumentsOf(r, everyKind, fn)
}

// readDocumentsOf does the same for the documents of some kinds, and does not parse
// the others.
func readDocumentsOf(r io.Reader, wanted func(schema.GroupKind) bool, fn func(document) error) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReaderSize(r, 64<<10))
	for n := 1; ; n++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if syntax := (utilyaml.YAMLSyntaxError{}); errors.As(err, &syntax) {
			err = errDocument
		}
		if err != nil {
			return fmt.Errorf("read document %d: %w", n, err)
		}
		if kind, told := tellKind(text); told && !wanted(kind) {
			continue
		}
		object, err := parseDocument(text)
		if err != nil {
			return fmt.Errorf("read document %d: %w", n, err)
		}
		if !wanted(object.GroupVersionKind().GroupKind()) {
			continue
		}
		if err := fn(document{object: object, size: int64(len(text))}); err != nil {
			return err
		}
	}
}

// tellKind reads a document's kind off its lines, which in what documentWriter
// writes begin so only where they are the object's own fields. Where they do not,
// nothing is told.
func tellKind(text []byte) (_ schema.GroupKind, told bool) {
	var apiVersion, kind string
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("apiVersion: ")); ok {
			apiVersion = string(bytes.TrimSpace(value))
		}
		if value, ok := bytes.CutPrefix(line, []byte("kind: ")); ok {
			kind = string(bytes.TrimSpace(value))
		}
		if apiVersion != "" && kind != "" {
			return schema.FromAPIVersionAndKind(apiVersion, kind).GroupKind(), true
		}
	}
	return schema.GroupKind{}, false
}

func parseDocument(text []byte) (*unstructured.Unstructured, error) {
	asJSON, err := kubeyaml.YAMLToJSON(text)
	if err != nil {
		return nil, errDocument
	}
	u := &unstructured.Unstructured{}
	// This Unmarshal keeps integers integers, as the digest needs.
	if err := json.Unmarshal(asJSON, &u.Object); err != nil {
		return nil, errDocument
	}
	if u.GetKind() == "" || u.GetAPIVersion() == "" || u.GetName() == "" {
		return nil, errDocument
	}
	return u, nil
}
