package openim

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// objectColumns are those of the table that gives names to objects.
var objectColumns = []string{"name", "hash", "key", "size"}

// addressColumns hold addresses, some of which lead to a name of that table.
var addressColumns = []struct{ table, column string }{
	{usersTable, "face_url"}, {"groups", "face_url"}, {"attributes", "face_url"},
	{"group_members", "user_group_face_url"}, {"logs", "url"},
}

// References are what a restored database says about media, as open-im-server
// 3.0 to 3.4 keep it: the rows of `object`, and the addresses that lead to their
// names. A database without these tables has none.
func References(ctx context.Context, ask source.Ask) ([]source.Reference, error) {
	schemas, err := columnsOf(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("look for OpenIM's tables: %w", err)
	}
	var objects, addresses []source.Reference
	for _, s := range schemas {
		if s.has(objectTable, objectColumns...) {
			objects = append(objects, source.Reference{
				Query: "SELECT `name`, `key`, `size`, `hash` FROM " + s.quoted(objectTable), Read: readObject,
			})
		}
		for _, a := range addressColumns {
			if s.has(a.table, a.column) {
				addresses = append(addresses, source.Reference{
					Query: "SELECT " + quote(a.column) + " FROM " + s.quoted(a.table) + " WHERE " + quote(a.column) + " LIKE '%" + addressPath + "%'", Read: readAddress,
				})
			}
		}
	}
	if len(objects) == 0 {
		return nil, nil
	}
	return append(objects, addresses...), nil
}

// IsReferred reports whether the server keeps a row of `object` for a key.
func IsReferred(key string) bool { return strings.HasPrefix(key, hashPrefix) }

const (
	objectTable = "object"
	addressPath = "/object/"
)

// schemaColumns are the columns of a schema's tables.
type schemaColumns struct {
	name   string
	tables map[string][]string
}

func (s *schemaColumns) has(table string, columns ...string) bool {
	for _, c := range columns {
		if !slices.Contains(s.tables[table], c) {
			return false
		}
	}
	return true
}

func (s *schemaColumns) quoted(table string) string { return quote(s.name) + "." + quote(table) }

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// columnsOf lists the columns that matter, schema by schema.
func columnsOf(ctx context.Context, ask source.Ask) ([]*schemaColumns, error) {
	var tables []string
	for _, a := range addressColumns {
		tables = append(tables, "'"+a.table+"'")
	}
	query := "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME IN ('" + objectTable + "', " + strings.Join(tables, ", ") +
		") AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY TABLE_SCHEMA"
	var schemas []*schemaColumns
	err := ask(ctx, query, func(row []*string) error {
		name, table, column := *row[0], *row[1], *row[2]
		if len(schemas) == 0 || schemas[len(schemas)-1].name != name {
			schemas = append(schemas, &schemaColumns{name, map[string][]string{}})
		}
		s := schemas[len(schemas)-1]
		s.tables[table] = append(s.tables[table], column)
		return nil
	})
	return schemas, err
}

// readObject reads name, key, size and hash of a row of `object`. Media stand
// where their hash says.
func readObject(row []*string) (source.Referred, bool) {
	name, key, size, hash := text(row[0]), text(row[1]), text(row[2]), text(row[3])
	if key == "" {
		return source.Referred{}, false
	}
	r := source.Referred{Name: name, Key: key, Size: -1}
	if n, err := strconv.ParseInt(size, 10, 64); err == nil {
		r.Size = n
	}
	r.Contradicts = strings.HasPrefix(key, hashPrefix) && hash != "" && key != hashPrefix+hash
	return r, true
}

// readAddress reads an address: what follows "/object/" in its path is a name,
// whatever the host.
func readAddress(row []*string) (source.Referred, bool) {
	u, err := url.Parse(text(row[0]))
	if err != nil {
		return source.Referred{}, false
	}
	_, name, found := strings.Cut(u.Path, addressPath)
	return source.Referred{Name: name, Size: -1}, found && name != ""
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
