package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/status"
)

var update = flag.Bool("update", false, "write docs/schema/api anew")

const schemaDir = "../../docs/schema/api"

// schemas are the documents that are answered, and the events that are sent.
var schemas = map[string]any{
	"status": status.Report{}, "points": Points{}, "runs": Runs{}, "schedules": Schedules{}, "proofs": Proofs{}, "objectives": Objectives{}, "failure": Failure{},
	"status-event": StatusEvent{}, "run-event": RunEvent{}, "progress-event": ProgressEvent{},
}

// The schemas in docs/schema/api are those of the types that are answered.
func TestSchemasAreUpToDate(t *testing.T) {
	for name, v := range schemas {
		want := schemaOf(t, name, v)
		path := filepath.Join(schemaDir, name+".schema.json")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): go test ./internal/web -run TestSchemas -update", path, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(schemaDir, "*"))
	if err != nil || len(files) != len(schemas) {
		t.Errorf("docs/schema/api holds %d files, want %d (%v)", len(files), len(schemas), err)
	}
}

func schemaOf(t *testing.T, name string, v any) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, AllowAdditionalProperties: true, // a reader ignores what it does not know
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[quantity.Money]() {
				return &jsonschema.Schema{Type: "string"}
			}
			return nil
		},
	}
	for _, dir := range []string{".", "../status", "../progress"} {
		if err := r.AddGoComments("github.com/openim-dr/openim-dr/internal/web", dir); err != nil {
			t.Fatal(err)
		}
	}
	schema := r.Reflect(v)
	allowNull(schema, schema.Definitions, reflect.TypeOf(v))
	schema.ID = jsonschema.ID("https://github.com/openim-dr/openim-dr/docs/schema/api/" + name + ".schema.json")
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// allowNull lets fields be null that are pointers: what is not known is null.
func allowNull(schema *jsonschema.Schema, all jsonschema.Definitions, t reflect.Type) {
	for field := range fieldsOf(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case field.Anonymous:
			allowNull(schema, all, inner)
			continue
		case field.Type.Kind() == reflect.Pointer && options != "omitempty":
			value, _ := schema.Properties.Get(name)
			if len(value.OneOf) > 0 {
				continue // the type is reached a second time
			}
			schema.Properties.Set(name, &jsonschema.Schema{OneOf: []*jsonschema.Schema{value, {Type: "null"}}})
		}
		if of := all[inner.Name()]; of != nil && inner.Kind() == reflect.Struct {
			allowNull(of, all, inner)
		}
	}
}

func fieldsOf(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
