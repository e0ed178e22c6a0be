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
