package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// reading is what an account needs for any dump at all.
const reading = "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE"

// newAccount makes an account that may read the schemas, and more.
func newAccount(t testing.TB, db *sql.DB, address string, onSchemas, global string, schemas ...string) account {
	t.Helper()
	a := account{address: address, user: "t_" + strings.ToLower(randomName()), password: randomName()}
	run(t, db, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", a.user, a.password))
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP USER '"+a.user+"'@'%'"); err != nil {
			t.Errorf("drop user: %v", err)
		}
	})
	for _, schema := range schemas {
		run(t, db, fmt.Sprintf("GRANT %s ON `%s`.* TO '%s'@'%%'", onSchemas, strings.ReplaceAll(schema, "_", `\_`), a.user))
	}
	if global != "" {
		run(t, db, fmt.Sprintf("GRANT %s ON *.* TO '%s'@'%%'", global, a.user))
	}
	return a
}

func randomName() string { return fmt.Sprintf("x%08x", rand.Uint32()) }

// bank is accounts spread over tables and schemas, between which writers move
// money: the sum never changes, unless two moments are mixed.
type bank struct {
	db      *sql.DB
	schemas []string
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
	return &bank{db, schemas}
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
	amount := rand.IntN(100)
	for _, change := range []int{-amount, amount} {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET balance = balance + %d WHERE id = %d", b.table(), change, 1+rand.IntN(bankAccounts))); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// work moves money with several writers until stop is called.
func (b *bank) work(t testing.TB, writers int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for ctx.Err() == nil {
				// Deadlocks are part of the game.
				if err := b.move(ctx); err != nil && ctx.Err() == nil && !isServer(err, erLockDeadlock, erLockWaitTimeout) {
					t.Errorf("move money: %v", err)
					return
				}
			}
		})
	}
	return func() { cancel(); wait.Wait() }
}

func (b *bank) sum(t testing.TB, schemas []string) string {
	t.Helper()
	var parts []string
	for _, schema := range schemas {
		for i := range bankTables {
			parts = append(parts, fmt.Sprintf("(SELECT SUM(balance) FROM %s.accounts%d)", schema, i))
		}
	}
	return text(t, b.db, "SELECT "+strings.Join(parts, " + "))
}

func requireRung(t testing.TB, point *repository.SourceReader, want Rung) Captured {
	t.Helper()
	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	if captured.Rung != want {
		t.Errorf("the snapshots were aligned by %s, want %s", captured.Rung, want)
	}
	return captured
}

func TestSnapshotIsOneMomentWhileMoneyMoves(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	rungs := []struct {
		name              Rung
		onSchemas, global string
		exact             bool // the position is one place
	}{
		{RungGlobalLock, reading, "RELOAD, REPLICATION CLIENT", true},
		{RungTableLocks, reading + ", LOCK TABLES", "REPLICATION CLIENT", true},
		{RungSingleSession, reading, "REPLICATION CLIENT", false},
	}
	for _, tt := range rungs {
		t.Run(string(tt.name), func(t *testing.T) {
			schemas := []string{env.NewSchema(t), env.NewSchema(t)}
			copies := []string{env.NewSchema(t), env.NewSchema(t)}
			bank := openBank(t, db, schemas...)
			want := bank.sum(t, schemas)
			as := newAccount(t, db, env.MySQLAddress, tt.onSchemas, tt.global, schemas...)
			stop := bank.work(t, 4)
			point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, smallChunks, schemas...))
			stop()

			captured := requireRung(t, point, tt.name)
			if captured.From == nil || captured.Until == nil || (*captured.From == *captured.Until) != tt.exact {
				t.Errorf("position from %v until %v, exact: want %v", captured.From, captured.Until, tt.exact)
			}
			root := newServer(t, rootOf(env), nil, schemas...)
			requireEqual(t, bringBack(t, root, point, map[string]string{schemas[0]: copies[0], schemas[1]: copies[1]}))
			if got := bank.sum(t, copies); got != want {
				t.Errorf("the restored copy holds %s, want %s: moments were mixed", got, want)
			}
		})
	}
}

func TestEqualPositionsOnAQuietServer(t *testing.T) {
	server := testbed.Need(t).StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE quiet", "CREATE TABLE quiet.t (a INT)", "INSERT INTO quiet.t VALUES (1)")
	as := newAccount(t, db, server.Address, reading, "REPLICATION CLIENT", "quiet")
	requireRung(t, repotest.New(t).Capture(t, "main", Kind, newServer(t, as, nil, "quiet")), RungEqualPositions)
}

// A lock is not waited for longer than configured, nor tried behind a
// statement that runs longer than that.
func TestLocksAreNotWaitedForBehindALongTransaction(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)")
	as := newAccount(t, db, env.MySQLAddress, reading+", LOCK TABLES", "", schema)
	holder, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	run(t, holder, "BEGIN", "INSERT INTO "+schema+".t VALUES (1)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, func(s *Settings) { s.LockWait = 1e9 }, schema))
	requireRung(t, point, RungSingleSession)
	run(t, holder, "ROLLBACK")
	if point.Summary().Rows != 0 {
		t.Errorf("the dump holds %d rows, want none: the transaction has not committed", point.Summary().Rows)
	}
}

// tripwire runs do once, when the dump has read some rows.
type tripwire struct {
	once sync.Once
	do   func()
}

func (w *tripwire) Task(string, progress.Unit, int64) progress.Task { return w }
func (w *tripwire) Add(int64)                                       { w.once.Do(w.do) }
func (w *tripwire) SetTotal(int64)                                  {}
func (w *tripwire) Done()                                           {}
