package mysql

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// An account that exists is the target's own.
func TestExistingAccounts(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	run(t, from, "CREATE DATABASE app", "CREATE ROLE r", "CREATE USER same, differs IDENTIFIED BY 'captured'", "CREATE USER member", "GRANT r TO differs", "GRANT SELECT ON app.* TO r")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
	run(t, to, "CREATE USER same IDENTIFIED BY 'captured'", "CREATE USER differs IDENTIFIED BY 'its own'", "CREATE ROLE r", "CREATE USER other", "GRANT r TO other WITH ADMIN OPTION", "SET DEFAULT ROLE r TO other")

	t.Run("keep", func(t *testing.T) {
		s := withAccounts(t, other, nil, "app")
		before := shownAccounts(t, to)
		plan := planOf(t, s, point, source.Selection{})
		comparison := carryOut(t, s, point, plan)
		requireEqual(t, comparison)
		want := []string{"account 'differs'@'%': kept", "account 'r'@'%': kept", "account 'root'@'%': kept", "account 'root'@'localhost': kept", "account 'same'@'%': kept"}
		if diff := cmp.Diff(want, deviations(comparison.Deviations)); diff != "" {
			t.Errorf("deviations (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, deviations(plan.Deviations)); diff != "" {
			t.Errorf("deviations in the plan (-want +got):\n%s", diff)
		}
		after := shownAccounts(t, to)
		maps.DeleteFunc(after, func(name, _ string) bool { return strings.Contains(name, "member") })
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("accounts that were there have changed:\n%s", diff)
		}
	})
	t.Run("replace is refused unless named", func(t *testing.T) {
		s := withAccounts(t, other, func(s *Settings) { s.ExistingAccounts = ReplaceExisting; s.ExcludeAccounts = []string{"root@*"} }, "app")
		plan := planOf(t, s, point, source.Selection{})
		at := slices.IndexFunc(plan.Occupied, func(o source.Occupied) bool { return o.Target == "mysql/"+other.Address+"/@accounts" })
		if at < 0 || !strings.Contains(plan.Occupied[at].Holds, "'differs'@'%'") {
			t.Fatalf("occupied %+v, want the accounts that will be replaced", plan.Occupied)
		}
		requireEqual(t, carryOut(t, s, point, plan))
		want, got := shownAccounts(t, from), shownAccounts(t, to)
		if other := got["`other`@`%`"]; !strings.Contains(other, "GRANT `r`@`%` TO `other`@`%` WITH ADMIN OPTION") || !strings.Contains(other, "DEFAULT ROLE `r`@`%`") {
			t.Errorf("a member of a replaced role has lost it: %s", got["`other`@`%`"])
		}
		delete(got, "`other`@`%`")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what SHOW says differs (-source +copy):\n%s", diff)
		}
	})
}

// What the target cannot take fails before anything is touched, or is left
// out and reported; and what is left never allows more than before.
func TestTargetThatRefusesAccounts(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t, partialRevokes), env.StartMySQL(t)
	seedAccounts(t, origin.Open(t))
	db := other.Open(t)
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, zooSchemas...))
	keep := withAccounts(t, other, nil, zooSchemas...)
	tests := map[string]struct{ include, says string }{
		"plugin":         {"nologin@*", "lacks its authentication plugin mysql_no_login"},
		"second factor":  {"factors@*", "lacks its authentication plugin auth_socket"},
		"partial revoke": {"app@*", "partial_revokes is OFF"},
		"columns":        {"attribute@*", "there is no such object at the target"},
		"routine":        {"write-r@*", "FUNCTION `app`.`p`: there is no such object at the target"},
		"role":           {"member@*", "there is no such role"},
	}
	for name, tt := range tests {
		t.Run(name+" fails the plan", func(t *testing.T) {
			_, err := keep.Plan(t.Context(), point, source.Selection{Include: []string{tt.include}})
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("plan: %v, want a usage error that says %q", err, tt.says)
			}
		})
	}
	t.Run("a proxy is refused before any row is loaded", func(t *testing.T) {
		plan := planOf(t, keep, point, source.Selection{Include: []string{"app", "locked@*"}})
		_, err := keep.Restore(t.Context(), point, plan, progress.Discard)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "PROXY ON `nobody`@`nowhere`: the account that restores may not give it") {
			t.Errorf("restore: %v, want a usage error that names the grant", err)
		}
		if n := text(t, db, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'app'"); n != "0" {
			t.Error("the schema was created although accounts are refused")
		}
	})
	t.Run("skip", func(t *testing.T) {
		s := withAccounts(t, other, func(s *Settings) { s.RefusedAccounts = SkipRefused; s.ExcludeAccounts = []string{"root@*"} }, zooSchemas...)
		comparison := carryOut(t, s, point, planOf(t, s, point, source.Selection{}))
		requireEqual(t, comparison)
		want := []string{
			"account 'app'@'%': left out", "account 'attribute'@'%': left out", "account 'dual'@'%': second password", "account 'expired'@'%': left out",
			"account 'factors'@'%': left out", "account 'locked'@'%': left out", "account 'nologin'@'%': left out", "account 'socket'@'localhost': left out",
		}
		if diff := cmp.Diff(want, deviations(comparison.Deviations)); diff != "" {
			t.Errorf("deviations (-want +got):\n%s", diff)
		}
		got := shownAccounts(t, db)
		if app := got["`app`@`%`"]; strings.Contains(app, "INSERT") || strings.Contains(app, "SELECT") || !strings.Contains(app, "REPLICATION CLIENT") {
			t.Errorf("without partial revokes the account holds\n%s", app)
		}
		if _, there := got["`nologin`@`%`"]; there {
			t.Error("an account whose plugin the target lacks was created")
		}
	})
}

// Invariant 5: what has come since the plan is left alone, and what cannot be
// replaced after all is put back.
func TestAccountsOfATargetThatChanges(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	const plugin = "INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'"
	run(t, from, "CREATE DATABASE app", plugin, "CREATE USER late IDENTIFIED BY 'captured'", "CREATE ROLE r", "CREATE USER app IDENTIFIED WITH mysql_no_login")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))

	t.Run("an account more is not overwritten", func(t *testing.T) {
		s := withAccounts(t, other, nil, "app")
		plan := planOf(t, s, point, source.Selection{Include: []string{"late@*"}})
		run(t, to, "CREATE USER late IDENTIFIED BY 'its own'")
		before := shownAccounts(t, to)
		_, err := s.Restore(t.Context(), point, plan, progress.Discard)
		if fault.KindOf(err) != fault.Refused {
			t.Errorf("restore: %v, want a refusal", err)
		}
		if diff := cmp.Diff(before, shownAccounts(t, to)); diff != "" {
			t.Errorf("the account has changed:\n%s", diff)
		}
	})
	t.Run("a plugin less puts back what was to be replaced", func(t *testing.T) {
		run(t, to, plugin, "CREATE USER app IDENTIFIED BY 'its own'", "CREATE ROLE r", "GRANT SELECT ON app.* TO app", "GRANT r TO app", "SET DEFAULT ROLE r TO app",
			"CREATE USER member", "GRANT app TO member WITH ADMIN OPTION", "SET DEFAULT ROLE app TO member")
		before := shownAccounts(t, to)
		s := withAccounts(t, other, func(s *Settings) { s.ExistingAccounts = ReplaceExisting }, "app")
		plan := planOf(t, s, point, source.Selection{Include: []string{"app@*"}})
		run(t, to, "UNINSTALL PLUGIN mysql_no_login")
		_, err := s.Restore(t.Context(), point, plan, progress.Discard)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "has not loaded the account's authentication plugin") {
			t.Errorf("restore: %v, want a usage error that says why", err)
		}
		if diff := cmp.Diff(before, shownAccounts(t, to)); diff != "" {
			t.Errorf("the account was not put back:\n%s", diff)
		}
	})
	t.Run("no accounts are said to be none", func(t *testing.T) {
		plan := planOf(t, newServer(t, rootAt(other), nil, "app"), point, source.Selection{})
		if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.HasPrefix(w, "the 5 accounts of the point are left out") }) {
			t.Errorf("warnings %q, want one of the accounts", plan.Warnings)
		}
		without := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootAt(origin), nil, "app"))
		plan = planOf(t, withAccounts(t, other, nil, "app"), without, source.Selection{})
		if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.HasPrefix(w, "the point holds no users") }) {
			t.Errorf("warnings %q, want one of the accounts", plan.Warnings)
		}
	})
}

// The rights that the documents name are enough.
func TestRightsThatRestoreAccounts(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), other.Open(t)
	run(t, from, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "CREATE ROLE r", "CREATE USER app IDENTIFIED BY 'pw'",
		"GRANT SELECT ON app.* TO r", "GRANT UPDATE (a) ON app.t TO app", "GRANT r TO app", "SET DEFAULT ROLE r TO app")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, func(s *Settings) { s.ExcludeAccounts = []string{"root@*"} }, "app"))
	run(t, to, "CREATE USER loader IDENTIFIED BY 'pw'", "GRANT ALL ON app.* TO loader WITH GRANT OPTION", "GRANT SELECT ON mysql.* TO loader")
	s := newServer(t, account{other.Address, "loader", "pw"}, func(s *Settings) { s.Accounts = AllAccounts }, "app")

	_, err := s.Plan(t.Context(), point, source.Selection{})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "lacks CREATE USER") || !strings.HasPrefix(hintOf(err), "GRANT CREATE USER, ROLE_ADMIN ON *.* TO 'loader'@'%'; Or restore without accounts: ") {
		t.Errorf("plan: %v; hint %q; want a usage error with the statement that mends it", err, hintOf(err))
	}
	run(t, to, "GRANT CREATE USER, ROLE_ADMIN ON *.* TO loader")
	before := shownAccounts(t, to)["`loader`@`%`"]
	requireEqual(t, carryOut(t, s, point, planOf(t, s, point, source.Selection{})))
	got := shownAccounts(t, to)
	if got["`loader`@`%`"] != before {
		t.Error("the account that restores was altered")
	}
	delete(got, "`loader`@`%`")
	if diff := cmp.Diff(shownAccounts(t, from), got); diff != "" {
		t.Errorf("what SHOW says differs (-source +copy):\n%s", diff)
	}
}
