package mysql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// hintOf returns what an error advises.
func hintOf(err error) string {
	e, ok := fault.Outermost(err)
	if !ok {
		return ""
	}
	return e.Try
}

// A dump says what it lacks before any row is read, and never leaves accounts
// out in silence.
func TestAccountsNeedARight(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)")
	as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
	all := func(s *Settings) { s.Accounts = "" }
	_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, newServer(t, as, all, schema))
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "lacks SELECT on `mysql`.*") || !strings.Contains(hintOf(err), "accounts: none") {
		t.Errorf("dump: %v; hint %q; want a usage error with both ways out", err, hintOf(err))
	}
	for name, tt := range map[string]struct {
		change func(*Settings)
		want   string
	}{"all": {all, "mysql.privileges error GRANT SELECT ON `mysql`.* TO"}, "none": {nil, "mysql.accounts warning "}} {
		found := ""
		for _, f := range newServer(t, as, tt.change, schema).Examine(t.Context()) {
			found += f.Check + " " + string(f.Severity) + " " + f.Remedy + "\n"
		}
		if !strings.Contains(found, tt.want) {
			t.Errorf("accounts: %s: no %q among\n%s", name, tt.want, found)
		}
	}
	run(t, db, "GRANT SELECT ON mysql.* TO '"+as.user+"'@'%'")
	if _, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, newServer(t, as, all, schema)); err != nil {
		t.Errorf("dump with the right that was asked for: %v", err)
	}
}

func TestAccountsThatChangeDuringADump(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	server := env.StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "INSERT INTO app.t VALUES (1)", "CREATE USER gone, changed")
	s := withAccounts(t, server, func(s *Settings) { s.NoBackupLock = true }, "app")
	wire := &tripwire{do: func() { run(t, db, "DROP USER gone", "GRANT FILE ON *.* TO changed", "CREATE USER more") }}
	point := repotest.New(t).Capture(t, "main", Kind, tripped{s, wire})
	if diff := cmp.Diff([]repository.Count{{Source: "main", Code: warnAccountsChanged, Count: 3}}, point.Point().Sources[0].Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	list, err := readAccountList(t.Context(), point)
	if err != nil {
		t.Fatal(err)
	}
	if accountsByName(list.Accounts)[accountName{"gone", "%"}] == nil {
		t.Error("the point has the accounts of after the snapshot, want those of before")
	}
}
