package seed

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// newTestSchemas names a pair of schemas that go when the test ends.
func newTestSchemas(t *testing.T, env *testbed.Env) Schemas {
	return Schemas{Server: env.NewSchema(t), Chat: env.NewSchema(t)}
}

// checksums is CHECKSUM TABLE of every table, by name without its schema.
func checksums(t *testing.T, db *sql.DB, names Schemas, tables []string) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	for _, name := range tables {
		schema, table, _ := strings.Cut(name, ".")
		var full string
		var sum int64
		if err := db.QueryRow("CHECKSUM TABLE "+quoteName(schema)+"."+quoteName(table)).Scan(&full, &sum); err != nil {
			t.Fatal(err)
		}
		sums[map[bool]string{true: "server.", false: "chat."}[schema == names.Server]+table] = sum
	}
	return sums
}

func count(t *testing.T, db *sql.DB, query string, arguments ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(query, arguments...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestMySQLHoldsWhatTheResultSays(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	result, err := MySQL(t.Context(), db, names, Small())
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, name := range result.tableNames() {
		schema, table, _ := strings.Cut(name, ".")
		rows := count(t, db, "SELECT COUNT(*) FROM "+quoteName(schema)+"."+quoteName(table))
		if rows != result.Tables[name] {
			t.Errorf("%s has %d rows, the result says %d", name, rows, result.Tables[name])
		}
		sum += rows
	}
	if sum != result.Rows || sum != int64(Small().Rows) {
		t.Errorf("got %d rows, the result says %d, want %d", sum, result.Rows, Small().Rows)
	}
}

func TestNastyTextsArriveAsTheyAre(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	if _, err := MySQL(t.Context(), db, names, Small()); err != nil {
		t.Fatal(err)
	}
	for n, want := range nastyTexts {
		var got string
		query := "SELECT value FROM " + quoteName(names.Chat) + ".client_config WHERE `key` = ?"
		if err := db.QueryRow(query, fmt.Sprintf("key %02d", n)).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("text %d: got %q, want %q", n, got, want)
		}
	}
}

func TestNastyRowsAreThere(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	if _, err := MySQL(t.Context(), db, names, Small()); err != nil {
		t.Fatal(err)
	}
	server, chat := quoteName(names.Server), quoteName(names.Chat)
	for what, query := range map[string]string{
		"NULL in a text":                "SELECT COUNT(*) FROM " + server + ".chat_logs WHERE content IS NULL",
		"an empty text":                 "SELECT COUNT(*) FROM " + server + ".chat_logs WHERE LENGTH(content) = 0",
		"a NUL byte":                    "SELECT COUNT(*) FROM " + server + ".chat_logs WHERE HEX(content) LIKE '%6C0062797465%'",
		"a zero date":                   "SELECT COUNT(*) FROM " + server + ".groups WHERE CAST(notification_update_time AS CHAR) = '0000-00-00 00:00:00.000'",
		"a date that no calendar has":   "SELECT COUNT(*) FROM " + chat + ".fork_ledger WHERE CAST(born AS CHAR) = '2026-02-31'",
		"never":                         "SELECT COUNT(*) FROM " + server + ".group_members WHERE mute_end_time = '1970-01-01 08:00:00'",
		"an empty user id":              "SELECT COUNT(*) FROM " + server + ".users WHERE user_id = ''",
		"a text of a megabyte":          "SELECT COUNT(*) FROM " + server + ".groups WHERE LENGTH(ex) > 1000000",
		"twice the same login":          "SELECT COUNT(*) FROM (SELECT 1 FROM " + chat + ".user_login_records GROUP BY user_id, login_time, ip HAVING COUNT(*) > 1) AS twice",
		"an id beyond a signed integer": "SELECT COUNT(*) FROM " + chat + ".verify_codes WHERE id > 9223372036854775807",
		"an id of 0":                    "SELECT COUNT(*) FROM " + chat + ".verify_codes WHERE id = 0",
		"a generated value":             "SELECT COUNT(*) FROM " + chat + ".fork_ledger WHERE doc_kind = 'sale' AND total <> 0",
		"all 64 bits":                   "SELECT COUNT(*) FROM " + chat + ".fork_ledger WHERE mask = 18446744073709551615",
	} {
		if count(t, db, query) == 0 {
			t.Errorf("there is no %s", what)
		}
	}
}

func TestTheSameSizeGivesTheSameTables(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	var sums []map[string]int64
	for range 2 {
		names := newTestSchemas(t, env)
		result, err := MySQL(t.Context(), db, names, Small())
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, checksums(t, db, names, result.tableNames()))
	}
	if diff := cmp.Diff(sums[0], sums[1]); diff != "" {
		t.Error(diff)
	}
}

func TestRoutinesBelongToTheDefinerAndWork(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	account := names.Chat[max(0, len(names.Chat)-32):]
	names.Definer = account + "@%"
	t.Cleanup(func() { _, _ = db.Exec("DROP USER IF EXISTS '" + account + "'@'%'") })
	if _, err := MySQL(t.Context(), db, names, Small()); err != nil {
		t.Fatal(err)
	}
	for what, query := range map[string]string{
		"view":               "SELECT COUNT(*) FROM information_schema.views WHERE table_schema = ? AND definer = ?",
		"procedure function": "SELECT COUNT(*) - 1 FROM information_schema.routines WHERE routine_schema = ? AND definer = ?",
		"trigger":            "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = ? AND definer = ?",
		"event":              "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = ? AND definer = ?",
	} {
		if got := count(t, db, query, names.Chat, names.Definer); got != 1 {
			t.Errorf("%s: got %d, want 1", what, got)
		}
	}
	if rows := count(t, db, "SELECT COUNT(*) FROM "+quoteName(names.Chat)+".fork_names"); rows == 0 {
		t.Error("the view shows no rows")
	}
	var path string
	if err := db.QueryRow("SELECT " + quoteName(names.Chat) + ".fork_path('n')").Scan(&path); err != nil || path != `c:\users\n` {
		t.Errorf(`got %q and %v, want "c:\\users\\n"`, path, err)
	}
}

func TestFreshOpenIMHasOnlyItsManagers(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	if err := FreshOpenIM(t.Context(), db, names); err != nil {
		t.Fatal(err)
	}
	for _, schema := range newSchemas(names, newPopulation(Size{Plain: true})) {
		for _, table := range schema.tables {
			want := int64(0)
			if table.name == "users" {
				want = int64(len(managers))
			}
			if got := count(t, db, "SELECT COUNT(*) FROM "+quoteName(schema.name)+"."+quoteName(table.name)); got != want {
				t.Errorf("%s has %d rows, want %d", table.name, got, want)
			}
		}
	}
}
