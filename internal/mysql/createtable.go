package mysql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// createTable is a SHOW CREATE TABLE taken apart, so that a table can be
// created with little more than its columns and primary key: rows load fastest
// so, and foreign keys could not be had before all tables are there.
type createTable struct {
	head        string // CREATE TABLE `name`
	columns     []string
	primary     string
	unique      []string
	keys        []string
	fulltext    []string
	checks      []string
	foreignKeys []string
	tail        string // options and partitions
}

var errCreateTable = errors.New("SHOW CREATE TABLE is not of the form it always has")

// parseCreateTable splits the list of columns and keys at its commas.
func parseCreateTable(create sqlText) (*createTable, error) {
	text := string(create)
	open := skipQuoted(text, 0, '(')
	if open < 0 || !strings.HasPrefix(text, "CREATE TABLE ") {
		return nil, errCreateTable
	}
	c := &createTable{head: strings.TrimSpace(text[:open])}
	start, depth := open+1, 0
	for i := open + 1; i < len(text); i++ {
		switch text[i] {
		case '`', '\'', '"':
			i = closing(text, i)
		case '(':
			depth++
		case ')', ',':
			if depth > 0 {
				if text[i] == ')' {
					depth--
				}
				continue
			}
			if err := c.add(strings.TrimSpace(text[start:i])); err != nil {
				return nil, err
			}
			start = i + 1
			if text[i] == ')' && len(c.columns) > 0 {
				c.tail = text[start:]
				return c, nil
			}
		}
	}
	return nil, errCreateTable
}

// skipQuoted returns where want first stands outside of quotes, or -1.
func skipQuoted(text string, from int, want byte) int {
	for i := from; i < len(text); i++ {
		switch text[i] {
		case want:
			return i
		case '`', '\'', '"':
			i = closing(text, i)
		}
	}
	return -1
}

// closing returns where the quotation that begins at open ends. A doubled
// quote goes on, and so does one after a backslash, except between backticks.
func closing(text string, open int) int {
	quote := text[open]
	for i := open + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i
		}
	}
	return len(text)
}

func (c *createTable) add(item string) error {
	switch {
	case strings.HasPrefix(item, "`"):
		c.columns = append(c.columns, item)
	case strings.HasPrefix(item, "PRIMARY KEY "):
		c.primary = item
	case strings.HasPrefix(item, "UNIQUE KEY "):
		c.unique = append(c.unique, item)
	case strings.HasPrefix(item, "KEY "), strings.HasPrefix(item, "SPATIAL KEY "):
		c.keys = append(c.keys, item)
	case strings.HasPrefix(item, "FULLTEXT KEY "):
		c.fulltext = append(c.fulltext, item)
	case strings.HasPrefix(item, "CONSTRAINT `"):
		kind := strings.TrimSpace(item[closing(item, len("CONSTRAINT "))+1:])
		if strings.HasPrefix(kind, "FOREIGN KEY ") {
			c.foreignKeys = append(c.foreignKeys, item)
		} else {
			c.checks = append(c.checks, item)
		}
	default:
		return fmt.Errorf("%w: it has a part of an unknown kind", errCreateTable)
	}
	return nil
}

// early reports whether a key has to be there from the start: the one that an
// AUTO_INCREMENT column needs, and the unique keys of a table without a
// primary key, one of which InnoDB sorts the rows by.
func (c *createTable) early(key string) bool {
	if c.primary == "" && strings.HasPrefix(key, "UNIQUE ") {
		return true
	}
	auto := c.autoColumn()
	return auto != "" && !leads(c.primary, auto) && leads(key, auto)
}

// autoColumn returns the quoted name of the AUTO_INCREMENT column, or "".
func (c *createTable) autoColumn() string {
	for _, item := range c.columns {
		name := item[:closing(item, 0)+1]
		if strings.Contains(unquoted(item), " AUTO_INCREMENT") {
			return name
		}
	}
	return ""
}

// unquoted drops everything between quotes.
func unquoted(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '`' || text[i] == '\'' || text[i] == '"' {
			i = closing(text, i)
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// leads reports whether a column, quoted, is the first of a key.
func leads(key, column string) bool {
	open := skipQuoted(key, 0, '(')
	return open >= 0 && strings.HasPrefix(key[open+1:], column)
}

// base is the statement that creates the table before its rows are loaded.
func (c *createTable) base() string {
	items := make([]string, 0, len(c.columns)+1)
	for _, column := range c.columns {
		items = append(items, withoutInherited(column))
	}
	if c.primary != "" {
		items = append(items, c.primary)
	}
	for _, key := range slices.Concat(c.unique, c.keys) {
		if c.early(key) {
			items = append(items, key)
		}
	}
	items = append(items, c.checks...)
	return c.head + " (\n  " + strings.Join(items, ",\n  ") + "\n)" + c.tail
}

// withoutInherited leaves out a collation that is shown without its character
// set: it is the table's, and a column that states it would from then on be
// shown with both.
func withoutInherited(column string) string {
	depth := 0
	for i := 0; i < len(column); i++ {
		switch column[i] {
		case '`', '\'', '"':
			i = closing(column, i)
		case '(':
			depth++
		case ')':
			depth--
		case ' ':
			if depth > 0 {
				continue
			}
			if strings.HasPrefix(column[i:], " CHARACTER SET ") {
				return column
			}
			if rest, ok := strings.CutPrefix(column[i:], " COLLATE "); ok {
				end := strings.IndexByte(rest+" ", ' ')
				return column[:i] + rest[end:]
			}
		}
	}
	return column
}

// indexes are the statements that add the other keys after the load, each
// complete but for the table's name. InnoDB builds one full-text index at a time.
func (c *createTable) indexes() []string {
	var later, statements []string
	for _, key := range slices.Concat(c.unique, c.keys) {
		if !c.early(key) {
			later = append(later, "ADD "+key)
		}
	}
	if len(later) > 0 {
		statements = append(statements, strings.Join(later, ",\n  "))
	}
	for _, key := range c.fulltext {
		statements = append(statements, "ADD "+key)
	}
	return statements
}

// references are the same for foreign keys.
func (c *createTable) references() []string {
	if len(c.foreignKeys) == 0 {
		return nil
	}
	return []string{"ADD " + strings.Join(c.foreignKeys, ",\n  ADD ")}
}

// text is a SHOW CREATE TABLE again, with its keys and constraints by kind.
func (c *createTable) text() string {
	items := slices.Clone(c.columns)
	if c.primary != "" {
		items = append(items, c.primary)
	}
	items = slices.Concat(items, c.unique, c.keys, c.fulltext, c.foreignKeys, c.checks)
	return c.head + " (\n  " + strings.Join(items, ",\n  ") + "\n)" + c.tail
}

// canonical has keys and constraints in alphabetical order, and no next number.
func (c *createTable) canonical() string {
	rest := slices.Concat([]string{c.primary}, c.unique, c.keys, c.fulltext, c.checks, c.foreignKeys)
	slices.Sort(rest)
	tail := withoutAutoIncrement(sqlText(")" + strings.TrimPrefix(c.tail, ")")))
	columns := impliedCharset.ReplaceAllString(strings.Join(c.columns, "\n"), " COLLATE ")
	return c.head + "\n" + columns + "\n" + strings.Join(rest, "\n") + "\n" + tail
}

// impliedCharset is what a server adds to a column whose collation was once
// stated, as every SHOW CREATE TABLE states it: the collation implies it.
var impliedCharset = regexp.MustCompile(` CHARACTER SET \w+ COLLATE `)

// nextNumber is the AUTO_INCREMENT that a SHOW CREATE TABLE states, or 0.
func nextNumber(create sqlText) uint64 {
	all := autoIncrement.FindAllStringSubmatch(string(create), -1)
	if all == nil {
		return 0
	}
	n, err := strconv.ParseUint(all[len(all)-1][2], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
