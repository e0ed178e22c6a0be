package repository

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/openim-dr/openim-dr/internal/seal"
)

var update = flag.Bool("update", false, "write docs/schema anew")

const schemaDir = "../../docs/schema"

// schemas are the kinds of JSON that stand in a repository.
var schemas = map[string]any{
	"repository":    Record{},
	"start":         Start{},
	"manifest":      Manifest{},
	"fence":         Fence{},
	"abandoned":     Abandoned{},
	"state":         State{},
	"lease":         leaseTerm{},
	"checkpoint":    Checkpoint{},
	"restore":       RestoreRecord{},
	"proof":         Proof{},
	"log":           LogEntry{},
	"schedule":      ScheduleRun{},
	"notices":       Notices{},
	"progress":      Progress{},
	"bucket-list":   BucketList{},
	"segment-packs": SegmentPacks{},
	"index-entry":   IndexEntry{},
	"object-entry":  ObjectEntry{},
}

// The schemas in docs/schema are those of the types that are written.
func TestSchemasAreUpToDate(t *testing.T) {
	for name, v := range schemas {
		t.Run(name, func(t *testing.T) {
			want := schemaOf(t, name, v)
			path := filepath.Join(schemaDir, name+".schema.json")
			if *update {
				if err := os.WriteFile(path, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is out of date (%v): go test ./internal/repository -run TestSchemas -update", path, err)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil || len(files) != len(schemas) {
		t.Errorf("docs/schema holds %d files, want %d (%v)", len(files), len(schemas), err)
	}
}

func schemaOf(t *testing.T, name string, v any) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, AllowAdditionalProperties: true, // a reader ignores what it does not know
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[seal.Digest]() {
				return &jsonschema.Schema{Type: "string", Pattern: "^[0-9a-f]{32}$"}
			}
			return nil
		},
	}
	if err := r.AddGoComments(reflect.TypeFor[Record]().PkgPath(), "."); err != nil {
		t.Fatal(err)
	}
	schema := r.Reflect(v)
	schema.ID = jsonschema.ID("https://github.com/openim-dr/openim-dr/docs/schema/" + name + ".schema.json")
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
