package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// needAbilities requires of the target what no privilege can replace: a restore
// that it would end in the middle does not begin.
func (c *client) needAbilities(need *requirement, r *restoration) {
	c.needInnoDB(need, r.target)
	r.needCharacterSets(need)
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			c.needEngine(need, r.target, schema, &schema.Tables[i])
		}
	}
	for _, name := range r.encrypted() {
		if r.target.keyring == no {
			need.add(missing{why: "table " + name + " is encrypted, and the target has no keyring", instead: "Give the server a keyring component, or leave out table " + name + "."})
		}
	}
	if r.target.variables["table_encryption_privilege_check"] == "ON" && len(r.encrypted()) > 0 {
		need.global("without it nothing can be encrypted that is not by default, as table_encryption_privilege_check says", "TABLE_ENCRYPTION_ADMIN", "SUPER")
	}
	if r.target.group != nil && !r.target.group.follows() { // who follows is refused as such
		c.needGroup(need, r)
	}
}

// needInnoDB requires that rows can be written at all.
func (c *client) needInnoDB(need *requirement, target *surroundings) {
	if target.variables["innodb_read_only"] == "ON" {
		need.add(missing{why: "InnoDB of the target is read-only", instead: "Restart the server without innodb_read_only."})
	}
	if level := target.variables["innodb_force_recovery"]; level != "" && level != "0" {
		need.add(missing{why: "the target takes no rows: innodb_force_recovery is " + level, instead: "Restart the server without innodb_force_recovery."})
	}
}

// What names a character set or a collation in the definition of a table.
var (
	charsetOption   = regexp.MustCompile(`(?:CHARACTER SET |CHARSET=)(\w+)`)
	collationOption = regexp.MustCompile(`COLLATE[ =](\w+)`)
)

// needCharacterSets requires that the target knows every character set and every
// collation. Early versions spell some in another way.
func (r *restoration) needCharacterSets(need *requirement) {
	want := func(known map[string]bool, what, name, object string) {
		if name != "" && !known[modern(name)] {
			need.add(missing{
				why:     fmt.Sprintf("the target does not know %s %s, which %s has", what, name, object),
				instead: fmt.Sprintf("Restore into a server that knows %s %s, or leave out %s.", what, name, object),
			})
		}
	}
	for _, schema := range r.schemas {
		if schema.whole || !schema.exists {
			want(r.target.charsets, "character set", schema.CharacterSet, "schema "+schema.Name)
			want(r.target.collations, "collation", schema.Collation, "schema "+schema.Name)
		}
		for i := range schema.Tables {
			t := &schema.Tables[i]
			object, text := "table "+schema.Name+"."+t.inPoint(), unquoted(string(t.Create))
			for _, match := range charsetOption.FindAllStringSubmatch(text, -1) {
				want(r.target.charsets, "character set", match[1], object)
			}
			for _, match := range collationOption.FindAllStringSubmatch(text, -1) {
				want(r.target.collations, "collation", match[1], object)
			}
		}
		for _, o := range schema.objects() {
			object := strings.ToLower(o.Type) + " " + schema.Name + "." + o.Name
			want(r.target.charsets, "character set", o.CharacterSet, object)
			want(r.target.collations, "collation", o.Collation, object)
			want(r.target.collations, "collation", o.SchemaCollation, object)
		}
	}
}

// textParser is how a full-text key names the plugin that reads its text.
var textParser = regexp.MustCompile("WITH PARSER `((?:[^`]|``)*)`")

// needEngine requires the storage engine of a table and the parsers of its
// full-text keys. A server that lacks an engine may silently take another.
func (c *client) needEngine(need *requirement, target *surroundings, schema *schemaPlan, t *table) {
	name := tableName{schema.Name, t.inPoint()}
	out := fmt.Sprintf("leave the table out: --exclude '%s/%s'.", c.server.name, name.pattern())
	if t.Engine != "" && !target.engines[strings.ToLower(t.Engine)] {
		need.add(missing{why: fmt.Sprintf("the target has no storage engine %s, or it is disabled, and table %s has it", t.Engine, name), instead: "Enable the engine, or " + out})
	}
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return // creating it says so
	}
	for _, key := range parts.fulltext {
		if match := textParser.FindStringSubmatch(key); match != nil && !target.plugins[strings.ToLower(match[1])] {
			need.add(missing{why: fmt.Sprintf("the target lacks the full-text parser %s, which table %s uses", match[1], name), instead: "INSTALL PLUGIN " + match[1] + ", or " + out})
		}
	}
}

// encrypted names the tables that are.
func (r *restoration) encrypted() []string {
	var names []string
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			if t := &schema.Tables[i]; t.encrypted() {
				names = append(names, tableName{schema.Name, t.inPoint()}.String())
			}
		}
	}
	return names
}

func (t *table) encrypted() bool {
	return t.hasOption("ENCRYPTION=") && !strings.Contains(string(t.Create), "ENCRYPTION='N'")
}

// needGroup requires what group replication wants of every row: a table of
// InnoDB with a key by which the members tell rows apart, and transactions that
// are not too large.
func (c *client) needGroup(need *requirement, r *restoration) {
	limit := parseInt(r.target.variables["group_replication_transaction_size_limit"])
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			name := tableName{schema.Name, t.inPoint()}
			out := fmt.Sprintf("Leave table %s out: --exclude '%s/%s'.", name, c.server.name, name.pattern())
			if t.Engine != engineInnoDB {
				need.add(missing{why: fmt.Sprintf("the target is a member of a group, which takes tables of InnoDB only, and table %s is of %s", name, t.Engine), instead: out})
			} else if !t.tellsRowsApart() {
				need.add(missing{why: fmt.Sprintf("the target is a member of a group, which takes tables with a primary key only, and table %s has none", name), instead: out})
			}
			if largest := t.largestChunk(); limit > 0 && largest > limit {
				need.add(missing{
					why:     fmt.Sprintf("a chunk of table %s has %s, and the group takes transactions of up to %s", name, bytesOf(largest), bytesOf(limit)),
					instead: "SET GLOBAL group_replication_transaction_size_limit = 0; on all members.",
				})
			}
		}
	}
}

// tellsRowsApart reports whether the table has a primary key, or a unique one
// that is never NULL.
func (t *table) tellsRowsApart() bool {
	parts, err := parseCreateTable(t.Create)
	if err != nil || parts.primary != "" {
		return true // a table that cannot be read is for its creation to refuse
	}
	return slices.ContainsFunc(parts.unique, func(key string) bool {
		for column := range strings.SplitSeq(columnsOf(key[skipQuoted(key, 0, '('):]), ",") {
			at := slices.IndexFunc(parts.columns, func(item string) bool { return strings.HasPrefix(item, column+" ") })
			if at < 0 || !strings.Contains(unquoted(parts.columns[at]), " NOT NULL") {
				return false
			}
		}
		return true
	})
}

func (t *table) largestChunk() (bytes int64) {
	for i := range t.Chunks {
		bytes = max(bytes, t.Chunks[i].Bytes)
	}
	return bytes
}

// bytesOf prints a size for people.
func bytesOf(n int64) string { return humanize.IBytes(uint64(max(0, n))) } // not negative
