package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// querySession prepares a session for statements that others have written.
var querySession = []string{
	"SET NAMES utf8mb4",
	"SET SESSION time_zone = '+00:00'",
	"SET SESSION lock_wait_timeout = 60",
	"START TRANSACTION READ ONLY",
}

// Query reads from the server in a transaction that can change nothing. Times of
// TIMESTAMP columns are UTC.
func (s *Server) Query(ctx context.Context, statement string, fn func(row []*string) error) (err error) {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.leave(ctx, err)) }()
	conn, err := client.session(ctx, querySession...)
	if err != nil {
		return err
	}
	defer release(conn)
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.target(), clean(err))
	}
	defer rows.Close() //nolint:errcheck // Err says it
	if err := eachText(rows, fn); err != nil {
		return fmt.Errorf("ask %s: %w", s.target(), clean(err))
	}
	return nil
}

// eachText calls fn with the text of every row.
func eachText(rows *sql.Rows, fn func(row []*string) error) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]*string, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// NewestQuery asks for the newest time in a column.
func NewestQuery(schema, table, column string) string {
	return "SELECT MAX(" + quoteName(column) + ") FROM " + quoteName(schema) + "." + quoteName(table)
}

// Version returns the version of the server.
func (s *Server) Version(ctx context.Context) (version string, err error) {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return "", err
	}
	return client.facts.version, client.leave(ctx, nil)
}
