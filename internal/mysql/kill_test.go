package mysql

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// However often the statements of a dump are ended, by others or because they
// hold a table for too long, and whichever of its sessions are killed: it holds
// every row once, or fails.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedLarge(t, db, schema, 6000)
	fixture := repotest.New(t)
	want := tablesOf(t, fixture.Capture(t, "main", Kind, newServer(t, rootOf(env), smallChunks, schema)))
	as := newAccount(t, db, env.MySQLAddress, reading+", LOCK TABLES", "", schema)
	queries, connections := 0, 0
	succeeded := 0
	for round := range long(4, 60) {
		killed := 0
		stop := repeat(t, 1, 2*time.Millisecond, func(ctx context.Context) error {
			ids, err := findSessions(ctx, db, at(as.user, "SELECT", "FROM `"+schema+"`."))
			if err != nil || len(ids) == 0 {
				return err
			}
			kill := "KILL QUERY "
			if queries++; killed < 3 && rand.IntN(5) == 0 { // of four sessions one is left
				kill = "KILL CONNECTION "
				killed++
				connections++
			}
			if _, err := db.ExecContext(ctx, kill+ids[rand.IntN(len(ids))]); err != nil && !isServer(err, erNoSuchThread) {
				return err
			}
			return nil
		})
		s := newServer(t, as, func(s *Settings) {
			smallChunks(s)
			s.LockWait = 200 * time.Millisecond
			s.TLS = []tlsmode.Mode{tlsmode.Preferred, tlsmode.Disabled}[round%2] // through the driver, and from the wire itself
		}, schema)
		id, err := fixture.TryCapture(t.Context(), t, "main", Kind, s)
		stop()
		if err != nil {
			t.Logf("dump: %v", err)
			continue
		}
		succeeded++
		point := fixture.Source(t, id, "main")
		if diff := cmp.Diff(want, tablesOf(t, point)); diff != "" {
			t.Errorf("the dump differs from an undisturbed one (-want +got):\n%s", diff)
		}
		requireEqual(t, bringBack(t, newServer(t, rootOf(env), nil, schema), point, map[string]string{schema: env.NewSchema(t)}))
	}
	t.Logf("%d kills, %d of them of connections; %d dumps succeeded", queries, connections, succeeded)
	if queries == 0 || succeeded == 0 {
		t.Error("nothing was killed, or no dump got over it")
	}
}

// Reading in many short statements, each ended by the server's own clock, gives
// every row once.
func TestStatementsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedLarge(t, db, schema, 6000)
	fixture := repotest.New(t)
	want := tablesOf(t, fixture.Capture(t, "main", Kind, newServer(t, rootOf(env), smallChunks, schema)))
	point := fixture.Capture(t, "main", Kind, newServer(t, rootOf(env), func(s *Settings) { s.LockWait = time.Millisecond }, schema))
	if diff := cmp.Diff(want, tablesOf(t, point)); diff != "" {
		t.Errorf("the dump differs from an undisturbed one (-want +got):\n%s", diff)
	}
	requireEqual(t, bringBack(t, newServer(t, rootOf(env), nil, schema), point, map[string]string{schema: env.NewSchema(t)}))
}

// A table that no snapshot covers is another one when it is read again. That is
// noticed.
func TestRowsThatAreOthersWhenReadAgain(t *testing.T) {
	t.Parallel()
	server := testbed.Need(t).StartMySQL(t) // where nobody else takes global locks
	db, schema := server.Open(t), "app"
	run(t, db, "CREATE DATABASE app")
	seedWide(t, db, schema)
	run(t, db, "ALTER TABLE "+schema+".wide ENGINE = MyISAM")
	as := newAccount(t, db, server.Address, reading, "", schema)
	defer awaitGone(t, db, as)
	changed := make(chan error, 1)
	wire := &tripwire{do: func() {
		go func() { // it waits for the reader's lock, and is the first behind it
			_, err := db.ExecContext(t.Context(), "UPDATE "+schema+".wide SET body = REPEAT('v', 8000) WHERE id = 1")
			changed <- err
		}()
		awaitState(t, db, "Waiting for table level lock")
		if killReaders(t, db, as.user, "KILL QUERY") == 0 {
			t.Error("no reader was there to be killed")
		}
	}}
	_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, tripped{newServer(t, as, func(s *Settings) { s.ChunkSize = 1 << 20 }, schema), wire})
	if err := <-changed; err != nil {
		t.Error(err)
	}
	if err == nil || !strings.Contains(err.Error(), "others when they are read again") {
		t.Errorf("dump of rows that changed between two readings: %v, want an error that says so", err)
	}
}

// Building an index says nothing for a long time; a server that says nothing
// and does nothing is not waited for.
func TestSilence(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)")
	client, err := newServer(t, rootOf(env), impatient, schema).open(t.Context(), loadIdle)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := client.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	holder, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	run(t, holder, "LOCK TABLES "+schema+".t READ")
	altered := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(t.Context(), "ALTER TABLE "+schema+".t ADD COLUMN b INT")
		altered <- err
	}()
	if err := pause(t.Context(), 5*client.server.settings.idle()); err != nil {
		t.Fatal(err)
	}
	run(t, holder, "UNLOCK TABLES")
	if err := <-altered; err != nil {
		t.Errorf("ALTER TABLE that takes longer than the idle time: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "DO SLEEP(600)"); !errors.Is(err, driver.ErrInvalidConn) || ctx.Err() != nil {
		t.Errorf("a silent server: %v, want %v long before the statement ends", err, driver.ErrInvalidConn)
	}
}

// A connection that dies without a word leaves no session behind that would
// hold its locks and its snapshot.
func TestLostSessionsAreEnded(t *testing.T) {
	env := alone(t, testbed.Need(t))
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedLarge(t, db, schema, 3000)
	as := newAccount(t, db, env.MySQLAddress, reading+", LOCK TABLES", "", schema)
	way := network.New(t, env.MySQLAddress, "downstream", network.StallOne, 400<<10)
	repotest.New(t).Capture(t, "main", Kind, newServer(t, through(way, as), impatient, schema))
	if !way.Struck() {
		t.Fatal("no connection stalled")
	}
	ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
	defer cancel()
	if _, err := awaitSessions(ctx, db, none, of(as.user)); err != nil {
		t.Fatal("a session of the dump is left, while its connection stalls")
	}
}

func TestActivityOfInnoDB(t *testing.T) {
	const before, after = "=====\nTRANSACTIONS\n------------\nTrx id counter 2141\nPurge done for trx's n:o < 2141 undo n:o < 0 state: running but idle\n", "--------\nFILE I/O\n--------\n"
	tests := map[string]struct {
		status string
		want   *activity
	}{
		"quiet":          {before + after, &activity{counter: 2141}},
		"idle sessions":  {before + "---TRANSACTION 375909455313256, not started\n0 lock struct(s)\n---TRANSACTION 2130, not started\n" + after, &activity{counter: 2141}},
		"only reading":   {before + "---TRANSACTION 421938420731992, ACTIVE 3 sec\n" + after, &activity{counter: 2141}},
		"writing":        {before + "---TRANSACTION 2138, ACTIVE 1 sec\n1 lock struct(s)\n---TRANSACTION 2140, ACTIVE (PREPARED) 0 sec committing\n" + after, &activity{2141, []uint64{2138, 2140}}},
		"cut short":      {before + "... truncated...\n---TRANSACTION 2138, ACTIVE 1 sec\n" + after, nil},
		"without an end": {before, nil},
		"something else": {"hello", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseActivity(tt.status)
			if (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, errUnclear) {
				t.Fatalf("error %v, want one: %t", err, tt.want == nil)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(activity{})); diff != "" {
				t.Errorf("activity (-want +got):\n%s", diff)
			}
		})
	}
}
