package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// TestClearTakesARestoreBack restores everything that a restore can bring into an
// empty server, which is as empty afterwards.
func TestClearTakesARestoreBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t, partialRevokes), env.StartMySQL(t, partialRevokes)
	from, to := origin.Open(t), other.Open(t)
	seedAccounts(t, from)
	takePlugins(t, to)
	run(t, from, "CREATE TABLESPACE spaced", "CREATE TABLE app.spaced (a INT) TABLESPACE spaced")
	run(t, to, "CREATE DATABASE app CHARACTER SET latin1") // an empty schema is restored into
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, zooSchemas...))
	s := withAccounts(t, other, nil, zooSchemas...)
	before := serverState(t, to)

	plan := planOf(t, s, point, source.Selection{})
	requireEqual(t, carryOut(t, s, point, plan))
	if now := serverState(t, to); cmp.Equal(before, now) {
		t.Fatal("nothing was restored")
	}
	for _, when := range []string{"once", "again"} {
		if err := s.Clear(t.Context(), point, plan); err != nil {
			t.Fatalf("clear %s: %v", when, err)
		}
		if diff := cmp.Diff(before, serverState(t, to)); diff != "" {
			t.Errorf("cleared %s, it is not what it was (-before +after):\n%s", when, diff)
		}
	}
}

// serverState is what Clear has to leave as it was.
func serverState(t *testing.T, db querier) map[string][]string {
	t.Helper()
	state := map[string][]string{}
	for name, query := range map[string]string{
		"schemas":     "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA",
		"tables":      "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN (" + quoteTexts(systemSchemas) + ")",
		"accounts":    "SELECT CONCAT(User, '@', Host, ' ', authentication_string, user_attributes IS NULL) AS name FROM mysql.user",
		"roles":       "SELECT CONCAT(FROM_USER, TO_USER) AS name FROM mysql.role_edges",
		"grants":      "SELECT CONCAT(User, Host, Db) AS name FROM mysql.db",
		"tablespaces": "SELECT NAME AS name FROM information_schema.INNODB_TABLESPACES WHERE SPACE_TYPE = 'General'",
	} {
		records, err := queryRecords(t.Context(), db, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			state[name] = append(state[name], r.text("name"))
		}
		slices.Sort(state[name])
	}
	return state
}

func TestClearRefusesWhatWasThere(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, occupied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "CREATE TABLE "+occupied+".mine (a INT)")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	plan := planOf(t, s, point, source.Selection{Rename: map[string]string{schema: occupied}})
	if err := s.Clear(t.Context(), point, plan); fault.KindOf(err) != fault.Refused {
		t.Errorf("got %v, want a refusal", err)
	}
	if got := text(t, db, "SELECT COUNT(*) FROM "+occupied+".mine"); got != "0" {
		t.Errorf("the table holds %s rows", got)
	}
}

func TestInhabitants(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	empty, full := env.NewSchema(t), env.NewSchema(t)
	run(t, env.OpenMySQL(t), "CREATE TABLE "+full+".t (a INT)")
	s := newServer(t, rootOf(env), nil, full)
	found, err := s.Inhabitants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	holds := map[string]string{}
	for _, o := range found {
		holds[o.Target] = o.Holds
	}
	if got := holds[s.schemaTarget(full)]; got != "a schema of 1 table" {
		t.Errorf("the schema with a table holds %q", got)
	}
	if got := holds[s.schemaTarget(empty)]; got != "a schema of 0 tables" {
		t.Errorf("the empty schema holds %q", got)
	}
	for _, system := range systemSchemas {
		if _, listed := holds[s.schemaTarget(system)]; listed {
			t.Errorf("%s is listed", system)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	marks := func(as account) ([]string, error) { return newServer(t, as, nil, "none").Identity(t.Context()) }
	direct, err := marks(rootOf(env))
	if err != nil || len(direct) < 2 || !strings.HasPrefix(direct[len(direct)-1], "server_uuid ") {
		t.Fatalf("got %q, %v", direct, err)
	}
	relayed, err := marks(through(network.New(t, env.MySQLAddress, "downstream", network.None, 0), rootOf(env)))
	if err != nil || !slices.Contains(relayed, direct[len(direct)-1]) {
		t.Errorf("by another way it is %q, %v, want %q among them", relayed, err, direct[len(direct)-1])
	}
	_, port, _ := strings.Cut(env.MySQLAddress, ":")
	stranger, err := marks(account{"localhost:" + port, "root", "wrong"})
	if err == nil || !slices.Contains(stranger, "address [this machine]:"+port) && !slices.Contains(stranger, "address this machine:"+port) {
		t.Errorf("without the password it is %q, %v, want the address and an error", stranger, err)
	}
	if !slices.ContainsFunc(stranger, func(m string) bool { return slices.Contains(direct, m) }) {
		t.Errorf("localhost is %q and 127.0.0.1 is %q: they share nothing", stranger, direct)
	}
}
