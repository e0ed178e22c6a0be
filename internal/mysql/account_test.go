package mysql

import (
	"context"
	"database/sql"
	_ "embed"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

//go:embed testdata/accounts.sql
var accountZoo string

const partialRevokes = "--partial-revokes=ON"

var zooSchemas = []string{"app", "od`d.db"}

// seedAccounts fills a server with testdata/accounts.sql.
func seedAccounts(t testing.TB, db *sql.DB) {
	t.Helper()
	for statement := range strings.SplitSeq(accountZoo, "\n$$\n") {
		run(t, db, strings.TrimSpace(statement))
	}
}

// takePlugins gives a target what the zoo needs, and its root the right to
// pass proxies on, which root@localhost has from the beginning.
func takePlugins(t testing.TB, db *sql.DB) {
	t.Helper()
	for statement := range strings.SplitSeq(accountZoo, "\n$$\n") {
		if strings.HasPrefix(statement, "INSTALL") || strings.HasPrefix(statement, "INSERT INTO mysql.") || strings.HasPrefix(statement, "FLUSH") {
			run(t, db, statement)
		}
	}
}

// withAccounts returns a source that covers accounts, which most tests leave out.
func withAccounts(t testing.TB, server *testbed.MySQL, change func(*Settings), schemas ...string) *Server {
	t.Helper()
	return newServer(t, rootAt(server), func(s *Settings) {
		s.Accounts = AllAccounts
		if change != nil {
			change(s)
		}
	}, schemas...)
}

func rootAt(server *testbed.MySQL) account {
	return account{server.Address, server.User, server.Password}
}

// shownAccounts asks the server itself, by means other than ours. Those of
// root are every server's own.
func shownAccounts(t testing.TB, db *sql.DB) map[string]string {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "SET SESSION print_identified_with_as_hex = ON")
	records, err := queryRecords(t.Context(), conn, "SELECT User AS u, Host AS h FROM mysql.user WHERE User <> 'root' AND User NOT LIKE 'mysql.%'")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, r := range records {
		name := quoteName(r.text("u")) + "@" + quoteName(r.text("h"))
		for _, show := range []string{"SHOW CREATE USER ", "SHOW GRANTS FOR "} {
			lines, err := queryRecords(t.Context(), conn, show+name)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range lines {
				for _, value := range line {
					shown[name] += string(value) + "\n"
				}
			}
		}
	}
	return shown
}

// logIn opens a connection as another account.
func logIn(t testing.TB, as account) error {
	t.Helper()
	config := driver.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", as.address, as.user, as.password
	config.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.PingContext(t.Context())
}

func planOf(t testing.TB, s *Server, from *repository.SourceReader, want source.Selection) *source.Plan {
	t.Helper()
	plan, err := s.Plan(t.Context(), from, want)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return plan
}

func carryOut(t testing.TB, s *Server, from *repository.SourceReader, plan *source.Plan) *source.Comparison {
	t.Helper()
	if _, err := s.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatalf("restore: %v", err)
	}
	return compare(t, s, from, plan)
}

// deviations lists them as "object: what".
func deviations(list []source.Deviation) []string {
	short := []string{}
	for _, d := range list {
		short = append(short, d.Object+": "+d.What)
	}
	slices.Sort(short)
	return short
}

// Invariants 3 and 4: every account comes back, and none shows in a plain file.
func TestAccountsComeBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t, partialRevokes), env.StartMySQL(t, partialRevokes)
	from, to := origin.Open(t), other.Open(t)
	seedAccounts(t, from)
	createInOddSession(t, origin.Open(t))
	takePlugins(t, to)
	fixture := repotest.New(t)
	point := fixture.Capture(t, "main", Kind, withAccounts(t, origin, nil, zooSchemas...))
	repotest.RequireSealed(t, fixture.Dir(), []string{"write-r", "nologin", "caching_sha2", "CREATE USER", "GRANT", "it's a", "2001:db8", origin.Password})
	requireCounted(t, point, from)

	own := text(t, to, "SELECT authentication_string FROM mysql.user WHERE User = 'root' AND Host = '%'")
	s := withAccounts(t, other, nil, zooSchemas...)
	plan := planOf(t, s, point, source.Selection{})
	comparison := carryOut(t, s, point, plan)
	requireEqual(t, comparison)
	if diff := cmp.Diff(shownAccounts(t, from), shownAccounts(t, to)); diff != "" {
		t.Errorf("what SHOW says differs (-source +copy):\n%s", diff)
	}
	want := []string{"account 'dual'@'%': second password", "account 'root'@'%': kept", "account 'root'@'localhost': kept"}
	for when, got := range map[string][]source.Deviation{"plan": plan.Deviations, "comparison": comparison.Deviations} {
		if diff := cmp.Diff(want, deviations(got)); diff != "" {
			t.Errorf("deviations in the %s (-want +got):\n%s", when, diff)
		}
	}
	if err := logIn(t, account{other.Address, "app", "old password"}); err != nil {
		t.Errorf("log in with the password of before: %v", err)
	}
	if err := logIn(t, account{other.Address, "dual", "new"}); err != nil {
		t.Errorf("log in with the first of two passwords: %v", err)
	}
	if got := text(t, to, "SELECT authentication_string FROM mysql.user WHERE User = 'root' AND Host = '%'"); got != own {
		t.Error("the account that restores was altered")
	}
}

// createInOddSession makes a routine whose session, which a restore enters to
// create it, reads quotes, backslashes and names in another way.
func createInOddSession(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	odd := accountName{"it's`q\"\\b ü😀", "10.0.0.0/255.0.0.0"}
	run(t, conn, "GRANT SELECT (a) ON app.t TO "+odd.quoted(),
		"SET NAMES latin1", "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'", "CREATE PROCEDURE app.zz_odd() SELECT '\\'")
}

// requireCounted holds the manifest against the server.
func requireCounted(t *testing.T, point *repository.SourceReader, db *sql.DB) {
	t.Helper()
	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	want := text(t, db, "SELECT COUNT(*) FROM mysql.user WHERE User NOT LIKE 'mysql.%'")
	if captured.Accounts == nil || text(t, db, "SELECT "+quoteText(want)) == "0" || captured.Accounts.Count != int(parseInt(want)) || captured.Accounts.Digest.String() == strings.Repeat("0", 32) {
		t.Errorf("the manifest says %+v, want %s accounts and a digest", captured.Accounts, want)
	}
}

// Everything can be restored without openim-dr, accounts included.
func TestUsersScriptRestoresWithTheStockClient(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t, partialRevokes), env.StartMySQL(t, partialRevokes)
	from, to := origin.Open(t), other.Open(t)
	seedAccounts(t, from)
	for statement := range strings.SplitSeq(accountZoo, "\n$$\n") {
		if strings.HasPrefix(statement, "CREATE ") && !strings.HasPrefix(statement, "CREATE ROLE") && !strings.HasPrefix(statement, "CREATE USER") && !strings.Contains(statement, "app.dropped") {
			run(t, to, statement)
		}
	}
	takePlugins(t, to)
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, zooSchemas...))
	dir := t.TempDir()
	unpackFile(t, point, dir, usersFile)
	// A grant on a table that is gone is refused, and --force goes on.
	out, err := stockClient(t, rootAt(other), dir, readFile(t, filepath.Join(dir, usersFile)), "--force")
	if refused := strings.Count(out, "ERROR"); refused == 0 || refused != strings.Count(out, "ERROR 1146") {
		t.Errorf("the stock client says %v:\n%s", err, out)
	}
	want := shownAccounts(t, from)
	want["`write-r`@`%`"] = strings.ReplaceAll(want["`write-r`@`%`"], "GRANT SELECT, TRIGGER ON `app`.`dropped` TO `write-r`@`%`\n", "")
	if diff := cmp.Diff(want, shownAccounts(t, to)); diff != "" {
		t.Errorf("what SHOW says differs (-source +copy):\n%s", diff)
	}
}

// Invariant 11: whatever is changed of a restored account is found.
func TestComparisonFindsEveryChangeOfAnAccount(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t, partialRevokes), env.StartMySQL(t, partialRevokes)
	seedAccounts(t, origin.Open(t))
	db := other.Open(t)
	takePlugins(t, db)
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, zooSchemas...))
	s := withAccounts(t, other, nil, zooSchemas...)
	plan := planOf(t, s, point, source.Selection{})
	requireEqual(t, carryOut(t, s, point, plan))

	changes := []struct{ name, change, undo, object, what string }{
		{"password", "ALTER USER 'never'@'%' IDENTIFIED BY 'another'", "", "account 'never'@'%'", "definition"},
		{"a grant lost", "REVOKE UPDATE (c) ON app.t FROM 'attribute'@'%'", "GRANT UPDATE (c) ON app.t TO 'attribute'@'%'", "account 'attribute'@'%'", "grants"},
		{"a grant more", "GRANT FILE ON *.* TO 'locked'@'%'", "REVOKE FILE ON *.* FROM 'locked'@'%'", "account 'locked'@'%'", "grants"},
		{"grant option", "GRANT USAGE ON *.* TO 'locked'@'%' WITH GRANT OPTION", "REVOKE GRANT OPTION ON *.* FROM 'locked'@'%'", "account 'locked'@'%'", "grants"},
		{"a role lost", "REVOKE reader FROM 'write-r'@'%'", "GRANT reader TO 'write-r'@'%'", "account 'write-r'@'%'", "grants"},
		{"admin option", "GRANT reader TO 'write-r'@'%' WITH ADMIN OPTION", "", "account 'write-r'@'%'", "grants"},
		{"lock", "ALTER USER 'locked'@'%' ACCOUNT UNLOCK", "ALTER USER 'locked'@'%' ACCOUNT LOCK", "account 'locked'@'%'", "definition"},
		{"default role", "SET DEFAULT ROLE reader TO 'app'@'%'", "SET DEFAULT ROLE 'write-r'@'%', reader TO 'app'@'%'", "account 'app'@'%'", "definition"},
		{"partial revoke", "REVOKE INSERT ON mysql.* FROM 'app'@'%'", "", "account 'app'@'%'", "grants"},
		{"proxy", "REVOKE PROXY ON 'nobody'@'nowhere' FROM 'locked'@'%'", "GRANT PROXY ON 'nobody'@'nowhere' TO 'locked'@'%'", "account 'locked'@'%'", "grants"},
		{"requirement", "ALTER USER 'ssl'@'2001:db8::1' REQUIRE NONE", "ALTER USER 'ssl'@'2001:db8::1' REQUIRE SSL", "account 'ssl'@'2001:db8::1'", "definition"},
		{"comment", "ALTER USER 'expired'@'%' COMMENT 'x'", "", "account 'expired'@'%'", "definition"},
		{"gone", "DROP USER 'sha256'@'%'", "", "account 'sha256'@'%'", "missing"},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			before := compare(t, s, point, plan).Differences
			run(t, db, tt.change)
			var fresh []source.Difference
			for _, d := range compare(t, s, point, plan).Differences {
				if !slices.Contains(before, d) {
					fresh = append(fresh, d)
				}
			}
			if len(fresh) != 1 || fresh[0].Object != tt.object || fresh[0].What != tt.what {
				t.Errorf("found %+v, want one difference of %s in %s", fresh, tt.what, tt.object)
			}
			if tt.undo != "" {
				run(t, db, tt.undo)
			}
		})
	}
	t.Run("an account more is no difference", func(t *testing.T) {
		before := len(compare(t, s, point, plan).Differences)
		run(t, db, "CREATE USER surplus")
		if after := len(compare(t, s, point, plan).Differences); after != before {
			t.Errorf("%d differences, want %d", after, before)
		}
	})
}

// What the restore has left unfinished is recognised and made anew, and until
// all is back nobody logs in.
func TestUnfinishedAccountsAreMadeAnew(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	run(t, from, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "INSERT INTO app.t VALUES (1), (2)", "CREATE USER app IDENTIFIED BY 'pw'", "GRANT SELECT ON app.t TO app")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
	s := withAccounts(t, other, nil, "app")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var early error
	wire := &tripwire{do: func() { early = logIn(t, account{other.Address, "app", "pw"}); cancel() }}
	_, err := s.Restore(ctx, point, planOf(t, s, point, source.Selection{}), wire)
	if err == nil || early == nil {
		t.Fatalf("restore that was cancelled: %v; log in meanwhile: %v; want both to fail", err, early)
	}
	plan := planOf(t, s, point, source.Selection{})
	requireEqual(t, carryOut(t, s, point, plan))
	if err := logIn(t, account{other.Address, "app", "pw"}); err != nil {
		t.Errorf("log in after the second attempt: %v", err)
	}
	if diff := cmp.Diff(shownAccounts(t, from), shownAccounts(t, to)); diff != "" {
		t.Errorf("what SHOW says differs (-source +copy):\n%s", diff)
	}
}

func TestAccountsFollowARenameAndASelection(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	run(t, from, "CREATE DATABASE open_im", "CREATE TABLE open_im.t (a INT)", "CREATE DATABASE more", "CREATE TABLE more.t (a INT)",
		"CREATE USER app", "GRANT SELECT ON `open\\_im`.* TO app", "GRANT INSERT (a) ON open_im.t TO app", "CREATE USER tool@localhost")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "open_im", "more"))
	s := withAccounts(t, other, nil, "open_im", "more")

	plan := planOf(t, s, point, source.Selection{Include: []string{"more"}})
	if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "4 accounts are left out") }) {
		t.Errorf("warnings %q, want one of the accounts that are left out", plan.Warnings)
	}
	requireEqual(t, carryOut(t, s, point, plan))
	if got := shownAccounts(t, to); len(got) != 0 {
		t.Errorf("a part of the source brought accounts with it: %v", got)
	}
	requireEqual(t, carryOut(t, s, point, planOf(t, s, point, source.Selection{Include: []string{"tool@*"}})))
	if got := slices.Collect(maps.Keys(shownAccounts(t, to))); !slices.Equal(got, []string{"`tool`@`localhost`"}) {
		t.Errorf("accounts %v, want the one that was asked for", got)
	}
	whole := source.Selection{Rename: map[string]string{"open_im": "new_im"}, Exclude: []string{"root@*"}}
	requireEqual(t, carryOut(t, s, point, planOf(t, s, point, whole)))
	got := shownAccounts(t, to)["`app`@`%`"]
	for _, want := range []string{"GRANT SELECT ON `new\\_im`.* TO", "GRANT INSERT (`a`) ON `new_im`.`t` TO"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}
