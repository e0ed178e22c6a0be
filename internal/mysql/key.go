package mysql

import (
	"slices"
	"strings"
)

// key is a unique key without NULLs by which a table is cut into ranges. The
// server compares, never the client, so any collation will do.
type key struct {
	Index   string      `json:"index"`
	Columns []keyColumn `json:"columns"`
}

// keyColumn is one column of a key; Charset is empty for what is no string.
type keyColumn struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Charset string `json:"charset,omitempty"`
	Column  int    `json:"column"` // its place among the captured columns
}

var (
	integerTypes = []string{"tinyint", "smallint", "mediumint", "int", "bigint"}
	stringTypes  = []string{"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
	binaryTypes  = []string{"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
	quotedTypes  = []string{"decimal", "date", "datetime", "timestamp", "time"}
)

// offerKey takes an index as the key, unless there is one, the settings want
// another, or it will not do. Only InnoDB keeps rows in the order of a key.
func (t *table) offerKey(index string, parts []record) {
	switch {
	case t.Key != nil || t.keyIndex != "" && t.keyIndex != index:
	case t.Engine != engineInnoDB:
		t.keyFault = "its rows are not kept in the order of a key: it is not InnoDB"
	default:
		t.Key, t.keyFault = t.usableKey(index, parts)
	}
}

// usableKey returns the key that an index offers, or why it offers none: a
// nullable or invisible one, a prefix, an expression, or a column whose text
// and order differ (an ENUM sorts by number, a FLOAT equals no literal) cannot
// be cut.
func (t *table) usableKey(index string, parts []record) (k *key, fault string) {
	k = &key{Index: index}
	for _, part := range parts {
		at := slices.IndexFunc(t.Columns, func(c column) bool { return c.Name == part.text("col") })
		switch {
		case at < 0:
			return nil, "it holds an expression or a generated column"
		case part.has("part"):
			return nil, "it holds only the beginning of a column"
		case part.text("nullable") == "YES":
			return nil, "it has a column that may be NULL"
		case part.text("visible") != "YES":
			return nil, "it is invisible"
		}
		c := t.Columns[at]
		if !slices.Contains(slices.Concat(integerTypes, stringTypes, binaryTypes, quotedTypes), c.Type) {
			return nil, "it has a column of type " + c.Type
		}
		k.Columns = append(k.Columns, keyColumn{Name: c.Name, Type: c.Type, Charset: c.Charset, Column: at})
	}
	return k, ""
}

// impossibleKey says why the index that the settings want will not do.
func (s *Server) impossibleKey(schema string, t *table) error {
	fault := t.keyFault
	if fault == "" {
		fault = "the table has no unique index of that name"
	}
	return s.usage("dump", "table %q cannot be cut into chunks by index %q: %s", schema+"."+t.Name, t.keyIndex, fault).
		Hint("name a unique index of visible columns that are not NULL under chunkKeys, or leave the table out there")
}

// order returns the key's columns as a list for ORDER BY, each with direction
// behind it.
func (k *key) order(direction string) string {
	names := make([]string, len(k.Columns))
	for i := range k.Columns {
		names[i] = quoteName(k.Columns[i].Name) + direction
	}
	return strings.Join(names, ", ")
}

// selectList returns the expressions that read the key's columns as text.
func (k *key) selectList(columns []column) string {
	expressions := make([]string, len(k.Columns))
	for i, c := range k.Columns {
		expressions[i] = columns[c.Column].Read
	}
	return strings.Join(expressions, ", ")
}

// literal returns value, as read, in a form that compares with the column
// without conversion, so that the index is used.
func (c *keyColumn) literal(value []byte) string {
	switch {
	case slices.Contains(integerTypes, c.Type):
		return string(value)
	case slices.Contains(stringTypes, c.Type):
		return hexLiteral(c.Charset, value)
	case slices.Contains(binaryTypes, c.Type):
		return hexLiteral("binary", value)
	case c.Type == "decimal":
		return string(value)
	default:
		return quoteText(string(value))
	}
}

// position is a place in a key: one literal per column.
type position []string

// place makes a position from the values of the key's columns, as read.
func (k *key) place(values keyValues) position {
	p := make(position, len(k.Columns))
	for i := range k.Columns {
		p[i] = k.Columns[i].literal(values[i])
	}
	return p
}

// keyRange is the rows after one position up to and including another; a nil
// position is no limit. The zero keyRange is the whole table.
type keyRange struct {
	after, upTo position
}

// conditions returns what the rows of the range meet: nothing for the whole table.
func (r keyRange) conditions(k *key) []string {
	var conditions []string
	if r.after != nil {
		conditions = append(conditions, k.beyond(r.after, ">", ">"))
	}
	if r.upTo != nil {
		conditions = append(conditions, k.beyond(r.upTo, "<", "<="))
	}
	return conditions
}

// beyond expands a comparison of tuples, (a, b) > (x, y), into
// (a > x OR (a = x AND b > y)): the optimizer makes an index range of this
// form, and a full scan of the other. The leading comparison is stated once
// more, since it alone bounds the range for every version.
func (k *key) beyond(p position, strict, last string) string {
	final := len(p) - 1
	if final == 0 {
		return quoteName(k.Columns[0].Name) + " " + last + " " + p[0]
	}
	var terms []string
	equal := ""
	for i := range p {
		name, operator := quoteName(k.Columns[i].Name), strict
		if i == final {
			operator = last
		}
		terms = append(terms, "("+equal+name+" "+operator+" "+p[i]+")")
		equal += name + " = " + p[i] + " AND "
	}
	lead := quoteName(k.Columns[0].Name) + " " + strict + "= " + p[0]
	return "(" + lead + " AND (" + strings.Join(terms, " OR ") + "))"
}
