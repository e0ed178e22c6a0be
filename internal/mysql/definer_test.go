package mysql

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// seedDefiners makes objects of every type that are defined by an account with
// a name that is hard to quote, and some that are not.
func seedDefiners(t testing.TB, db *sql.DB) {
	t.Helper()
	const definer = "CREATE DEFINER='a`b@c'@'10.%' "
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "CREATE USER 'a`b@c'@'10.%' IDENTIFIED BY 'pw'", "GRANT ALL ON app.* TO 'a`b@c'@'10.%'",
		definer+"VIEW app.base AS SELECT a, 'DEFINER=`x`@`y`' AS text FROM app.t",
		"CREATE DEFINER='root'@'%' SQL SECURITY INVOKER VIEW app.above AS SELECT * FROM app.base",
		definer+"VIEW app.over_above AS SELECT * FROM app.above",
		definer+"PROCEDURE app.p() SELECT 'CREATE DEFINER=`x`@`y`'",
		definer+"FUNCTION app.f() RETURNS INT DETERMINISTIC RETURN 1",
		definer+"TRIGGER app.g BEFORE INSERT ON app.t FOR EACH ROW SET NEW.a = 1",
		definer+"EVENT app.e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1",
		"CREATE DEFINER='root'@'%' PROCEDURE app.own() SELECT 1",
	)
}

// definers asks the server for every definer in a schema.
func definers(t testing.TB, db *sql.DB) map[string]string {
	t.Helper()
	records, err := queryRecords(t.Context(), db, "SELECT TABLE_NAME AS name, DEFINER AS definer FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'app'"+
		" UNION SELECT ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'app'"+
		" UNION SELECT TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'app'"+
		" UNION SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'app'")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range records {
		found[r.text("name")] = r.text("definer")
	}
	return found
}

func TestDefinersThatTheTargetLacks(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	seedDefiners(t, from)
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
	const gone = "a`b@c@10.%"
	tests := map[DefinerPolicy]struct {
		definers   map[string]string
		deviations []string
		warns      string
	}{
		KeepDefiner: {
			map[string]string{"base": gone, "above": "root@%", "over_above": gone, "p": gone, "f": gone, "g": gone, "e": gone, "own": "root@%"},
			[]string{}, "1 definer does not exist at the target ('a`b@c'@'10.%'), and 6 objects that are created so fail when used",
		},
		CurrentUserDefiner: {
			map[string]string{"base": "root@%", "above": "root@%", "over_above": "root@%", "p": "root@%", "f": "root@%", "g": "root@%", "e": "root@%", "own": "root@%"},
			[]string{"event app.e: definer", "function app.f: definer", "procedure app.p: definer", "trigger app.g: definer", "view app.base: definer", "view app.over_above: definer"}, "",
		},
		SkipDefiner: {
			map[string]string{"own": "root@%"},
			[]string{"event app.e: left out", "function app.f: left out", "procedure app.p: left out", "trigger app.g: left out", "view app.above: left out", "view app.base: left out", "view app.over_above: left out"}, "",
		},
	}
	for policy, tt := range tests {
		t.Run(string(policy), func(t *testing.T) {
			run(t, to, "DROP DATABASE IF EXISTS app")
			s := newServer(t, rootAt(other), func(s *Settings) { s.Definers = policy }, "app")
			plan := planOf(t, s, point, source.Selection{})
			if tt.warns != "" && !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.HasPrefix(w, tt.warns) }) {
				t.Errorf("warnings %q, want one that begins with %q", plan.Warnings, tt.warns)
			}
			planned := deviations(plan.Deviations)
			comparison := carryOut(t, s, point, plan)
			requireEqual(t, comparison)
			if diff := cmp.Diff(tt.definers, definers(t, to)); diff != "" {
				t.Errorf("definers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.deviations, deviations(comparison.Deviations)); diff != "" {
				t.Errorf("deviations (-want +got):\n%s", diff)
			}
			// What needs something that is left out is known only when it fails.
			tt.deviations = slices.DeleteFunc(tt.deviations, func(d string) bool { return d == "view app.above: left out" })
			if diff := cmp.Diff(tt.deviations, planned); diff != "" {
				t.Errorf("deviations in the plan (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a permitted deviation does not hide another change", func(t *testing.T) {
		run(t, to, "DROP DATABASE IF EXISTS app")
		s := newServer(t, rootAt(other), func(s *Settings) { s.Definers = CurrentUserDefiner }, "app")
		plan := planOf(t, s, point, source.Selection{})
		requireEqual(t, carryOut(t, s, point, plan))
		run(t, to, "DROP PROCEDURE app.p", "CREATE PROCEDURE app.p() SELECT 2")
		if found := compare(t, s, point, plan).Differences; len(found) != 1 || found[0].Object != "procedure app.p" {
			t.Errorf("differences %+v, want one of procedure app.p", found)
		}
	})
	t.Run("definers that were gone at the source", func(t *testing.T) {
		run(t, to, "DROP DATABASE IF EXISTS app")
		run(t, from, "DROP USER 'a`b@c'@'10.%'")
		orphaned := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
		s := newServer(t, rootAt(other), nil, "app")
		requireEqual(t, carryOut(t, s, orphaned, planOf(t, s, orphaned, source.Selection{})))
		if diff := cmp.Diff(tests[KeepDefiner].definers, definers(t, to)); diff != "" {
			t.Errorf("definers (-want +got):\n%s", diff)
		}
	})
	t.Run("restored accounts are there before what they define", func(t *testing.T) {
		run(t, to, "DROP DATABASE IF EXISTS app", "CREATE USER loader IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO loader WITH GRANT OPTION", "REVOKE ALLOW_NONEXISTENT_DEFINER ON *.* FROM loader")
		as := account{other.Address, "loader", "pw"}
		s := newServer(t, as, func(s *Settings) { s.Accounts = AllAccounts; s.ExcludeAccounts = []string{"root@*"} }, "app")
		plan := planOf(t, s, point, source.Selection{})
		requireEqual(t, carryOut(t, s, point, plan))
		if got := definers(t, to)["base"]; got != gone {
			t.Errorf("the view's definer is %s, want %s", got, gone)
		}
	})
}

// Without a look at the accounts nothing is guessed.
func TestDefinersThatCannotBeSeen(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "CREATE VIEW "+schema+".v AS SELECT a FROM "+schema+".t")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	as := newAccount(t, db, env.MySQLAddress, loading, "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER", copied)
	want := source.Selection{Rename: map[string]string{schema: copied}}

	plan := planOf(t, newServer(t, as, nil, schema), point, want)
	if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "may not read mysql.user") }) {
		t.Errorf("warnings %q, want one that definers cannot be seen", plan.Warnings)
	}
	_, err := newServer(t, as, func(s *Settings) { s.Definers = SkipDefiner }, schema).Plan(t.Context(), point, want)
	if fault.KindOf(err) != fault.Usage || !strings.HasPrefix(hintOf(err), "GRANT SELECT ON `mysql`.* TO '"+as.user+"'@'%'; Or set definers: keep") {
		t.Errorf("plan: %v, want a usage error with the statement that mends it", err)
	}
}
