package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// mostTries bounds how many columns Disturb tries to change: a value may be
// refused by a CHECK or a unique index.
const mostTries = 50

// Disturb changes one value of one row of the smallest table that has a row.
func (s *Server) Disturb(ctx context.Context, _ *repository.SourceReader, plan *source.Plan) (done *source.Disturbance, err error) {
	r, ok := plan.Private.(*restoration)
	if !ok {
		return nil, errors.New("disturb: the plan is not of this source")
	}
	err = s.inLoadSession(ctx, r, func(conn *sql.Conn) (err error) {
		done, err = s.disturb(ctx, conn, r)
		return err
	})
	return done, err
}

// disturb returns nil where nothing could be changed.
func (s *Server) disturb(ctx context.Context, conn *sql.Conn, r *restoration) (*source.Disturbance, error) {
	for _, c := range disturbable(r) {
		result, err := conn.ExecContext(ctx, c.change)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if refused := (*driver.MySQLError)(nil); errors.As(err, &refused) {
			continue // by a rule of the table
		}
		if err != nil {
			return nil, fmt.Errorf("change a value in %s: %w", s.target(), clean(err))
		}
		if changed, err := result.RowsAffected(); err != nil || changed != 1 {
			continue
		}
		selection := source.Selection{Include: []string{tableName{c.schema, c.table}.pattern()}}
		if c.target != c.schema {
			selection.Rename = map[string]string{c.schema: c.target}
		}
		return &source.Disturbance{What: "one value of one row of " + c.schema + "." + c.table, Finds: "digest", Select: selection}, nil
	}
	return nil, nil
}

// candidate is a value that might be changed.
type candidate struct {
	schema, table string // in the point
	target        string // the schema's name at the target
	rows          int64
	indexed       bool
	change        string // the statement
}

// disturbable lists what might be changed: small tables first, and columns that
// no index has before others.
func disturbable(r *restoration) []candidate {
	var all []candidate
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			if t.Total.Rows == 0 || !t.ownsRows() {
				continue
			}
			indexes := indexText(t)
			for _, c := range t.Columns {
				other := otherValue(c)
				if other == "" {
					continue
				}
				all = append(all, candidate{
					schema: schema.Name, table: t.inPoint(), target: schema.target, rows: t.Total.Rows, indexed: strings.Contains(indexes, quoteName(c.Name)),
					change: fmt.Sprintf("UPDATE %s.%s SET %s = %s LIMIT 1", quoteName(schema.target), quoteName(t.Name), quoteName(c.Name), other),
				})
			}
			if len(all) > 4*mostTries {
				all = best(all)
			}
		}
	}
	return best(all)
}

// best keeps the candidates that are tried: there may be a million columns.
func best(all []candidate) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rows, b.rows), compareBool(a.indexed, b.indexed))
	})
	return all[:min(len(all), mostTries)]
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// indexText is all that the definition of a table says about keys.
func indexText(t *table) string {
	var keys strings.Builder
	for line := range strings.Lines(string(t.Create)) {
		if strings.Contains(line, "KEY ") {
			keys.WriteString(line)
		}
	}
	return keys.String()
}

// otherValue is an expression that differs from the column's value whatever that
// is, NULL included; empty for types that are left alone.
func otherValue(c column) string {
	name := quoteName(c.Name)
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal":
		return "IF(" + name + " = 0, 1, 0)"
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return "IF(" + name + " = 'x', 'y', 'x')"
	case "float", "double":
		return "IF(" + name + " = 0, 1, 0)"
	case "json":
		return `IF(CAST(` + name + ` AS CHAR) = '"x"', '"y"', '"x"')`
	case "date":
		return "IF(" + name + " = '2001-01-01', '2002-02-02', '2001-01-01')"
	case "datetime", "timestamp":
		return "IF(" + name + " = '2001-01-01', '2002-02-02', '2001-01-01')"
	default:
		return ""
	}
}
