package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// querier is *sql.DB or *sql.Conn.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// record is one row of a small result, by lower-case column name. SHOW
// statements have more columns from version to version, so position says nothing.
type record map[string][]byte

func (r record) text(column string) string { return string(r[column]) }

func (r record) has(column string) bool { return r[column] != nil }

func (r record) number(column string) int64 {
	n, err := strconv.ParseInt(r.text(column), 10, 64)
	if err != nil {
		return 0 // NULL, or an estimate beyond int64: callers use it as a hint
	}
	return n
}

// queryRecords reads a small result whole.
func queryRecords(ctx context.Context, q querier, query string) ([]record, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", firstWords(query), clean(err))
	}
	defer func() { _ = rows.Close() }() // rows.Err below says what matters
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", firstWords(query), clean(err))
	}
	values := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		columns[i] = strings.ToLower(columns[i])
		into[i] = &values[i]
	}
	var records []record
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", firstWords(query), clean(err))
		}
		one := make(record, len(columns))
		for i, value := range values {
			one[columns[i]] = bytes.Clone(value)
		}
		records = append(records, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", firstWords(query), clean(err))
	}
	return records, nil
}

// release closes a session or a result of which nothing more is wanted: all
// that matters of it has been acknowledged, or has failed, before.
func release(c io.Closer) { _ = c.Close() }

// queryRecord reads a result of exactly one row.
func queryRecord(ctx context.Context, q querier, query string) (record, error) {
	records, err := queryRecords(ctx, q, query)
	if err != nil {
		return nil, err
	}
	if len(records) != 1 {
		return nil, fmt.Errorf("%s: got %d rows, want 1", firstWords(query), len(records))
	}
	return records[0], nil
}

// firstWords names a statement in an error without quoting a key or a value
// that its end may hold.
func firstWords(query string) string {
	fields := strings.Fields(query)
	if len(fields) > 3 {
		fields = fields[:3]
	}
	return strings.Join(fields, " ")
}
