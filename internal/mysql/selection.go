package mysql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// TableChoice chooses tables and views within the chosen schemas.
type TableChoice struct {
	Include []string `yaml:"include,omitempty" json:"include,omitempty" jsonschema_description:"patterns SCHEMA.TABLE of tables and views to capture; without any all are"`
	Exclude []string `yaml:"exclude,omitempty" json:"exclude,omitempty" jsonschema_description:"patterns SCHEMA.TABLE of tables and views to leave out; exclusion wins"`
}

// selection is what the settings choose, ready to be asked.
type selection struct {
	schemas, notSchemas []pattern
	include, exclude    []tablePattern
	noData              []tablePattern
	filters             []tableRule // where-clauses
	keys                []tableRule // names of indexes
}

// tableRule is a setting of the tables that match.
type tableRule struct {
	tablePattern
	text string
}

// systemSchema holds the accounts.
const systemSchema = "mysql"

// systemSchemas belong to the server and are never captured.
var systemSchemas = []string{systemSchema, "information_schema", "performance_schema", "sys"}

func isSystemSchema(name string) bool { return slices.Contains(systemSchemas, strings.ToLower(name)) }

// HoldsSchema reports whether the source captures a schema. Names are compared as
// they are spelled, as servers do by default.
func (s *Settings) HoldsSchema(name string) bool {
	chosen, err := s.selection(false)
	return err == nil && chosen.schema(name)
}

// selection reads the patterns of the settings. Its errors begin with the key
// and quote nothing that stands in the place of a key.
func (s *Settings) selection(fold bool) (*selection, error) {
	if err := s.validateSchemas(); err != nil {
		return nil, err
	}
	chosen := new(selection)
	for _, name := range s.Schemas {
		chosen.schemas = append(chosen.schemas, newPattern(name, fold))
	}
	for _, name := range s.ExcludeSchemas {
		chosen.notSchemas = append(chosen.notSchemas, newPattern(name, fold))
	}
	for _, list := range []struct {
		key  string
		text []string
		into *[]tablePattern
	}{
		{"tables.include", s.Tables.Include, &chosen.include},
		{"tables.exclude", s.Tables.Exclude, &chosen.exclude},
		{"noData", s.NoData, &chosen.noData},
	} {
		for _, text := range list.text {
			p, err := newTablePattern(text, fold)
			if err != nil {
				return nil, invalid("%s: %q %w", list.key, text, err)
			}
			*list.into = append(*list.into, p)
		}
	}
	var err error
	if chosen.filters, err = newRules("where", s.Where, fold); err != nil {
		return nil, err
	}
	for _, rule := range chosen.filters {
		if err := checkClause(rule.text); err != nil {
			return nil, invalid("where: %w", err)
		}
	}
	chosen.keys, err = newRules("chunkKeys", s.ChunkKeys, fold)
	return chosen, err
}

func newRules(key string, rules map[string]string, fold bool) ([]tableRule, error) {
	var all []tableRule
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		p, err := newTablePattern(name, fold)
		if err != nil {
			return nil, invalid("%s: a key %w", key, err)
		}
		if rules[name] == "" {
			return nil, invalid("%s: a value is empty", key)
		}
		all = append(all, tableRule{p, rules[name]})
	}
	return all, nil
}

func (s *Settings) validateSchemas() error {
	if len(s.Schemas) == 0 {
		return invalid("schemas: name at least one")
	}
	seen := make(map[string]bool, len(s.Schemas))
	for _, name := range s.Schemas {
		switch {
		case name == "":
			return invalid("schemas: a name is empty")
		case isSystemSchema(name):
			return invalid("schemas: %q belongs to the server itself and cannot be captured", name)
		case seen[name]:
			return invalid("schemas: %q is named twice", name)
		}
		seen[name] = true
	}
	if slices.Contains(s.ExcludeSchemas, "") {
		return invalid("excludeSchemas: a name is empty")
	}
	return nil
}

// schema reports whether a schema is chosen.
func (c *selection) schema(name string) bool {
	matches := func(p pattern) bool { return p.matches(name) }
	return !isSystemSchema(name) && slices.ContainsFunc(c.schemas, matches) && !slices.ContainsFunc(c.notSchemas, matches)
}

// table reports whether a table or view of a chosen schema is.
func (c *selection) table(schema, name string) bool {
	matches := func(p tablePattern) bool { return p.matches(schema, name) }
	if slices.ContainsFunc(c.exclude, matches) {
		return false
	}
	return len(c.include) == 0 || slices.ContainsFunc(c.include, matches)
}

// listed returns the tables that are named one by one, and whether these are
// all that can be chosen of the schema: then nothing is missed that an account
// does not see.
func (c *selection) listed(schema string) (tables []string, all bool) {
	for _, p := range c.include {
		switch {
		case !p.schema.matches(schema):
		case !p.table.literal:
			return nil, false
		default:
			tables = append(tables, unescape(p.table.text))
		}
	}
	return tables, len(c.include) > 0
}

func unescape(text string) string {
	var b strings.Builder
	escaped := false
	for _, c := range text {
		if c == '\\' && !escaped {
			escaped = true
			continue
		}
		b.WriteRune(c)
		escaped = false
	}
	return b.String()
}

// chooseSchemas picks from those that exist. A pattern that matches none is an
// error: it was written in order to have something captured.
func (c *selection) chooseSchemas(existing []string) (names []string, err error) {
	for _, p := range c.schemas {
		found := slices.ContainsFunc(existing, func(name string) bool { return !isSystemSchema(name) && p.matches(name) })
		if !found {
			return nil, &unseenSchema{p}
		}
	}
	for _, name := range existing {
		if c.schema(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: excludeSchemas leaves no schema", errSelection)
	}
	slices.Sort(names)
	return names, nil
}

// unseenSchema means that a pattern matches no schema that the account sees.
type unseenSchema struct{ pattern }

func (e *unseenSchema) Error() string {
	if e.literal {
		return fmt.Sprintf("schema %q does not exist", unescape(e.text))
	}
	return fmt.Sprintf("no schema matches %q", e.text)
}

// on is what would have to be granted.
func (e *unseenSchema) on() string {
	if e.literal {
		return quoteName(unescape(e.text)) + ".*"
	}
	return quoteName(strings.NewReplacer("*", "%", "?", "_").Replace(patternEscape.Replace(e.text))) + ".*"
}

// patternEscape keeps what is a wildcard to a GRANT alone from being one.
var patternEscape = strings.NewReplacer("_", `\_`, "%", `\%`)

// errSelection means that the settings choose something that is not there.
var errSelection = errors.New("the selection fits nothing")

// checkTables fails for a pattern that chooses nothing, except one that leaves
// tables out: nothing is lost where there is nothing to leave out.
func (c *selection) checkTables(schemas []*schemaDefinition) error {
	for _, list := range []struct {
		key      string
		patterns []tablePattern
		views    bool
	}{
		{"tables.include", c.include, true},
		{"noData", c.noData, false},
		{"where", patternsOf(c.filters), false},
		{"chunkKeys", patternsOf(c.keys), false},
	} {
		for _, p := range list.patterns {
			if !slices.ContainsFunc(schemas, func(d *schemaDefinition) bool { return d.hasMatch(p, list.views) }) {
				return fmt.Errorf("%w: %s: no table that is captured matches %q", errSelection, list.key, p.text)
			}
		}
	}
	return nil
}

func patternsOf(rules []tableRule) []tablePattern {
	patterns := make([]tablePattern, len(rules))
	for i, rule := range rules {
		patterns[i] = rule.tablePattern
	}
	return patterns
}

func (d *schemaDefinition) hasMatch(p tablePattern, views bool) bool {
	if slices.ContainsFunc(d.Tables, func(t table) bool { return p.matches(d.Name, t.Name) }) {
		return true
	}
	return views && slices.ContainsFunc(d.Views, func(o object) bool { return p.matches(d.Name, o.Name) })
}

// apply gives a table what is set for it.
func (c *selection) apply(schema string, t *table) error {
	t.NoData = slices.ContainsFunc(c.noData, func(p tablePattern) bool { return p.matches(schema, t.Name) })
	var err error
	if t.Where, err = only("where", c.filters, schema, t.Name); err != nil {
		return err
	}
	if !t.ownsRows() {
		t.Where = "" // they are not captured in any case
	}
	if t.Where != "" && t.NoData {
		return fmt.Errorf("%w: table %q has a where-clause, and noData", errSelection, schema+"."+t.Name)
	}
	t.keyIndex, err = only("chunkKeys", c.keys, schema, t.Name)
	return err
}

// only returns the one rule that matches.
func only(key string, rules []tableRule, schema, table string) (text string, err error) {
	for _, rule := range rules {
		if !rule.matches(schema, table) {
			continue
		}
		if text != "" {
			return "", fmt.Errorf("%w: %s: several keys match table %q", errSelection, key, schema+"."+table)
		}
		text = rule.text
	}
	return text, nil
}
