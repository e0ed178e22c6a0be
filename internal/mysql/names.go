package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// What lower_case_table_names means for names of schemas, tables and views.
const (
	namesAsGiven    = 0 // upper and lower case are two names
	namesLowered    = 1 // kept in lower case
	namesLikeAnyway = 2 // kept as given, and looked up in any case
)

// settleNames decides what everything is called at the target, and refuses what
// cannot be.
func (c *client) settleNames(ctx context.Context, r *restoration) error {
	if err := c.referCopies(r); err != nil {
		return err
	}
	if c.facts.lowerCaseTableNames == namesLowered {
		for _, schema := range r.schemas {
			if err := schema.lower(r); err != nil {
				return err
			}
		}
	}
	if err := c.checkDistinct(r); err != nil {
		return err
	}
	for _, schema := range r.schemas {
		if err := c.checkViews(ctx, schema); err != nil {
			return err
		}
	}
	return c.nameConstraints(ctx, r)
}

// sameName brings names into one form that are one to a server.
func sameName(name string, lowerCase int64) string {
	if lowerCase == namesAsGiven {
		return name
	}
	return strings.ToLower(name)
}

// replaces reports whether the restore of a part takes the place of a table.
func (p *schemaPlan) replaces(name string, lowerCase int64) bool {
	return slices.ContainsFunc(p.Tables, func(t table) bool { return sameName(t.Name, lowerCase) == sameName(name, lowerCase) })
}

// lower gives everything the name that the target will give it.
func (p *schemaPlan) lower(r *restoration) error {
	low := func(name string) string {
		lowered := strings.ToLower(name)
		r.lowered = r.lowered || lowered != name
		return lowered
	}
	p.target = low(p.target)
	for i := range p.Tables {
		t := &p.Tables[i]
		t.captured, t.Name = t.inPoint(), low(t.Name)
		if err := t.redefine(func(parts *createTable) {
			for k, key := range parts.foreignKeys {
				schema, parent := reference(key)
				parts.foreignKeys[k] = referTo(key, tableName{strings.ToLower(schema), strings.ToLower(parent)})
			}
		}); err != nil {
			return err
		}
	}
	for i := range p.Views {
		p.Views[i].Name = low(p.Views[i].Name)
	}
	for i := range p.Triggers {
		p.Triggers[i].lowerTable()
	}
	return nil
}

// lowerTable lowers the name of a trigger's table. The rest of its text is kept
// as it was written.
func (o *object) lowerTable() {
	o.Table = strings.ToLower(o.Table)
	text := string(o.Create)
	if at := afterWord(text, " ON "); at > 0 && strings.HasPrefix(text[at:], "`") {
		end := closing(text, at)
		o.Create = sqlText(text[:at] + strings.ToLower(text[at:end]) + text[end:])
	}
}

// redefine changes a table's definition, and gives it the table's present name.
func (t *table) redefine(change func(*createTable)) error {
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return fmt.Errorf("table %q: %w", t.inPoint(), err)
	}
	parts.head = "CREATE TABLE " + quoteName(t.Name)
	change(parts)
	t.Create = sqlText(parts.text())
	return nil
}

// checkDistinct refuses two things that would get one name.
func (c *client) checkDistinct(r *restoration) error {
	fold := func(name string) string { return sameName(name, c.facts.lowerCaseTableNames) }
	taken := map[tableName]string{}
	for _, schema := range r.schemas {
		target := fold(schema.target)
		for _, other := range r.schemas {
			if other != schema && schema.whole && fold(other.target) == target {
				return c.onlyOne("schemas", schema.Name, other.Name, schema.target)
			}
		}
		var names []string
		for i := range schema.Tables {
			names = append(names, schema.Tables[i].inPoint(), schema.Tables[i].Name)
		}
		for i := range schema.Views {
			names = append(names, schema.Views[i].Name, schema.Views[i].Name)
		}
		for pair := range slices.Chunk(names, 2) {
			from, key := schema.Name+"."+pair[0], tableName{target, fold(pair[1])}
			if other, is := taken[key]; is {
				return c.onlyOne("tables", other, from, schema.target+"."+pair[1])
			}
			taken[key] = from
		}
	}
	return nil
}

// onlyOne says that two names would be one.
func (c *client) onlyOne(what, first, second, name string) *fault.Error {
	e := c.server.usage("restore into", "%s %q and %q would both become %q", what, first, second, name)
	if c.facts.lowerCaseTableNames != namesAsGiven {
		e = c.server.usage("restore into", "%s %q and %q would both become %q: lower_case_table_names of the target is %d", what, first, second, name, c.facts.lowerCaseTableNames)
	}
	return e.Hint("give one of them another name with --rename, or leave it out with --exclude")
}

// checkViews refuses to put a table where the target has a view: a table cannot
// take its place. Where a whole schema is restored, all that it holds goes.
func (c *client) checkViews(ctx context.Context, schema *schemaPlan) error {
	if schema.whole {
		return nil
	}
	records, err := queryRecords(ctx, c, "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE LIKE '%VIEW' AND TABLE_SCHEMA = "+quoteText(schema.target))
	if err != nil {
		return err
	}
	for _, view := range records {
		if schema.replaces(view.text("name"), c.facts.lowerCaseTableNames) {
			return c.server.usage("restore into", "%s.%s is a view there, and not a table", schema.target, view.text("name")).
				Hint("give the table another name with --rename, or drop the view")
		}
	}
	return nil
}

// kept is the definition of an object as a target keeps it: one that lowers
// names has the text of a view only so.
func (c *comparison) kept(o *object) string {
	if o.Type == typeView && c.client.facts.lowerCaseTableNames == namesLowered {
		return strings.ToLower(o.canonical())
	}
	return o.canonical()
}
