package mysql

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

//go:embed testdata/zoo.sql
var zoo string

// account is who a test connects as.
type account struct{ address, user, password string }

func rootOf(env *testbed.Env) account {
	return account{env.MySQLAddress, env.MySQLUser, env.MySQLPassword}
}

// alone is the testbed with a server on which nobody else takes global locks. FLUSH
// TABLES of another dump has whoever opens a table wait for those who read it: a test
// that writes to one whose reader is held up would wait for ever, and one that takes
// silence for a fault would find it.
func alone(t testing.TB, env *testbed.Env) *testbed.Env {
	t.Helper()
	server, own := env.StartMySQL(t), *env
	own.MySQLAddress, own.MySQLUser, own.MySQLPassword = server.Address, server.User, server.Password
	return &own
}

// newServer returns a source over the schemas.
func newServer(t testing.TB, as account, change func(*Settings), schemas ...string) *Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(as.password), 0o600); err != nil {
		t.Fatal(err)
	}
	// The testbed's server is shared with tests that make and drop accounts.
	settings := &Settings{Address: as.address, User: as.user, Password: secret.Ref("file:" + path), Schemas: schemas, Accounts: NoAccounts}
	if change != nil {
		change(settings)
	}
	s, err := New("main", settings, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, q interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		// Dumps of other tests take global locks meanwhile.
		err := againAfterDeadlock(func() error {
			if strings.HasPrefix(statement, "ANALYZE") {
				return analyze(t.Context(), q, statement)
			}
			_, err := q.ExecContext(t.Context(), statement)
			return err
		})
		if err != nil {
			t.Fatalf("%.80s: %v", statement, err)
		}
	}
}

// text runs a query for one value.
func text(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	var value sql.NullString
	if err := db.QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return value.String
}

// definedIn opens the server as a dump does, with a session that reads
// definitions, and returns what is defined in a schema.
func definedIn(t testing.TB, s *Server, schema string) (*client, *sql.Conn, *schemaDefinition) {
	t.Helper()
	client, err := s.open(t.Context(), dumpIdle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	conn, err := client.reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	definitions := catalog{conn: conn, server: s}
	d, err := definitions.schema(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	return client, conn, d
}

// findSessions returns the ids of the server's sessions that are as wanted.
func findSessions(ctx context.Context, db querier, wanted func(session record) bool) ([]string, error) {
	all, err := queryRecords(ctx, db, "SHOW FULL PROCESSLIST") // see showProcesses
	var ids []string
	for _, session := range all {
		if wanted(session) {
			ids = append(ids, session.text("id"))
		}
	}
	return ids, err
}

// awaitSessions waits until so many of the server's sessions are as wanted, and
// returns their ids. The error is that of the context.
func awaitSessions(ctx context.Context, db querier, enough func(n int) bool, wanted func(session record) bool) ([]string, error) {
	for {
		ids, err := findSessions(ctx, db, wanted)
		if err == nil && enough(len(ids)) {
			return ids, nil
		}
		if err := errors.Join(err, pause(ctx, pollInterval)); err != nil {
			return nil, err
		}
	}
}

func none(n int) bool { return n == 0 }
func some(n int) bool { return n > 0 }

// of wants the sessions of an account.
func of(user string) func(record) bool {
	return func(session record) bool { return session.text("user") == user }
}

// at wants the sessions of an account, or of any, at a statement that
// begins with the first text and holds the others.
func at(user, begins string, holds ...string) func(record) bool {
	return func(session record) bool {
		info := session.text("info")
		return (user == "" || session.text("user") == user) && strings.HasPrefix(info, begins) &&
			!slices.ContainsFunc(holds, func(part string) bool { return !strings.Contains(info, part) })
	}
}

// seedZoo fills a schema with testdata/zoo.sql.
func seedZoo(t testing.TB, db *sql.DB, schema string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "USE "+schema, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'", "SET foreign_key_checks = 0", "SET restrict_fk_on_non_standard_key = OFF")
	for statement := range strings.SplitSeq(strings.ReplaceAll(zoo, `ace\n😀`, "ace\nü"), "\n$$\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			run(t, conn, statement)
		}
	}
}

// bringBack restores a point, with schemas renamed, and compares.
func bringBack(t testing.TB, s *Server, from *repository.SourceReader, rename map[string]string) *source.Comparison {
	t.Helper()
	plan, err := s.Plan(t.Context(), from, source.Selection{Rename: rename})
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	if _, err := s.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatalf("restore: %v", err)
	}
	return compare(t, s, from, plan)
}

func compare(t testing.TB, s *Server, from *repository.SourceReader, plan *source.Plan) *source.Comparison {
	t.Helper()
	result, err := s.Compare(t.Context(), from, plan, progress.Discard)
	if err != nil {
		t.Fatalf("compare: %v", err)
	}
	return result
}

func requireEqual(t testing.TB, c *source.Comparison) {
	t.Helper()
	if !c.Equal() {
		t.Errorf("the restored copy differs: %s", cmp.Diff([]source.Difference(nil), c.Differences))
	}
}

// checksums asks the server itself, by means other than our digests.
func checksums(t testing.TB, db querier, schema string) map[string]string {
	t.Helper()
	records, err := queryRecords(t.Context(), db, "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = "+quoteText(schema))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, r := range records {
		sum, err := queryRecord(t.Context(), db, fmt.Sprintf("CHECKSUM TABLE %s.%s EXTENDED", quoteName(schema), quoteName(r.text("name"))))
		if err != nil {
			t.Fatal(err)
		}
		sums[r.text("name")] = sum.text("checksum")
	}
	return sums
}

// through returns the account by way of a network.
func through(way *network.Network, as account) account {
	as.address = way.Address()
	return as
}
