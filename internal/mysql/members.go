package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// The server keeps the members of ENUM and SET columns in the column's own
// character set, but shows them in utf8mb3, in which a character outside the
// Basic Multilingual Plane is a question mark. A table created from what is
// shown would have other members, and no row would look different by number.

// wideCharsets hold characters that utf8mb3 lacks.
var wideCharsets = []string{"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"}

// hidesMembers reports whether a declaration may not show its members as they
// are.
func hidesMembers(dataType, charset, declared string) bool {
	return (dataType == "enum" || dataType == "set") && strings.Contains(declared, "?") && slices.Contains(wideCharsets, charset)
}

// readMembers puts the true members into the definitions.
func (c *catalog) readMembers(ctx context.Context, d *schemaDefinition) error {
	for i := range d.Tables {
		for _, name := range d.Tables[i].hidden {
			if err := c.readColumnMembers(ctx, d.Name, &d.Tables[i], name); err != nil {
				return fmt.Errorf("table %q: %w", d.Tables[i].Name, err)
			}
		}
	}
	return nil
}

// memberTable is a temporary table with one column of the same type: values by
// number are read from it as text.
const memberTable = "`openim-dr members`"

func (c *catalog) readColumnMembers(ctx context.Context, schema string, t *table, name string) (err error) {
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(parts.columns, func(item string) bool { return strings.HasPrefix(item, quoteName(name)+" ") })
	if at < 0 {
		return errCreateTable
	}
	item := parts.columns[at]
	open := skipQuoted(item, len(quoteName(name)), '(')
	end := skipQuoted(item, open, ')')
	if open < 0 || end < 0 {
		return errCreateTable
	}
	members, err := c.askMembers(ctx, schema, t.Name, name, countQuoted(item[open:end]), strings.HasSuffix(item[:open], "set"))
	if err != nil {
		return err
	}
	t.Create = sqlText(strings.Replace(string(t.Create), item, item[:open+1]+strings.Join(members, ",")+item[end:], 1))
	return nil
}

// countQuoted counts the quoted strings in a list.
func countQuoted(list string) (n int) {
	for i := 0; i < len(list); i++ {
		if list[i] == '\'' {
			i = closing(list, i)
			n++
		}
	}
	return n
}

// askMembers returns the members as literals.
func (c *catalog) askMembers(ctx context.Context, schema, table, column string, n int, set bool) ([]string, error) {
	from := quoteName(schema) + "." + quoteName(table)
	temporary := quoteName(schema) + "." + memberTable
	numbers := make([]string, n)
	for i := range numbers {
		number := uint64(i) + 1 // not negative
		if set {
			number = 1 << i
		}
		numbers[i] = fmt.Sprintf("(%d)", number)
	}
	statements := []string{
		"CREATE TEMPORARY TABLE " + temporary + " AS SELECT " + quoteName(column) + " AS member FROM " + from + " LIMIT 0",
		"INSERT INTO " + temporary + " VALUES " + strings.Join(numbers, ", "),
	}
	for _, statement := range statements {
		if _, err := c.conn.ExecContext(ctx, statement); isDenied(err) {
			return nil, c.server.usage("dump", "column %q of table %q has members that only a temporary table shows, and account %q may create none", column, schema+"."+table, c.server.settings.User).
				Hint("%s", missing{privilege: "CREATE TEMPORARY TABLES", on: quoteName(schema) + ".*"}.grant(grantee(ctx, c.conn)))
		} else if err != nil {
			return nil, fmt.Errorf("read the members of column %q: %w", column, clean(err))
		}
	}
	records, err := queryRecords(ctx, c.conn, "SELECT HEX(CONVERT(member USING utf8mb4)) AS text FROM "+temporary+" ORDER BY member + 0")
	if err != nil {
		return nil, err
	}
	if _, err := c.conn.ExecContext(ctx, "DROP TEMPORARY TABLE "+temporary); err != nil {
		return nil, clean(err)
	}
	members := make([]string, len(records))
	for i, r := range records {
		text, err := hex.DecodeString(r.text("text"))
		if err != nil {
			return nil, err
		}
		members[i] = "'" + memberEscapes.Replace(string(text)) + "'"
	}
	return members, nil
}

// memberEscapes are those with which SHOW CREATE TABLE shows a member.
var memberEscapes = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`, "\n", `\n`, "\r", `\r`)
