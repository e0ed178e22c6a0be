package mysql

import (
	"context"
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func TestPrivilegesAreReadFromGrants(t *testing.T) {
	p := &privileges{global: map[string]bool{}, tables: map[tableName]map[string]bool{}}
	for _, line := range []string{
		"GRANT RELOAD, PROCESS ON *.* TO `u`@`%`",
		"GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `u`@`%` WITH GRANT OPTION",
		"GRANT `role`@`%`,`o``ther`@`%` TO `u`@`%`",
		"GRANT SELECT, SHOW VIEW ON `open\\_im%`.* TO `u`@`%` WITH GRANT OPTION",
		"GRANT ALL PRIVILEGES ON `al_l`.* TO `u`@`%`",
		"GRANT SELECT ON `quo``ted`.* TO `u`@`%`",
		"GRANT INSERT, SELECT (`a`, `b ON ``c`), UPDATE (`a`) ON `open_im`.`t` TO `u`@`%`",
		"GRANT ALL PRIVILEGES ON `x`.`all``t` TO `u`@`%`",
		"GRANT EXECUTE ON PROCEDURE `open_im`.`p` TO `u`@`%`",
		"GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION",
		"REVOKE PROCESS ON `secret`.* FROM `u`@`%`",
	} {
		p.parse(line, "`role`@`%`")
	}
	tests := []struct {
		schema, table, privilege string
		want                     bool
	}{
		{"open_im", "", "RELOAD", true}, {"open_im", "", "SELECT", true}, {"open_im_v3", "", "SHOW VIEW", true}, {"openXim", "", "SELECT", false},
		{"open_im", "", "INSERT", false}, {"open_im", "", "EXECUTE", false}, {"al_l", "", "TRIGGER", true}, {"alXl", "", "TRIGGER", true}, {"other", "", "SELECT", false},
		{"open_im", "", "SHOW_ROUTINE", true}, {"quo`ted", "", "SELECT", true}, {"secret", "", "PROCESS", false}, {"other", "", "PROCESS", true},
		{"open_im", "t", "INSERT", true}, {"open_im", "other", "INSERT", false}, {"open_im", "t", "UPDATE", false}, {"x", "all`t", "ALTER", true}, {"al_l", "t", "ALTER", true},
	}
	for _, tt := range tests {
		got := p.on(tt.schema, tt.privilege)
		if tt.table != "" {
			got = p.onTable(tt.schema, tt.table, tt.privilege)
		}
		if got != tt.want {
			t.Errorf("%s on %s.%s: %v, want %v", tt.privilege, tt.schema, tt.table, got, tt.want)
		}
	}
	if !p.idle {
		t.Error("a role that is not active went unnoticed")
	}
	if got := quoteAccount("o'd@d@10.%"); got != `'o\'d@d'@'10.%'` {
		t.Errorf("account %s", got)
	}
}

// What we believe that a set of grants allows is what the server allows.
func TestPrivilegesAgreeWithTheServer(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	wild, literal := env.StartMySQL(t), env.StartMySQL(t, "--partial-revokes=ON")
	schemas := []string{"app_a", "appXa", "app_ab", "app%"}
	constellations := map[string][]string{
		"nothing":                      nil,
		"everywhere":                   {"GRANT SELECT ON *.* TO ACCOUNT"},
		"a name with an underscore":    {"GRANT SELECT ON app_a.* TO ACCOUNT"},
		"the same, escaped":            {`GRANT SELECT ON ` + "`app\\_a`" + `.* TO ACCOUNT`},
		"a closer one without it":      {"GRANT SELECT ON `app%`.* TO ACCOUNT", "GRANT INSERT ON `app\\_a`.* TO ACCOUNT"},
		"a wider one without it":       {"GRANT INSERT ON `app%`.* TO ACCOUNT", "GRANT SELECT ON `app\\_a`.* TO ACCOUNT"},
		"two spellings of a name":      {"GRANT SELECT ON `app_a`.* TO ACCOUNT", "GRANT INSERT ON `app\\_a`.* TO ACCOUNT"},
		"two spellings, the other way": {"GRANT INSERT ON `app_a`.* TO ACCOUNT", "GRANT SELECT ON `app\\_a`.* TO ACCOUNT"},
		"a table":                      {"GRANT SELECT ON app_a.t TO ACCOUNT"},
		"all columns of a table":       {"GRANT SELECT (a, b) ON app_a.t TO ACCOUNT"},
		"everything in a schema":       {"GRANT ALL ON app_ab.* TO ACCOUNT"},
		"an active role":               {"GRANT SELECT ON `app\\_a`.* TO reader", "GRANT reader TO ACCOUNT", "SET DEFAULT ROLE reader TO ACCOUNT"},
		"a role that is not active":    {"GRANT SELECT ON app_a.* TO reader", "GRANT reader TO ACCOUNT"},
		"a role beside a closer grant": {"GRANT SELECT ON `app%`.* TO reader", "GRANT INSERT ON `app\\_a`.* TO ACCOUNT", "GRANT reader TO ACCOUNT", "SET DEFAULT ROLE reader TO ACCOUNT"},
		"a role beside the very name":  {"GRANT SELECT ON `app%`.* TO reader", "GRANT INSERT ON `app_a`.* TO ACCOUNT", "GRANT reader TO ACCOUNT", "SET DEFAULT ROLE reader TO ACCOUNT"},
		"a role beside a plain name":   {"GRANT SELECT ON `app%`.* TO reader", "GRANT INSERT ON appXa.* TO ACCOUNT", "GRANT reader TO ACCOUNT", "SET DEFAULT ROLE reader TO ACCOUNT"},
		"a partial revoke":             {"GRANT SELECT ON *.* TO ACCOUNT", "REVOKE SELECT ON app_a.* FROM ACCOUNT"},
	}
	for name, server := range map[string]*testbed.MySQL{"wildcards": wild, "partial revokes": literal} {
		db := server.Open(t)
		for _, schema := range schemas {
			run(t, db, "CREATE DATABASE `"+schema+"`", "CREATE TABLE `"+schema+"`.t (a INT, b INT)")
		}
		for grants, statements := range constellations {
			t.Run(name+"/"+grants, func(t *testing.T) {
				if name == "wildcards" && grants == "a partial revoke" {
					return // the server has none
				}
				as := newAccount(t, db, server.Address, "", "")
				run(t, db, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader")
				for _, statement := range statements {
					run(t, db, strings.ReplaceAll(statement, "ACCOUNT", "'"+as.user+"'@'%'"))
				}
				requireAgreement(t, as, schemas, grants == "all columns of a table")
			})
		}
	}
}

func requireAgreement(t *testing.T, as account, schemas []string, columns bool) {
	t.Helper()
	db := (&testbed.MySQL{Address: as.address, User: as.user, Password: as.password}).Open(t)
	held, err := askPrivileges(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range schemas {
		_, err := queryRecords(t.Context(), db, "SELECT * FROM `"+schema+"`.t")
		if err != nil && !isDenied(err) {
			t.Fatal(err)
		}
		allowed := err == nil && !columns // of which we want more than is needed
		if got := held.onTable(schema, "t", "SELECT"); got != allowed {
			t.Errorf("SELECT on %s.t: we say %v, the server %v; %+v", schema, got, allowed, held.schemas)
		}
	}
}

// newBareAccount makes an account that may do nothing.
func newBareAccount(t *testing.T, db *sql.DB, address string) account {
	t.Helper()
	return newAccount(t, db, address, "", "")
}

// obey runs what a hint says, as an operator would, and fails if it says
// nothing that can be run.
func obey(t *testing.T, db *sql.DB, err error) (granted []string) {
	t.Helper()
	e, ok := fault.Outermost(err)
	if !ok || fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v, want one line of a usage error", err)
	}
	for statement := range strings.SplitSeq(e.Try, ";") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if !strings.HasPrefix(statement, "GRANT ") && !strings.HasPrefix(statement, "SET GLOBAL log_bin_trust") {
			t.Fatalf("the hint %q holds no statement that mends %v", e.Try, err)
		}
		run(t, db, statement)
		granted = append(granted, statement)
	}
	if len(granted) == 0 {
		t.Fatalf("%v has no hint", err)
	}
	return granted
}

// singles takes statements apart into one for each privilege.
func singles(statements []string) map[string]string {
	revokes := map[string]string{}
	for _, statement := range statements {
		names, rest, found := strings.Cut(strings.TrimPrefix(statement, "GRANT "), " ON ")
		if !found || !strings.HasPrefix(statement, "GRANT ") {
			continue
		}
		for name := range strings.SplitSeq(names, ", ") {
			revokes[name+" ON "+rest] = "REVOKE " + name + " ON " + strings.Replace(rest, " TO ", " FROM ", 1)
		}
	}
	return revokes
}

// An account that may do nothing becomes one that dumps by what the hints say
// alone; and whatever is taken from it again is named.
func TestHintsSufficeForADump(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	as := newBareAccount(t, db, env.MySQLAddress)
	// It sees the schema, and would silently dump nothing of it.
	run(t, db, "GRANT CREATE TEMPORARY TABLES ON `"+strings.ReplaceAll(schema, "_", `\_`)+"`.* TO '"+as.user+"'@'%'")
	s := newServer(t, as, nil, schema)
	capture := func() error {
		_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, s)
		return err
	}
	granted := obey(t, db, capture())
	if err := capture(); err != nil {
		t.Fatalf("after %v: %v", granted, err)
	}
	for _, what := range slices.Sorted(maps.Keys(singles(granted))) {
		run(t, db, singles(granted)[what])
		requireNamed(t, capture(), what)
		run(t, db, "GRANT "+what)
	}
}

// The account that docs/CONFIG.md describes lacks nothing, not even what is
// only useful.
func TestDocumentedAccount(t *testing.T) {
	t.Parallel()
	const schema = "documented"
	server := testbed.Need(t).StartMySQL(t) // of the test's own, since all its accounts are captured
	db := server.Open(t)
	run(t, db, "CREATE DATABASE "+schema)
	seedZoo(t, db, schema)
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "CONFIG.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(document), "```sql\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/CONFIG.md has no block of SQL")
	}
	as := newBareAccount(t, db, server.Address)
	for statement := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
		run(t, db, strings.NewReplacer("openIM_v3", schema, "openim_dr", as.user, ";", "").Replace(statement))
	}
	s := newServer(t, as, func(s *Settings) { s.Accounts = AllAccounts }, schema)
	for _, f := range s.Examine(t.Context()) {
		if f.Severity != source.OK && f.Check != "mysql.engine" {
			t.Errorf("%s: %s", f.Check, f.Evidence)
		}
	}
	requireRung(t, repotest.New(t).Capture(t, "main", Kind, s), RungGlobalLock)
}

// requireNamed requires an error that names exactly one missing privilege, and
// the statement that mends it.
func requireNamed(t *testing.T, err error, what string) {
	t.Helper()
	privilege, on, _ := strings.Cut(what, " ON ")
	on, _, _ = strings.Cut(on, " TO ")
	e, ok := fault.Outermost(err)
	if !ok || e.Try != "GRANT "+what+";" || !strings.Contains(err.Error(), "lacks "+privilege+" on "+on) {
		t.Errorf("without %s: %v; hint %q", what, err, tryOf(e))
	}
}

func tryOf(e *fault.Error) string {
	if e == nil {
		return ""
	}
	return e.Try
}

// The same for a restore into a server that trusts nobody.
func TestHintsSufficeForARestore(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedZoo(t, origin, schema)
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))

	target := env.StartMySQL(t, "--sql-require-primary-key=ON")
	db := target.Open(t)
	as := newBareAccount(t, db, target.Address)
	s := newServer(t, as, nil, schema)
	plan := func() (*source.Plan, error) { return s.Plan(t.Context(), point, source.Selection{}) }
	_, err := plan()
	granted := obey(t, db, err)
	if !slices.Contains(granted, "SET GLOBAL log_bin_trust_function_creators = ON") {
		t.Errorf("nothing was said of functions and the binary log: %v", granted)
	}
	for _, what := range slices.Sorted(maps.Keys(singles(granted))) {
		run(t, db, singles(granted)[what])
		_, err := plan()
		requireNamed(t, err, what)
		run(t, db, "GRANT "+what)
	}
	ready, err := plan()
	if err != nil {
		t.Fatalf("after %v: %v", granted, err)
	}
	restoreAs(t, s, point, ready)

	run(t, db, "SET GLOBAL read_only = ON")
	if _, err := plan(); err == nil || !strings.Contains(err.Error(), "the target is read-only") {
		t.Errorf("plan for a read-only target: %v", err)
	}
	run(t, db, "SET GLOBAL read_only = OFF")
}

func restoreAs(t *testing.T, s *Server, point *repository.SourceReader, plan *source.Plan) {
	t.Helper()
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
		t.Fatalf("restore: %v", err)
	}
	requireEqual(t, compare(t, s, point, plan))
}

// Grants on single tables suffice for a dump that names its tables, and for a
// restore of them.
func TestGrantsOnTables(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".a (x INT PRIMARY KEY, KEY (x))", "INSERT INTO "+schema+".a VALUES (1)", "CREATE TABLE "+schema+".b (x INT)", "CREATE TABLE "+schema+".c (x INT)", "CREATE VIEW "+schema+".v AS SELECT x FROM "+schema+".a")
	as := newBareAccount(t, db, env.MySQLAddress)
	user := " TO '" + as.user + "'@'%'"
	run(t, db, "GRANT SELECT, TRIGGER ON "+schema+".a"+user, "GRANT SELECT, TRIGGER ON "+schema+".b"+user, "GRANT SELECT, TRIGGER ON "+schema+".v"+user, "GRANT EVENT ON "+schema+".*"+user, "GRANT SHOW_ROUTINE ON *.*"+user)
	list := func(patterns ...string) func(*Settings) {
		return func(s *Settings) { s.Tables.Include = patterns }
	}
	for name, tt := range map[string]struct {
		change func(*Settings)
		says   string
	}{
		"the tables it may read":      {list(schema+".a", schema+".b"), ""},
		"one that it may not":         {list(schema+".a", schema+".c"), "lacks SELECT on `" + schema + "`.`c`"},
		"a view that it may not show": {list(schema + ".v"), "may not see it"},
		"all, some of them unseen":    {nil, "lacks SELECT on `" + schema + "`.*"},
		"a pattern, may be of unseen": {list(schema + ".?"), "lacks SELECT on `" + schema + "`.*"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, newServer(t, as, tt.change, schema))
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
	t.Run("a restore of one table", func(t *testing.T) {
		point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, list(schema+".a", schema+".b"), schema))
		s := newServer(t, as, nil, schema)
		one := source.Selection{Include: []string{schema + ".a"}}
		_, err := s.Plan(t.Context(), point, one)
		granted := obey(t, db, err)
		for _, statement := range granted {
			if !strings.Contains(statement, "`"+schema+"`.`a`") {
				t.Errorf("%s is about more than the table", statement)
			}
		}
		plan, err := s.Plan(t.Context(), point, one)
		if err != nil {
			t.Fatalf("after %v: %v", granted, err)
		}
		restoreAs(t, s, point, plan)
	})
}

// A role that has been granted and is not active is named as a way out.
func TestRolesThatAreNotActive(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".a (x INT)")
	as := newBareAccount(t, db, env.MySQLAddress)
	role := "r_" + strings.ToLower(randomName())
	run(t, db, "CREATE ROLE "+role, "GRANT "+reading+" ON "+schema+".* TO "+role, "GRANT "+role+" TO '"+as.user+"'@'%'")
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP ROLE "+role); err != nil {
			t.Errorf("drop role: %v", err)
		}
	})
	capture := func() error {
		_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, newServer(t, as, nil, schema))
		return err
	}
	e, ok := fault.Outermost(capture())
	want := "SET DEFAULT ROLE ALL TO '" + as.user + "'@'%';"
	if !ok || !strings.Contains(e.Try, want) {
		t.Fatalf("got %v, want a hint with %s", e, want)
	}
	run(t, db, strings.TrimSuffix(want, ";"))
	if err := capture(); err != nil {
		t.Errorf("with the role active: %v", err)
	}
}
