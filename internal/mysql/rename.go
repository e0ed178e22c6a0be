package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openim-dr/openim-dr/internal/source"
)

// A restore may give schemas and single tables another name:
//
//	schema       = other
//	schema.table = other          in the schema that the rest goes to
//	schema.table = schema2.other
//
// A name that holds a dot or a backquote stands in backquotes, as in SQL.

// renames are the names that a restore gives.
type renames struct {
	schemas map[string]string
	tables  map[tableName]tableName // an empty schema is the one that the rest goes to
	placed  map[tableName]bool      // those of the tables that are chosen
}

// renameHint says how a rename is spelled.
const renameHint = "--rename takes SCHEMA=NEW, SCHEMA.TABLE=NEW or SCHEMA.TABLE=SCHEMA2.NEW, with SOURCE/ before it where several sources are restored; " +
	"a name with a dot stands in backquotes, as in '`my.schema`=new'"

// readRenames reads what is to be renamed, and refuses what the point does not
// bear out: nobody writes it to have it overlooked.
func (s *Server) readRenames(want source.Selection, recorded *Captured) (*renames, error) {
	names := &renames{schemas: map[string]string{}, tables: map[tableName]tableName{}, placed: map[tableName]bool{}}
	for _, old := range slices.Sorted(maps.Keys(want.Rename)) {
		if err := names.add(old, want.Rename[old], recorded); err != nil {
			return nil, s.usage("restore into", "rename %s=%s: %w", old, want.Rename[old], err).Hint("%s; the point holds %s", renameHint, whatThereIs(recorded.Schemas, recorded.named(old)))
		}
	}
	if len(names.tables) > 0 && len(want.Include) == 0 {
		first := names.sorted()[0]
		return nil, s.usage("restore into", "table %s gets another name, and all the rest of source %s would be restored over what is there", first, s.name).
			Hint("to restore the table alone: --include '%s/%s'", s.name, first.pattern())
	}
	return names, nil
}

// checkPlaced refuses to overlook a table that gets a name and is not chosen.
func (n *renames) checkPlaced(s *Server) error {
	for _, table := range n.sorted() {
		if !n.placed[table] {
			return s.usage("restore into", "table %s gets another name, and the selection leaves it out", table).
				Hint("to restore it: --include '%s/%s'", s.name, table.pattern())
		}
	}
	return nil
}

// sorted returns the tables that get a name.
func (n *renames) sorted() []tableName {
	return slices.SortedFunc(maps.Keys(n.tables), func(a, b tableName) int {
		return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name))
	})
}

// String spells a table as a rename takes it.
func (t tableName) String() string {
	spell := func(name string) string {
		if strings.ContainsAny(name, ".`=/") {
			return quoteName(name)
		}
		return name
	}
	return spell(t.schema) + "." + spell(t.name)
}

// pattern spells it as a selection does.
func (t tableName) pattern() string {
	return patternMarks.Replace(t.schema) + "." + patternMarks.Replace(t.name)
}

// patternMarks takes from the marks of a pattern their meaning.
var patternMarks = strings.NewReplacer(`\`, `\\`, ".", `\.`, "*", `\*`, "?", `\?`)

var (
	errManyDots  = errors.New("it has more than one dot")
	errNotPlaced = errors.New("a schema takes the name of a schema, which stands in backquotes where it holds a dot")
)

func (n *renames) add(old, renamed string, recorded *Captured) error {
	from, err := splitName(old)
	if err != nil {
		return err
	}
	into, err := splitName(renamed)
	if err != nil {
		return err
	}
	switch {
	case len(from) > 1 && recorded.schema(old) != nil:
		// Only a name without backquotes looks like a name in the point.
		return fmt.Errorf("schema %q has a dot in its name: %s names the schema, and a table is named %s", old, quoteName(old), strings.Join(quotedAll(from), "."))
	case len(from) > 2 || len(into) > 2:
		return errManyDots
	case len(from) == 1 && len(into) == 2:
		return errNotPlaced
	case isSystemSchema(into[0]) && len(from) == len(into):
		return fmt.Errorf("schema %q belongs to the server itself", into[0])
	}
	schema := recorded.schema(from[0])
	if schema == nil {
		return fmt.Errorf("the point holds no schema %q", from[0])
	}
	if len(from) == 1 {
		n.schemas[from[0]] = into[0]
		return nil
	}
	if !slices.ContainsFunc(schema.Tables, func(t CapturedTable) bool { return t.Name == from[1] }) {
		return fmt.Errorf("the point holds no table %q in schema %q", from[1], from[0])
	}
	to := tableName{name: into[len(into)-1]}
	if len(into) == 2 {
		to.schema = into[0]
	}
	n.tables[tableName{from[0], from[1]}] = to
	return nil
}

// named returns the schema that the old name of a rename begins with, if there is
// one.
func (c *Captured) named(old string) []CapturedSchema {
	name, err := splitName(old)
	if err != nil {
		return nil
	}
	if schema := c.schema(name[0]); schema != nil {
		return []CapturedSchema{*schema}
	}
	return nil
}

// meant returns the schemas that patterns of tables speak of.
func (c *Captured) meant(patterns []string) []CapturedSchema {
	var schemas []CapturedSchema
	for _, schema := range c.Schemas {
		if slices.ContainsFunc(patterns, func(text string) bool {
			p, err := newTablePattern(text, false)
			return err == nil && p.schema.matches(schema.Name)
		}) {
			schemas = append(schemas, schema)
		}
	}
	return schemas
}

// whatThereIs names some of what could have been chosen: tables of the schemas
// that were meant, or else the schemas.
func whatThereIs(schemas, meant []CapturedSchema) string {
	var names []string
	for _, schema := range meant {
		for _, t := range schema.Tables {
			names = append(names, tableName{schema.Name, t.Name}.String())
		}
	}
	if len(names) > 0 {
		return shorten(names)
	}
	for _, schema := range schemas {
		names = append(names, schema.Name)
	}
	if len(names) == 0 {
		return "no schema"
	}
	return "the schemas " + shorten(names)
}

// schema returns what the point says of a schema, or nil.
func (c *Captured) schema(name string) *CapturedSchema {
	at := slices.IndexFunc(c.Schemas, func(s CapturedSchema) bool { return s.Name == name })
	if at < 0 {
		return nil
	}
	return &c.Schemas[at]
}

// splitName takes a name apart at its dots, but for those in backquotes.
func splitName(text string) (parts []string, err error) {
	for rest := text; ; rest = rest[1:] {
		end := strings.IndexAny(rest+".", ".`")
		part := rest[:end]
		if strings.HasPrefix(rest, "`") {
			if end = closing(rest, 0) + 1; end > len(rest) {
				return nil, errors.New("a backquote is not closed")
			}
			part = unquoteName(rest[:end])
		}
		if err := checkName(part); err != nil {
			return nil, err
		}
		parts = append(parts, part)
		rest = rest[end:]
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, errors.New("a backquote stands in the middle of a name; the whole name stands in backquotes, with that one doubled")
		}
	}
}

// maxName is how many characters a name of MySQL has at most.
const maxName = 64

// checkName refuses what the server takes for no name.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return errors.New("a name holds bytes that no name may hold")
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("a name has more than %d characters", maxName)
	case strings.HasSuffix(name, " "):
		return errors.New("a name ends with a space")
	default:
		return nil
	}
}

// quotedAll quotes each name.
func quotedAll(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteName(name)
	}
	return quoted
}

// place gives what is chosen of a schema its names at the target. Tables that
// go into another schema than the rest are a part of their own. all is the
// schema as it is in the point.
//
// A schema of which a table is renamed is restored in part: views, routines and
// triggers know the table by the name that it had.
func (n *renames) place(all *schemaDefinition, chosen *schemaPlan) []*schemaPlan {
	chosen.target = cmp.Or(n.schemas[all.Name], all.Name)
	parts := []*schemaPlan{chosen}
	tables := chosen.Tables
	chosen.Tables = nil
	for _, t := range tables {
		key := tableName{all.Name, t.Name}
		to, renamed := n.tables[key]
		n.placed[key] = true
		schema := cmp.Or(to.schema, chosen.target)
		if !renamed || schema == chosen.target && to.name == t.Name {
			chosen.Tables = append(chosen.Tables, t)
			continue
		}
		t.captured, t.Name, t.copied = t.Name, to.name, true
		at := slices.IndexFunc(parts, func(p *schemaPlan) bool { return p.target == schema })
		if at < 0 {
			at = len(parts)
			part := *all
			part.Tables = nil
			parts = append(parts, &schemaPlan{schemaDefinition: &part, target: schema, aside: true})
		}
		parts[at].Tables = append(parts[at].Tables, t)
		chosen.whole = false
	}
	for _, p := range parts {
		if !p.whole {
			p.triggersLeft = all.triggersOf(p.Tables)
			p.Routines, p.Views, p.Triggers, p.Events = nil, nil, nil, nil
		}
	}
	if len(chosen.Tables) == 0 && !chosen.whole {
		return parts[1:]
	}
	return parts
}

// triggersOf counts the triggers of each of the tables that has some.
func (d *schemaDefinition) triggersOf(tables []table) map[string]int {
	counts := map[string]int{}
	for _, trigger := range d.Triggers {
		if slices.ContainsFunc(tables, func(t table) bool { return t.inPoint() == trigger.Table }) {
			counts[trigger.Table]++
		}
	}
	return counts
}
