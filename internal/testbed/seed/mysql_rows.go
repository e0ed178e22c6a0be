package seed

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	blockRows      = 2_000   // rows that one worker writes at a time
	statementBytes = 1 << 20 // an INSERT ends when it has grown to this
)

// block is a run of rows of one table.
type block struct {
	schema      string
	table       table
	first, last int64 // last is not included
}

func newBlock(schema string, t table, number int64) block {
	first := number * blockRows
	return block{schema, t, first, min(first+blockRows, t.rows)}
}

// fill writes all rows of all tables, several blocks at a time.
func fill(ctx context.Context, db *sql.DB, schemas []schema, seed uint64) (Result, error) {
	blocks := make(chan block)
	var rows atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(blocks)
		return sendBlocks(ctx, schemas, blocks)
	})
	for range workers() {
		group.Go(func() error {
			return onSession(ctx, db, func(s session) error {
				for b := range blocks {
					if err := s.insert(ctx, b, seed); err != nil {
						return err
					}
					rows.Add(b.last - b.first)
				}
				return ctx.Err()
			})
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	return Result{Rows: rows.Load(), Tables: rowsByTable(schemas)}, nil
}

func sendBlocks(ctx context.Context, schemas []schema, blocks chan<- block) error {
	for _, schema := range schemas {
		for _, t := range schema.tables {
			for number := int64(0); number*blockRows < t.rows; number++ {
				select {
				case blocks <- newBlock(schema.name, t, number):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

func rowsByTable(schemas []schema) map[string]int64 {
	rows := map[string]int64{}
	for _, schema := range schemas {
		for _, t := range schema.tables {
			rows[schema.name+"."+t.name] = t.rows
		}
	}
	return rows
}

// insert writes one block.
func (s session) insert(ctx context.Context, b block, seed uint64) error {
	return b.statements(seed, func(sql string) error {
		if _, err := s.conn.ExecContext(ctx, sql); err != nil {
			return fmt.Errorf("insert into %q.%q rows %d to %d: %w", b.schema, b.table.name, b.first, b.last, err)
		}
		return nil
	})
}

// statements hands on the block as INSERT statements of bounded size.
func (b block) statements(seed uint64, execute func(sql string) error) error {
	head := "INSERT INTO " + quoteName(b.schema) + "." + quoteName(b.table.name) + " (" + b.table.columns + ") VALUES\n"
	numbers := newStream(seed, b.table.name)
	w := row{sql: make([]byte, 0, statementBytes+64<<10)}
	for w.n = b.first; w.n < b.last; w.n++ {
		if len(w.sql) == 0 {
			w.sql = append(w.sql, head...)
		} else {
			w.sql = append(w.sql, ',', '\n')
		}
		w.write(b.table, numbers)
		if len(w.sql) < statementBytes && w.n < b.last-1 {
			continue
		}
		if err := execute(string(w.sql)); err != nil {
			return err
		}
		w.sql = w.sql[:0]
	}
	return nil
}

// write writes the row that w stands at.
func (w *row) write(t table, numbers *stream) {
	w.Rand = numbers.at(w.n)
	w.open()
	t.fill(w)
	w.close()
}
