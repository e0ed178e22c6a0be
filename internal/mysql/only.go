package mysql

import (
	"slices"
	"strings"
)

// accountsPart is the part of a server that its accounts are.
const accountsPart = "@accounts"

// parts says what of the target is overwritten, as Only takes it: the schema, or
// the tables that are restored.
func (p *schemaPlan) parts() []string {
	schema := escapePattern(p.target)
	if p.whole {
		return []string{schema}
	}
	var parts []string
	for i := range p.Tables {
		parts = append(parts, schema+"."+escapePattern(p.Tables[i].Name))
	}
	return parts
}

// escapePattern writes a name as a pattern that fits nothing else.
func escapePattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, ".", `\.`).Replace(name)
}

// Only returns settings with which just these parts are captured, whole.
func (s *Settings) Only(parts []string) *Settings {
	only := *s
	only.Schemas, only.ExcludeSchemas, only.Tables, only.NoData, only.Where = nil, nil, TableChoice{}, nil, nil
	only.Accounts = NoAccounts
	tables := false
	for _, part := range parts {
		if part == accountsPart {
			only.Accounts = s.Accounts
			continue
		}
		schema, _, single := cutPattern(part)
		tables = tables || single
		if !single {
			part += ".*"
		}
		only.Tables.Include = append(only.Tables.Include, part)
		if !slices.Contains(only.Schemas, schema) {
			only.Schemas = append(only.Schemas, schema)
		}
	}
	if !tables {
		only.Tables.Include = nil // whole schemas, which need not have a table
	}
	if len(only.Schemas) == 0 { // accounts alone: a point needs a schema, if only what is defined in it
		only.Schemas, only.NoData = s.Schemas, []string{"*.*"}
	}
	return &only
}
