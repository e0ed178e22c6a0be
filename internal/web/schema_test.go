package web

import (
	"flag"
	"iter"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/schematest"
	"github.com/openim-dr/openim-dr/internal/status"
)

var update = flag.Bool("update", false, "write docs/schema/api anew")

const schemaDir schematest.Dir = "../../docs/schema/api"

// schemas are the documents that are answered, and the events that are sent.
var schemas = map[string]any{
	"status": status.Report{}, "points": Points{}, "runs": Runs{}, "schedules": Schedules{}, "proofs": Proofs{}, "objectives": Objectives{}, "failure": Failure{},
	"status-event": StatusEvent{}, "run-event": RunEvent{}, "progress-event": ProgressEvent{},
}

// The schemas in docs/schema/api are those of the types that are answered.
func TestSchemasAreUpToDate(t *testing.T) {
	schemaDir.RequireUpToDate(t, *update, schematest.Types{
		Documents: schemas, Package: reflect.TypeFor[Points]().PkgPath(), Comments: []string{".", "../status", "../progress"},
		Map: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[quantity.Money]() {
				return &jsonschema.Schema{Type: "string"}
			}
			return nil
		},
		Amend: func(schema *jsonschema.Schema, t reflect.Type) { allowNull(schema, schema.Definitions, t) },
	})
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
