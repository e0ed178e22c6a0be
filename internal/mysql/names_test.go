package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// startLowering starts a server that keeps names in lower case, which it has to
// know when its data directory is made.
func startLowering(t *testing.T) *testbed.MySQL {
	t.Helper()
	return testbed.Need(t).StartMySQLWith(t, []testbed.Mount{{Host: t.TempDir(), Container: "/var/lib/mysql"}}, "--lower-case-table-names=1")
}

// A point of a server that tells upper from lower case comes back on one that
// does not, under the names that are kept there, as long as no two are one.
func TestNamesComeBackInLowerCase(t *testing.T) {
	t.Parallel()
	origin, target := testbed.Need(t).StartMySQL(t), startLowering(t)
	from, to := origin.Open(t), target.Open(t)
	run(t, from, "CREATE DATABASE openIM_v3", "USE openIM_v3")
	in := "openIM_v3."
	run(t, from,
		"CREATE TABLE "+in+"Users (ID INT AUTO_INCREMENT PRIMARY KEY, Name VARCHAR(20), up INT, CONSTRAINT Up FOREIGN KEY (up) REFERENCES "+in+"Users (ID), CHECK (Name <> ''))",
		"CREATE TABLE "+in+"`Tab.Ä` (a INT PRIMARY KEY, u INT, FOREIGN KEY (u) REFERENCES "+in+"Users (ID))",
		"INSERT INTO "+in+"Users VALUES (1, 'Ann', NULL), (2, 'Bob', 1)", "INSERT INTO "+in+"`Tab.Ä` VALUES (1, 2)",
		"CREATE VIEW "+in+"Named AS SELECT u.Name AS N, 'Text' AS T FROM "+in+"Users AS u JOIN "+in+"`Tab.Ä` AS x ON x.u = u.ID",
		"CREATE VIEW "+in+"Above AS SELECT N FROM "+in+"Named",
		"CREATE TRIGGER "+in+"Counted BEFORE INSERT ON "+in+"Users FOR EACH ROW SET NEW.Name = CONCAT(NEW.Name, (SELECT COUNT(*) FROM "+in+"`Tab.Ä`))",
		"CREATE PROCEDURE "+in+"Look() SELECT COUNT(*) FROM Users",
		"CREATE EVENT "+in+"Daily ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM Users")
	s := newServer(t, account{origin.Address, origin.User, origin.Password}, nil, "openIM_v3")
	point := repotest.New(t).Capture(t, "main", Kind, s)

	s = newServer(t, account{target.Address, target.User, target.Password}, nil, "openIM_v3")
	plan, result := besides(t, s, point, source.Selection{})
	requireEqual(t, result)
	requireCheck(t, plan, "names", false, "come back with names in lower case")
	for query, want := range map[string]string{
		"SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'openim_v3'": "above,named,tab.ä,users",
		"SELECT GROUP_CONCAT(N ORDER BY 1) FROM openim_v3.Above":                                                     "Bob",
		"SELECT COUNT(*) FROM OpenIM_V3.USERS":                                                                       "2",
	} {
		if got := text(t, to, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	run(t, to, "CALL openIM_v3.Look()", "INSERT INTO openIM_v3.Users (Name) VALUES ('Cyd')")
	if got := text(t, to, "SELECT Name FROM openIM_v3.users WHERE ID = 3"); got != "Cyd1" {
		t.Errorf("the trigger made %q of it, want Cyd1", got)
	}
	found := compare(t, s, point, plan).Differences
	if !slices.ContainsFunc(found, func(d source.Difference) bool { return d.Object == "openIM_v3.Users" && d.What == "rows" }) {
		t.Errorf("differences %v, want the row that is more", found)
	}
	run(t, to, "CREATE OR REPLACE VIEW openim_v3.above AS SELECT t FROM openim_v3.named")
	found = compare(t, s, point, plan).Differences
	if !slices.ContainsFunc(found, func(d source.Difference) bool {
		return strings.Contains(d.Object, "view openIM_v3.") && d.What == "definition"
	}) {
		t.Errorf("differences %v, want the view that is another", found)
	}

	t.Run("a copy", func(t *testing.T) {
		_, result := besides(t, s, point, source.Selection{Include: []string{"openIM_v3.Users"}, Rename: map[string]string{"openIM_v3.Users": "Users_Restored"}})
		requireEqual(t, result)
		if got := text(t, to, "SELECT COUNT(*) FROM openim_v3.users_restored"); got != "2" {
			t.Errorf("%s rows, want 2", got)
		}
		if got := text(t, to, "SELECT GROUP_CONCAT(CONSTRAINT_NAME, ' ', REFERENCED_TABLE_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE TABLE_NAME = 'users_restored'"); got != "users_restored_Up users_restored" {
			t.Errorf("the copy refers to %s, want it to refer to itself", got)
		}
	})
	t.Run("the way back", func(t *testing.T) {
		run(t, to, "DELETE FROM openim_v3.users WHERE ID = 3")
		point := repotest.New(t).Capture(t, "main", Kind, newServer(t, account{target.Address, target.User, target.Password}, nil, "openim_v3"))
		s := newServer(t, account{origin.Address, origin.User, origin.Password}, nil, "openim_v3")
		plan, result := besides(t, s, point, source.Selection{})
		requireEqual(t, result)
		requireCheck(t, plan, "names", false, "no longer find it")
	})
}

// Where upper and lower case are one, two names may be.
func TestNamesThatBecomeOne(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	upper := strings.ToUpper(schema)
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+upper); err != nil {
			t.Error(err)
		}
	})
	run(t, db, "CREATE DATABASE "+upper, "CREATE TABLE "+schema+".Users (a INT)", "CREATE TABLE "+schema+".users (a INT)",
		"CREATE TABLE "+schema+".t (a INT)", "CREATE VIEW "+schema+".T AS SELECT a FROM "+schema+".t", "CREATE TABLE "+upper+".t (a INT)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema, upper))
	tests := map[string]struct {
		want source.Selection
		says string // empty: it can be
	}{
		"two tables":          {source.Selection{Include: []string{schema + ".?sers"}}, `.users" would both become`},
		"a table and a view":  {source.Selection{Include: []string{schema}, Rename: map[string]string{}}, "would both become"},
		"two schemas":         {source.Selection{Include: []string{upper, schema + ".t"}}, "schemas "},
		"tables of both":      {source.Selection{Include: []string{upper + ".t", schema + ".Users"}, Rename: map[string]string{upper + ".t": schema + ".v"}}, ""},
		"one of them renamed": {source.Selection{Include: []string{schema + ".?sers"}, Rename: map[string]string{schema + ".Users": "People"}}, ""},
		"one of them alone":   {source.Selection{Include: []string{schema + ".Users"}}, ""},
	}
	// There is no server that keeps names as they are and looks them up in any
	// case, but on file systems that do the same: so the real one passes for it.
	for kind, as := range map[string]account{"kept": rootOf(env), "lowered": rootOf(env)} {
		value := map[string]int{"kept": namesLikeAnyway, "lowered": namesLowered}[kind]
		d := &disguise{version: text(t, db, "SELECT VERSION()"), rewrite: []rewritten{variable("lower_case_table_names", fmt.Sprint(value))}}
		as.address = d.stand(t, env.MySQLAddress)
		s := newServer(t, as, nil, schema)
		for name, tt := range tests {
			t.Run(name+", "+kind, func(t *testing.T) {
				_, err := s.Plan(t.Context(), point, tt.want)
				if tt.says == "" {
					if err != nil {
						t.Errorf("got %v, want a plan", err)
					}
					return
				}
				requireRefusal(t, err, tt.says)
				if want := fmt.Sprintf("lower_case_table_names of the target is %d", value); !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			})
		}
	}
}

// Invariant 5: a table that is another only by the case of its name is one that
// would be lost, where the server does not tell them apart.
func TestTableInAnotherCaseIsOccupied(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".users (a INT)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	run(t, db, "RENAME TABLE "+schema+".users TO "+schema+".Users")
	d := &disguise{version: text(t, db, "SELECT VERSION()"), rewrite: []rewritten{variable("lower_case_table_names", "2")}}
	as := rootOf(env)
	as.address = d.stand(t, env.MySQLAddress)
	plan, err := newServer(t, as, nil, schema).Plan(t.Context(), point, source.Selection{Include: []string{schema + ".users"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Occupied) != 1 || !strings.HasSuffix(plan.Occupied[0].Holds, ": Users") {
		t.Errorf("occupied %v, want the table Users", plan.Occupied)
	}
}

// variable gives a global variable another value in the answer to whoever asks
// for several.
func variable(name, value string) rewritten {
	return rewritten{regexp.MustCompile(`^SHOW GLOBAL VARIABLES WHERE Variable_name IN (\(.*\))$`), "SELECT VARIABLE_NAME AS Variable_name," +
		" IF(VARIABLE_NAME = " + quoteText(name) + ", " + quoteText(value) + ", VARIABLE_VALUE) AS Value FROM performance_schema.global_variables WHERE VARIABLE_NAME IN $1"}
}

// requireCheck requires a plan to say what it has looked at.
func requireCheck(t *testing.T, plan *source.Plan, name string, ok bool, says string) {
	t.Helper()
	if !slices.ContainsFunc(plan.Checks, func(c source.Check) bool { return c.Check == name && c.OK == ok && strings.Contains(c.Detail, says) }) {
		t.Errorf("no check %s, ok %v, that says %q among:\n%s", name, ok, says, cmp.Diff([]source.Check(nil), plan.Checks))
	}
}
