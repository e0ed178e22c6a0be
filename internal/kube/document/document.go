// Package document writes objects of Kubernetes as one stream of YAML documents, which
// kubectl takes, and reads such streams. Whatever an object holds comes back to the bit.
// One document at a time is in memory, and no error quotes any of it.
package document

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

// Separator stands before every document but the first, as kubectl reads it.
const Separator = "---\n"

// Writer writes objects as the documents of one YAML stream.
type Writer struct {
	w       io.Writer
	encoder yamlEncoder
	begun   bool

	Written int64 // bytes
}

// NewWriter returns a writer whose documents go to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write adds u as one document. What its own encoder cannot write the YAML library
// that kubectl reads with can. It is given the object itself: kubeyaml.Marshal goes
// through JSON text, which that library refuses when it holds some rarer characters.
func (d *Writer) Write(u *unstructured.Unstructured) error {
	text, err := d.encoder.encode(u.Object)
	if err != nil {
		text, err = yaml.Marshal(u.Object)
	}
	if err != nil {
		return fmt.Errorf("write %s/%s as YAML: not possible", u.GroupVersionKind().GroupKind(), u.GetName()) // the library's error may quote a value
	}
	if d.begun {
		n, err := io.WriteString(d.w, Separator)
		d.Written += int64(n)
		if err != nil {
			return err
		}
	}
	d.begun = true
	n, err := d.w.Write(text)
	d.Written += int64(n)
	return err
}

// errDocument stands for what a YAML parser says, which quotes the text.
var errDocument = errors.New("it is not the YAML of a Kubernetes object")

// Document is one object as it stands in a stream.
type Document struct {
	Object *unstructured.Unstructured
	Size   int64 // of its text, bytes
}

// EveryKind is for ReadOf, where all are wanted.
func EveryKind(schema.GroupKind) bool { return true }

// Read calls fn for each document of a stream, one in memory at a time, and returns only
// at its end, so that r has verified every byte.
func Read(r io.Reader, fn func(Document) error) error {
	return ReadOf(r, EveryKind, fn)
}

// ReadOf does the same for the documents of some kinds, and does not parse
// the others.
func ReadOf(r io.Reader, wanted func(schema.GroupKind) bool, fn func(Document) error) error {
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
		if err := fn(Document{Object: object, Size: int64(len(text))}); err != nil {
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
