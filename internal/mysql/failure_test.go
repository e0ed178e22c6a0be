package mysql

import (
	"context"
	"database/sql"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// tripped is a source whose dump trips a wire when it has read some rows.
type tripped struct {
	*Server
	wire *tripwire
}

func (s tripped) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	return s.Server.Capture(ctx, draft, s.wire)
}

// killReaders ends what the account's dump is doing to a table just now.
func killReaders(t *testing.T, db *sql.DB, user, kill string) int {
	t.Helper()
	ids, err := findSessions(t.Context(), db, at(user, "SELECT", "wide"))
	if err != nil {
		t.Error(err)
		return 0
	}
	for _, id := range ids {
		if _, err := db.ExecContext(t.Context(), kill+" "+id); err != nil && !isServer(err, erNoSuchThread) {
			t.Error(err)
		}
	}
	return len(ids)
}

// awaitGone waits until the server has noticed that an account's sessions are
// closed: their locks would be in the way of the test's own cleaning up.
func awaitGone(t *testing.T, db *sql.DB, as account) {
	t.Helper()
	if _, err := awaitSessions(t.Context(), db, none, of(as.user)); err != nil {
		t.Fatal(err)
	}
}

// seedWide makes a table whose rows do not fit into the sockets' buffers, so
// that a dump that is held up has not been sent all of it. The server is kept
// from knowing its size, so that it is read in one range and cut into files on
// the way: what was stored before a query was killed is not read again.
func seedWide(t *testing.T, db *sql.DB, schema string) {
	t.Helper()
	run(t, db, "CREATE TABLE "+schema+".wide (id INT PRIMARY KEY, body MEDIUMTEXT) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
		"INSERT INTO "+schema+".wide WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) SELECT /*+ SET_VAR(cte_max_recursion_depth = 8000) */ i, REPEAT('w', 4000) FROM n")
}

// Invariant 2: a stream that dies is never a short table and a success.
func TestKilledStreams(t *testing.T) {
	t.Parallel()
	env := alone(t, testbed.Need(t))
	db := env.OpenMySQL(t)
	t.Run("a killed connection fails the dump", func(t *testing.T) {
		schema := env.NewSchema(t)
		seedWide(t, db, schema)
		as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
		defer awaitGone(t, db, as)
		killed := 0
		wire := &tripwire{do: func() { killed = killReaders(t, db, as.user, "KILL CONNECTION") }}
		_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, tripped{newServer(t, as, nil, schema), wire})
		if killed == 0 {
			t.Fatal("no reader was there to be killed")
		}
		if err == nil || !strings.Contains(err.Error(), `read table "`+schema+`.wide"`) {
			t.Errorf("dump whose connection was killed: %v, want an error that names the table", err)
		}
	})
	t.Run("of several connections one may be killed", func(t *testing.T) {
		schema := env.NewSchema(t)
		seedWide(t, db, schema)
		as := newAccount(t, db, env.MySQLAddress, reading+", LOCK TABLES", "", schema)
		killed := 0
		wire := &tripwire{do: func() {
			killed = killReaders(t, db, as.user, "KILL CONNECTION")
			run(t, db, "DELETE FROM "+schema+".wide WHERE id % 2 = 0")
		}}
		point := repotest.New(t).Capture(t, "main", Kind, tripped{newServer(t, as, nil, schema), wire})
		requireWide(t, env, point, schema, killed)
	})
	for name, key := range map[string]string{"behind the last row": "", "from its beginning, without a key": "DROP PRIMARY KEY, "} {
		t.Run("a killed query is read again in the same snapshot "+name, func(t *testing.T) {
			schema := env.NewSchema(t)
			seedWide(t, db, schema)
			run(t, db, "ALTER TABLE "+schema+".wide "+key+"COMMENT 'wide'")
			as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
			killed := 0
			wire := &tripwire{do: func() {
				killed = killReaders(t, db, as.user, "KILL QUERY")
				run(t, db, "DELETE FROM "+schema+".wide WHERE id % 2 = 0")
			}}
			point := repotest.New(t).Capture(t, "main", Kind, tripped{newServer(t, as, nil, schema), wire})
			requireWide(t, env, point, schema, killed)
		})
	}
}

// requireWide brings a dump back of a table of which half was deleted while it
// was read.
func requireWide(t *testing.T, env *testbed.Env, point *repository.SourceReader, schema string, killed int) {
	t.Helper()
	if killed == 0 {
		t.Fatal("no reader was there to be killed")
	}
	if point.Summary().Rows != 8000 {
		t.Errorf("%d rows, want the 8000 of the snapshot", point.Summary().Rows)
	}
	requireEqual(t, bringBack(t, newServer(t, rootOf(env), nil, schema), point, map[string]string{schema: env.NewSchema(t)}))
}

// What cannot work fails at once, in one clear line and with the right class.
func TestFailuresBeforeAnyDataMoves(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)")
	root := rootOf(env)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()

	tests := map[string]struct {
		as     account
		schema string
		change func(*Settings)
		kind   fault.Kind
		says   []string
	}{
		"unreachable server":  {account{closed, "root", "x"}, schema, nil, fault.Failed, []string{"mysql " + closed, "of trying"}},
		"wrong password":      {account{root.address, "root", "secret"}, schema, nil, fault.Usage, []string{`user "root" or its password is wrong`}},
		"missing schema":      {root, "no_such_schema", nil, fault.Usage, []string{`schema "no_such_schema" does not exist`}},
		"untrusted authority": {root, schema, func(s *Settings) { s.TLS = tlsmode.VerifyIdentity }, fault.Usage, []string{"certificate"}},
		"missing SELECT":      {newAccount(t, db, root.address, "SHOW VIEW, TRIGGER, EVENT", "", schema), schema, nil, fault.Usage, []string{"lacks SELECT"}},
		"missing TRIGGER":     {newAccount(t, db, root.address, "SELECT, SHOW VIEW, EVENT", "", schema), schema, nil, fault.Usage, []string{"lacks TRIGGER"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, tt.as, tt.change, tt.schema)
			s.connect = time.Second
			_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, s)
			if err == nil || fault.KindOf(err) != tt.kind {
				t.Fatalf("got %v (%v), want a %v", err, fault.KindOf(err), tt.kind)
			}
			for _, says := range tt.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q holds the password", err)
			}
		})
	}
}
