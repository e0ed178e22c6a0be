// Package schematest holds the JSON Schemas of documents against the types that they are
// made of, and documents against their schemas. Tests alone use it.
package schematest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	module = "github.com/openim-dr/openim-dr"
	suffix = ".schema.json"
)

// Dir is a directory with the schemas of documents, NAME.schema.json, as the package that
// is tested sees it: ../../docs/schema.
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), name+suffix) }

// id is what a schema is called: where it is published.
func (d Dir) id(name string) jsonschema.ID {
	return jsonschema.ID("https://" + module + "/" + strings.TrimLeft(filepath.ToSlash(d.path(name)), "./"))
}

// Require fails the test where a document is not as the schema of that name says. what
// is how the document is called.
func (d Dir) Require(t testing.TB, name, what string, document []byte) {
	t.Helper()
	compiler := validator.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	value, err := validator.UnmarshalJSON(bytes.NewReader(document))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		t.Errorf("%s does not fit %s: %v\n%s", what, name+suffix, err, document)
	}
}

// Types are those that documents are made of, and how their schemas are.
type Types struct {
	// Documents are a value of each, by the name of its schema.
	Documents map[string]any
	// Package is the import path of the package that is tested, and Comments are the
	// directories, as it sees them, of which comments describe fields.
	Package  string
	Comments []string
	// Map returns the schema of a type that does not say it itself, or nil.
	Map func(reflect.Type) *jsonschema.Schema
	// Amend completes the schema of a document. It may be nil.
	Amend func(*jsonschema.Schema, reflect.Type)
}

// RequireUpToDate fails the test where a schema in the directory is not that of its type,
// or is of none. With update it writes them first.
func (d Dir) RequireUpToDate(t *testing.T, update bool, types Types) {
	t.Helper()
	for name, document := range types.Documents {
		want := types.schema(t, d.id(name), document)
		if update {
			if err := os.WriteFile(d.path(name), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(d.path(name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): go test ./%s -run %s -update", d.path(name), err, strings.TrimPrefix(types.Package, module+"/"), t.Name())
		}
	}
	files, err := filepath.Glob(filepath.Join(string(d), "*.json"))
	if err != nil || len(files) != len(types.Documents) {
		t.Errorf("%s holds %d files, want %d (%v)", d, len(files), len(types.Documents), err)
	}
}

func (s *Types) schema(t *testing.T, id jsonschema.ID, document any) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, AllowAdditionalProperties: true, // a reader ignores what it does not know
		Mapper: s.Map,
	}
	for _, dir := range s.Comments {
		if err := r.AddGoComments(s.Package, dir); err != nil {
			t.Fatal(err)
		}
	}
	schema := r.Reflect(document)
	if s.Amend != nil {
		s.Amend(schema, reflect.TypeOf(document))
	}
	schema.ID = id
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
