package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var errClause = errors.New("a clause")

// checkClause refuses what would change the statement around the clause: it
// stands in parentheses beside the condition of a range.
func checkClause(clause string) error {
	depth := 0
	for i := 0; i < len(clause); i++ {
		switch clause[i] {
		case '`', '\'', '"':
			if i = closing(clause, i); i == len(clause) {
				return fmt.Errorf("%w does not close a quotation", errClause)
			}
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return fmt.Errorf("%w closes a parenthesis that it has not opened", errClause)
			}
		case ';':
			return fmt.Errorf("%w holds a semicolon", errClause)
		case '#':
			return fmt.Errorf("%w holds a comment", errClause)
		case '-', '/':
			if rest := clause[i:]; strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
				return fmt.Errorf("%w holds a comment", errClause)
			}
		}
	}
	if depth > 0 {
		return fmt.Errorf("%w does not close a parenthesis", errClause)
	}
	return nil
}

// where returns the WHERE of a range of the table's rows with further
// conditions, and with the clause of the settings: a copy is compared without
// that, since it holds nothing else.
func (t *table) where(r keyRange, further ...string) string {
	conditions := append(r.conditions(t.Key), further...)
	if t.Where != "" {
		conditions = append(conditions, "("+t.Where+")")
	}
	return whereAll(conditions)
}

// warned is about rows that the server has sent with warnings.
func (t *table) warned(n int64) error {
	if t.Where == "" {
		return fmt.Errorf("the server gave %d warnings about the rows", n)
	}
	return fmt.Errorf("the server gave %d warnings about the rows: its where-clause may compare values of different types", n)
}

// checkFilters has the server read every where-clause before any row is read.
func (d *dump) checkFilters(ctx context.Context) error {
	for _, schema := range d.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			if t.Where == "" {
				continue
			}
			d.filtered = true
			query := "SELECT 1 FROM " + quoteName(schema.Name) + "." + quoteName(t.Name) + t.where(keyRange{}) + " LIMIT 0"
			if _, err := d.coordinator.ExecContext(ctx, query); err != nil {
				return d.server.usage("dump", "the where-clause of table %q: %w", schema.Name+"."+t.Name, clean(err)).
					Hint("try it by hand: SELECT COUNT(*) FROM %s.%s WHERE …", quoteName(schema.Name), quoteName(t.Name))
			}
		}
	}
	return nil
}

// holdTime makes NOW() the same moment in every session of the snapshot:
// otherwise a clause that reckons with it would mean another thing for each
// range.
func (d *dump) holdTime(ctx context.Context) error {
	if !d.filtered {
		return nil
	}
	r, err := queryRecord(ctx, d.coordinator, "SELECT UNIX_TIMESTAMP(NOW(6)) AS moment")
	if err != nil {
		return err
	}
	for _, conn := range d.snapshot.sessions {
		if _, err := conn.ExecContext(ctx, "SET SESSION timestamp = "+r.text("moment")); err != nil {
			return fmt.Errorf("hold the time of the where-clauses: %w", clean(err))
		}
	}
	return nil
}
