package mysql

import "slices"

// accountsPart is the part of a server that its accounts are.
const accountsPart = "@accounts"

// parts says what of the target is overwritten, as Only takes it: the schema, or
// the tables that are there.
func (p *schemaPlan) parts() []string {
	if p.whole {
		return []string{patternMarks.Replace(p.target)}
	}
	var parts []string
	for _, name := range p.replaced {
		parts = append(parts, tableName{p.target, name}.pattern())
	}
	return parts
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
