package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

const (
	slowRows  = 3000
	slowBytes = slowRows * 8000
	slowRate  = 2000 // KB a second: some twelve seconds for the table
)

// seedSlow makes a table that is read in one go, because it has no key, or in
// one range, because the server does not know its size.
func seedSlow(t *testing.T, db *sql.DB, schema, key string) {
	t.Helper()
	run(t, db, "CREATE TABLE "+schema+".slow (id INT "+key+", body MEDIUMTEXT) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
		fmt.Sprintf("INSERT INTO %s.slow WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT /*+ SET_VAR(cte_max_recursion_depth = %d) */ i, REPEAT('w', 8000) FROM n", schema, slowRows, slowRows))
}

// slowly starts a proxy that is slow until hurry is called.
func slowly(t *testing.T, address string) (n *network.Network, hurry func()) {
	t.Helper()
	n = network.New(t, address, "downstream", network.None, 0)
	n.Add(t, fmt.Sprintf(`{"name": "slow", "type": "bandwidth", "attributes": {"rate": %d}}`, slowRate))
	return n, func() { n.Remove(t, "slow") }
}

// awaitReading waits until the account reads from the slow table.
func awaitReading(t *testing.T, db *sql.DB, user string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
	defer cancel()
	if _, err := awaitSessions(ctx, db, some, at(user, "SELECT", "body", "slow")); err != nil {
		t.Errorf("the account was not seen to read: %v", err)
	}
}

// awaitState waits until a session is in a state.
func awaitState(t *testing.T, db *sql.DB, state string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
	defer cancel()
	waits := func(session record) bool { return strings.HasPrefix(session.text("state"), state) }
	if _, err := awaitSessions(ctx, db, some, waits); err != nil {
		t.Errorf("no session was seen %q: %v", state, err)
	}
}

// Whoever wants a lock that a dump's reading is in the way of gets it long
// before the reading would be over, and the dump goes on behind it.
func TestNobodyWaitsForAReader(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	tests := map[string]struct {
		key, global, sees string
	}{
		"a table with a key, nothing is seen":              {key: "PRIMARY KEY"},
		"a table without a key, seen in the process list":  {global: "PROCESS"},
		"a table without a key, seen among metadata locks": {sees: "performance_schema"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			schema, copied := env.NewSchema(t), env.NewSchema(t)
			seedSlow(t, db, schema, tt.key)
			as := newAccount(t, db, env.MySQLAddress, reading, tt.global, schema)
			if tt.sees != "" {
				run(t, db, "GRANT SELECT ON "+tt.sees+".* TO '"+as.user+"'@'%'")
			}
			way, hurry := slowly(t, env.MySQLAddress)
			locked := make(chan int64, 1)
			go func() {
				defer hurry()
				awaitReading(t, db, as.user)
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				run(t, conn, "LOCK TABLES "+schema+".slow WRITE")
				locked <- way.Passed()
				run(t, conn, "UNLOCK TABLES")
			}()
			point := repotest.New(t).Capture(t, "main", Kind, newServer(t, through(way, as), func(s *Settings) { s.LockWait = time.Second }, schema))
			if passed := <-locked; passed > slowBytes*3/4 {
				t.Errorf("the table was locked only after %d of %d bytes had been read", passed, slowBytes)
			}
			if rows := point.Summary().Rows; rows != slowRows {
				t.Errorf("%d rows, want %d", rows, slowRows)
			}
			requireEqual(t, bringBack(t, newServer(t, rootOf(env), nil, schema), point, map[string]string{schema: copied}))
		})
	}
}

// A change of a definition is held off for a while, and then let through. If it
// is none of the dump's business, the dump goes on.
func TestBackupLockIsLetGo(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t) // the lock is for the whole server
	db := server.Open(t)
	run(t, db, "CREATE DATABASE d", "CREATE DATABASE other")
	seedSlow(t, db, "d", "PRIMARY KEY")
	may := rungAccounts[RungGlobalLock]
	as := newAccount(t, db, server.Address, may.onSchemas, may.global, "d")
	tests := map[string]struct {
		ddlWait time.Duration
		change  string
		fails   bool
		held    bool
	}{
		"nobody waits":               {ddlWait: time.Second, held: true},
		"a change of another schema": {ddlWait: time.Second, change: "CREATE TABLE other.t (a INT)"},
		"a change of a dumped table": {ddlWait: time.Second, change: "ALTER TABLE d.slow ADD COLUMN c INT", fails: true},
		"a change is held off":       {ddlWait: time.Hour, change: "ALTER TABLE d.slow ADD COLUMN d INT", held: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			way, hurry := slowly(t, server.Address)
			altered := make(chan error, 1)
			go func() {
				awaitReading(t, db, as.user)
				switch {
				case tt.change == "":
					hurry()
				case tt.held:
					go func() {
						defer hurry()
						awaitState(t, db, "Waiting for backup lock")
					}()
				}
				_, err := db.ExecContext(t.Context(), cmp.Or(tt.change, "DO 0"))
				altered <- err
				if tt.change != "" && !tt.held && !tt.fails {
					hurry()
				}
			}()
			s := newServer(t, through(way, as), func(s *Settings) { s.LockWait, s.DDLWait = time.Second, tt.ddlWait }, "d")
			s.workers = 1 // whose ranges are not cut finer, so that it can be seen to read
			fixture := repotest.New(t)
			id, err := fixture.TryCapture(t.Context(), t, "main", Kind, s)
			t.Logf("dump: %v", err)
			if err := <-altered; err != nil {
				t.Errorf("%s: %v", tt.change, err)
			}
			if tt.fails {
				if err == nil || !strings.Contains(err.Error(), "changed") {
					t.Errorf("dump: %v, want it to say that a definition changed", err)
				}
				if passed := way.Passed(); passed > slowBytes*3/4 {
					t.Errorf("the dump noticed only after %d of %d bytes", passed, slowBytes)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if captured := requireRung(t, fixture.Source(t, id, "main"), RungGlobalLock); captured.BackupLock != tt.held {
				t.Errorf("backup lock held throughout: %t, want %t", captured.BackupLock, tt.held)
			}
		})
	}
	t.Run("a last look is under way", func(t *testing.T) { requireHeldToTheEnd(t, as) })
}

// requireHeldToTheEnd has the last row come while a look at who waits is on its
// way through a network of long distances.
func requireHeldToTheEnd(t *testing.T, as account) {
	t.Helper()
	way := network.New(t, as.address, "downstream", network.None, 0)
	d := begun(t, newServer(t, through(way, as), func(s *Settings) { s.LockWait = pollInterval }, "d"))
	if err := d.watch.holdOffDDL(t.Context()); err != nil || !d.watch.held {
		t.Fatalf("backup lock held: %t, %v", d.watch.held, err)
	}
	way.Add(t, `{"type": "latency", "attributes": {"latency": 500}}`)
	var key seal.DigestKey
	if err := d.watch.over(t.Context(), d.client.newReader(nil, key), func(ctx context.Context) error { return pause(ctx, 3*pollInterval) }); err != nil {
		t.Fatal(err)
	}
	if !d.watch.heldThroughout() {
		t.Error("the backup lock is gone with the last look")
	}
}

// FLUSH TABLES WITH READ LOCK behind a long statement leaves others waiting for
// that statement, even when it has given up: so it is not tried.
func TestGlobalLockLeavesNobodyWaiting(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
	for name, global := range map[string]string{"seen": "RELOAD, PROCESS", "not seen": "RELOAD"} {
		t.Run(name, func(t *testing.T) {
			as := newAccount(t, db, server.Address, reading+", LOCK TABLES", global, "d")
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = db.ExecContext(ctx, "DO (SELECT SLEEP(600) FROM d.t)") // it is cancelled
			}()
			isLong := at("", "DO (SELECT")
			long, err := awaitSessions(t.Context(), db, some, func(session record) bool { return isLong(session) && session.number("time") >= 1 })
			if err != nil {
				t.Fatal(err)
			}
			point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, func(s *Settings) { s.LockWait = time.Second }, "d"))
			var captured Captured
			if err := point.Captured(&captured); err != nil || captured.Rung == RungGlobalLock {
				t.Errorf("aligned by %s (%v), want another rung", captured.Rung, err)
			}
			limited, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			if _, err := db.ExecContext(limited, "INSERT INTO d.t VALUES (2)"); err != nil {
				t.Errorf("insert beside a long statement after the dump: %v", err)
			}
			run(t, db, "DELETE FROM d.t WHERE a = 2", "KILL QUERY "+long[0])
			cancel()
			<-ended
			if _, err := awaitSessions(t.Context(), db, none, isLong); err != nil { // or the next one takes it for its own
				t.Fatal(err)
			}
		})
	}
}
