package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// Schema returns the JSON schema of the file, for editors and for charts.
func Schema(kinds Kinds) ([]byte, error) {
	reflector := &jsonschema.Reflector{FieldNameTag: "yaml", DoNotReference: true, Anonymous: true, Mapper: mapType}
	root := reflector.Reflect(new(Config))
	root.Title = "openim-dr configuration"
	root.Definitions = jsonschema.Definitions{"source": sourceSchema(reflector, kinds)}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON schema: %w", err)
	}
	return append(data, '\n'), nil
}

// sourceSchema allows exactly the keys of the source's kind.
func sourceSchema(reflector *jsonschema.Reflector, kinds Kinds) *jsonschema.Schema {
	one := new(jsonschema.Schema)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		s := reflector.Reflect(kinds[kind]())
		s.Version = ""
		s.Properties.Set("name", &jsonschema.Schema{Type: "string", Pattern: `^[^/=,\s]+$`, Description: "name of the source in recovery points and on the command line"})
		s.Properties.Set("kind", &jsonschema.Schema{Const: kind})
		s.Required = append([]string{"name", "kind"}, s.Required...)
		one.OneOf = append(one.OneOf, s)
	}
	return one
}

// textTypes are written as text in the file, whatever they are in Go.
var textTypes = map[reflect.Type]jsonschema.Schema{
	reflect.TypeFor[secret.Ref]():          {Type: "string", Pattern: `^((env|file):.+)?$`},
	reflect.TypeFor[quantity.Size]():       {Type: "string", Examples: []any{"64MiB"}},
	reflect.TypeFor[quantity.Rate]():       {Type: "string", Examples: []any{"50MiB/s"}},
	reflect.TypeFor[quantity.Duration]():   {Type: "string", Examples: []any{"60s"}},
	reflect.TypeFor[quantity.Percent]():    {Type: "string", Pattern: `%$`, Examples: []any{"20%"}},
	reflect.TypeFor[quantity.Price]():      {OneOf: []*jsonschema.Schema{{Type: "number", Minimum: "0"}, {Type: "string", Pattern: `^[0-9]+(\.[0-9]{1,9})?$`}}},
	reflect.TypeFor[time.Duration]():       {Type: "string", Examples: []any{"5s"}},
	reflect.TypeFor[time.Time]():           {Type: "string", Format: "date-time"},
	reflect.TypeFor[Recipient]():           {Type: "string", Pattern: `^age1`},
	reflect.TypeFor[PublicKey]():           {Type: "string", Pattern: `^RW`},
	reflect.TypeFor[Column]():              {Type: "string", Pattern: `^.+\..+\..+$`},
	reflect.TypeFor[timetable.Timetable](): {Type: "string", Examples: []any{"CRON_TZ=Asia/Shanghai 0 2 * * *"}},
	reflect.TypeFor[hook.Address]():        {Type: "string", Pattern: `^(https?://|env:|file:).+$`},
}

func mapType(t reflect.Type) *jsonschema.Schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := textTypes[t]; ok {
		return &s
	}
	switch t {
	case reflect.TypeFor[Source]():
		return &jsonschema.Schema{Ref: "#/$defs/source"}
	case reflect.TypeFor[seal.Role]():
		return oneOf(seal.Roles)
	case reflect.TypeFor[hook.Event]():
		return oneOf(hook.Events)
	case reflect.TypeFor[hook.Verb]():
		return oneOf(hook.Verbs)
	case reflect.TypeFor[notify.Event]():
		return oneOf(notify.Events)
	default:
		return nil
	}
}

// oneOf allows these texts alone.
func oneOf[T ~string](words []T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, word := range words {
		s.Enum = append(s.Enum, word)
	}
	return s
}
