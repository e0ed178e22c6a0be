package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bank is accounts spread over tables and schemas, between which writers move
// money: the sum never changes, unless two moments are mixed.
type bank struct {
	db      *sql.DB
	schemas []string
	next    atomic.Int64 // number of the next account that is opened
}

const (
	bankTables   = 4 // in each schema
	bankAccounts = 200
)

func openBank(t testing.TB, db *sql.DB, schemas ...string) *bank {
	t.Helper()
	for _, schema := range schemas {
		for i := range bankTables {
			table := fmt.Sprintf("%s.accounts%d", schema, i)
			run(t, db, "CREATE TABLE "+table+" (id INT PRIMARY KEY, balance BIGINT, note VARCHAR(2000))",
				fmt.Sprintf("INSERT INTO %s WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, 1000, REPEAT('n', 2000) FROM n", table, bankAccounts))
		}
	}
	b := &bank{db: db, schemas: schemas}
	b.next.Store(bankAccounts)
	return b
}

func (b *bank) table() string {
	return fmt.Sprintf("%s.accounts%d", b.schemas[rand.IntN(len(b.schemas))], rand.IntN(bankTables))
}

// move takes from one account and gives to another, as two statements of one
// transaction; now and then an account is closed and opened again elsewhere.
func (b *bank) move(ctx context.Context) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if rand.IntN(10) == 0 {
		err = b.reopen(ctx, tx)
	} else {
		err = b.transfer(ctx, tx)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil // no account is left with a number as high as the one drawn
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (b *bank) transfer(ctx context.Context, tx *sql.Tx) error {
	amount := rand.IntN(100)
	for _, change := range []int{-amount, amount} {
		result, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET balance = balance + %d WHERE id >= %d ORDER BY id LIMIT 1", b.table(), change, 1+rand.IntN(bankAccounts)))
		if err != nil {
			return err
		}
		// Half a transfer would lose money.
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 && change != 0 {
			return sql.ErrNoRows
		}
	}
	return nil
}

func (b *bank) reopen(ctx context.Context, tx *sql.Tx) error {
	from := b.table()
	var id, balance int64
	err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT id, balance FROM %s WHERE id >= %d ORDER BY id LIMIT 1 FOR UPDATE", from, 1+rand.IntN(bankAccounts))).Scan(&id, &balance)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE id = %d", from, id)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, 'opened again')", b.table(), b.next.Add(1), balance))
	return err
}

// change creates, alters and drops a table that holds no money.
func (b *bank) change(ctx context.Context) error {
	table := b.schemas[0] + ".beside"
	for _, statement := range []string{"DROP TABLE IF EXISTS " + table, "CREATE TABLE " + table + " (a INT)", "ALTER TABLE " + table + " ADD COLUMN b INT", "INSERT INTO " + table + " VALUES (1, 2)", "DROP TABLE " + table} {
		if _, err := b.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// work moves money with several writers until stop is called. Each rests for
// a while between two transactions.
func (b *bank) work(t testing.TB, writers int, rest time.Duration) (stop func()) {
	return repeat(t, writers, rest, b.move)
}

// repeat does something again and again, several at once, until stop is called.
func repeat(t testing.TB, workers int, rest time.Duration, do func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for ctx.Err() == nil {
				// Deadlocks are part of the game.
				if err := do(ctx); err != nil && ctx.Err() == nil && !isServer(err, erLockDeadlock, erLockWaitTimeout) {
					t.Errorf("work beside the dump: %v", err)
					return
				}
				if rest > 0 && pause(ctx, rest) != nil {
					return
				}
			}
		})
	}
	return func() { cancel(); wait.Wait() }
}

func (b *bank) sum(t testing.TB, db *sql.DB) string {
	t.Helper()
	var parts []string
	for _, schema := range b.schemas {
		for i := range bankTables {
			parts = append(parts, fmt.Sprintf("(SELECT SUM(balance) FROM %s.accounts%d)", schema, i))
		}
	}
	return text(t, db, "SELECT "+strings.Join(parts, " + "))
}
