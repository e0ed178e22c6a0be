package mysql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// A copy is a table that is restored beside the others, under another name or
// into another schema. The names of its foreign keys and checks are unique in a
// schema, so it may have to get others. A foreign key is kept where the table
// that it refers to is restored as a copy as well. One to a table that is in use
// is left out, as CREATE TABLE … LIKE leaves it out: rows of the copy would
// decide what may be deleted there.

// referCopies settles what the foreign keys of all copies refer to.
func (c *client) referCopies(r *restoration) error {
	copies := map[tableName]tableName{} // by their name in the point
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			if t.copied && t.Engine == engineMerge {
				return c.server.usage("restore into", "table %s is a MERGE of other tables: it has no rows of its own, of which a copy could be made", tableName{schema.Name, t.inPoint()}).
					Hint("restore the tables that it merges, or leave it out with --exclude")
			}
			if t.copied {
				copies[tableName{schema.Name, t.inPoint()}] = tableName{schema.target, t.Name}
			}
		}
	}
	for _, schema := range r.schemas {
		if err := schema.refer(r, copies); err != nil {
			return err
		}
	}
	return nil
}

// refer settles what the foreign keys of the schema's copies refer to.
func (p *schemaPlan) refer(r *restoration, copies map[tableName]tableName) error {
	for i := range p.Tables {
		t := &p.Tables[i]
		if !t.copied {
			continue
		}
		err := t.redefine(func(parts *createTable) {
			var kept []string
			for _, key := range parts.foreignKeys {
				schema, parent := reference(key)
				if schema == "" {
					schema = p.Name
				}
				to, is := copies[tableName{schema, parent}]
				if !is {
					r.deviate("table "+p.Name+"."+t.inPoint(), "left out",
						fmt.Sprintf("its foreign key %s would bind table %s.%s, which is in use and no copy", constraintOf(key), schema, parent))
					continue
				}
				if to.schema == p.target {
					to.schema = ""
				}
				kept = append(kept, referTo(key, to))
			}
			parts.foreignKeys = kept
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// referTo lets a foreign key refer to a table; an empty schema is that of the
// key's own table.
func referTo(foreignKey string, to tableName) string {
	at := referenced.FindStringSubmatchIndex(foreignKey)
	if at == nil {
		return foreignKey
	}
	name := quoteName(to.name)
	if to.schema != "" {
		name = quoteName(to.schema) + "." + name
	}
	begin := at[4]
	if at[2] >= 0 {
		begin = at[2]
	}
	return foreignKey[:begin] + name + foreignKey[at[5]:]
}

// nameConstraints gives every constraint a name that is free at the target.
func (c *client) nameConstraints(ctx context.Context, r *restoration) error {
	taken := map[string]constraintNames{}        // by schema at the target
	for _, copied := range []bool{false, true} { // what keeps its name goes first
		for _, schema := range r.schemas {
			if schema.whole {
				continue
			}
			if taken[schema.target] == nil {
				names, err := c.constraints(ctx, r, schema.target)
				if err != nil {
					return err
				}
				taken[schema.target] = names
			}
			if err := schema.nameConstraints(r, taken[schema.target], copied); err != nil {
				return err
			}
		}
	}
	return nil
}

// constraintNames are those of a schema that are taken, in lower case, by kind:
// foreign keys and checks may share a name.
type constraintNames map[string]map[string]bool

const (
	kindForeignKey = "FOREIGN KEY"
	kindCheck      = "CHECK"
)

// constraints lists the names that are taken in a schema of the target by tables
// that stay.
func (c *client) constraints(ctx context.Context, r *restoration, schema string) (constraintNames, error) {
	records, err := queryRecords(ctx, c, "SELECT CONSTRAINT_NAME AS name, CONSTRAINT_TYPE AS type, TABLE_NAME AS tab FROM information_schema.TABLE_CONSTRAINTS"+
		" WHERE CONSTRAINT_TYPE IN ('"+kindForeignKey+"', '"+kindCheck+"') AND TABLE_SCHEMA = "+quoteText(schema))
	if err != nil {
		return nil, err
	}
	taken := constraintNames{kindForeignKey: {}, kindCheck: {}}
	for _, record := range records {
		goes := slices.ContainsFunc(r.schemas, func(p *schemaPlan) bool {
			return p.target == schema && p.replaces(record.text("tab"), c.facts.lowerCaseTableNames)
		})
		if !goes {
			taken[record.text("type")][strings.ToLower(record.text("name"))] = true
		}
	}
	return taken, nil
}

// nameConstraints gives the constraints of copies, or of all other tables, names
// that are free.
func (p *schemaPlan) nameConstraints(r *restoration, taken constraintNames, copies bool) error {
	for i := range p.Tables {
		t := &p.Tables[i]
		if t.copied != copies {
			continue
		}
		changed := map[string]string{}
		err := t.redefine(func(parts *createTable) {
			for kind, items := range map[string][]string{kindForeignKey: parts.foreignKeys, kindCheck: parts.checks} {
				for k, item := range items {
					old := constraintOf(item)
					name := t.freeName(old, taken[kind])
					items[k] = "CONSTRAINT " + quoteName(name) + item[len("CONSTRAINT ")+len(quoteName(old)):]
					if name != old && !t.generated(old) {
						changed[old] = name
					}
				}
			}
		})
		if err != nil {
			return err
		}
		for _, old := range slices.Sorted(maps.Keys(changed)) {
			r.deviate("table "+p.Name+"."+t.inPoint(), "renamed", fmt.Sprintf("its constraint %s becomes %s: names of constraints are unique in a schema", old, changed[old]))
		}
	}
	return nil
}

// constraintOf returns the name of a constraint.
func constraintOf(item string) string {
	const word = "CONSTRAINT "
	return unquoteName(item[len(word) : closing(item, len(word))+1])
}

// freeName returns the name that a constraint of the table gets, and takes it.
func (t *table) freeName(old string, taken map[string]bool) string {
	name := old
	if t.copied && t.Name != t.inPoint() {
		name = t.ownName(old)
	}
	if taken[strings.ToLower(name)] {
		base := t.ownName(old)
		name = base
		for n := 2; taken[strings.ToLower(name)]; n++ {
			name = shortened(fmt.Sprintf("%s_%d", base, n))
		}
	}
	taken[strings.ToLower(name)] = true
	return name
}

// ownName makes a constraint's name one of the table's own. A name that the
// server has made of the table's follows it, as RENAME TABLE lets it.
func (t *table) ownName(old string) string {
	if t.generated(old) {
		return shortened(t.Name + old[len(t.inPoint()):])
	}
	return shortened(t.Name + "_" + old)
}

// generated reports whether the server has made the name of the table's.
func (t *table) generated(constraint string) bool {
	rest, begins := strings.CutPrefix(constraint, t.inPoint())
	for _, mark := range []string{"_ibfk_", "_chk_"} {
		if number, is := strings.CutPrefix(rest, mark); begins && is {
			return number != "" && strings.Trim(number, "0123456789") == ""
		}
	}
	return false
}

// shortened cuts a name to what the server takes, and keeps it distinct.
func shortened(name string) string {
	if utf8.RuneCountInString(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := "_" + hex.EncodeToString(sum[:4])
	return string([]rune(name)[:maxName-len(end)]) + end
}

// loading names a plan's step, and the copies in it.
func (p *schemaPlan) loading() string {
	var copies []string
	for i := range p.Tables {
		if t := &p.Tables[i]; t.copied {
			copies = append(copies, p.Name+"."+t.inPoint()+" as "+t.Name)
		}
	}
	text := "load " + quantity.Count(len(p.Tables), "table", "tables")
	if len(copies) > 0 {
		text += " (" + shorten(copies) + ")"
	}
	return text
}

// copyWarnings say what a table that is restored without its schema lacks.
func (p *schemaPlan) copyWarnings() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(p.triggersLeft)) {
		all = append(all, fmt.Sprintf("table %s.%s comes back without its %s", p.Name, name, quantity.Count(p.triggersLeft[name], "trigger", "triggers")))
	}
	return all
}
