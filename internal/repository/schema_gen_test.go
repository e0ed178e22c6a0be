package repository

import (
	"flag"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/openim-dr/openim-dr/internal/schematest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

var update = flag.Bool("update", false, "write docs/schema anew")

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
	schematest.Dir("../../docs/schema").RequireUpToDate(t, *update, schematest.Types{
		Documents: schemas, Package: reflect.TypeFor[Record]().PkgPath(), Comments: []string{"."},
		Map: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[seal.Digest]() {
				return &jsonschema.Schema{Type: "string", Pattern: "^[0-9a-f]{32}$"}
			}
			return nil
		},
	})
}
