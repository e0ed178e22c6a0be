package mysql

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// seededPoint captures a schema with some rows.
func seededPoint(t *testing.T, env *testbed.Env) (point *repository.SourceReader, schema string) {
	t.Helper()
	db := env.OpenMySQL(t)
	schema = env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (id INT PRIMARY KEY, body TEXT, KEY (body(10)))", "INSERT INTO "+schema+".t VALUES (1, 'x'), (2, 'y')",
		"CREATE VIEW "+schema+".v AS SELECT id FROM "+schema+".t")
	return repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema)), schema
}

// The binary log is left out only where nobody reads it.
func TestBinlogOfTheTarget(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	point, schema := seededPoint(t, env)
	target := env.StartMySQL(t, "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
	db := target.Open(t)
	root := account{target.Address, target.User, target.Password}
	logged := func(t *testing.T, as account, mode BinlogMode) (plan *source.Plan, grew bool) {
		t.Helper()
		run(t, db, "DROP DATABASE IF EXISTS "+schema)
		s := newServer(t, as, func(s *Settings) { s.Binlog = mode }, schema)
		plan, err := s.Plan(t.Context(), point, source.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		before := text(t, db, "SELECT @@GLOBAL.gtid_executed")
		if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
			t.Fatal(err)
		}
		requireEqual(t, compare(t, s, point, plan))
		return plan, text(t, db, "SELECT @@GLOBAL.gtid_executed") != before
	}
	requireLogged := func(t *testing.T, as account, mode BinlogMode, want bool, says string) {
		t.Helper()
		plan, got := logged(t, as, mode)
		if got != want {
			t.Errorf("the restore went into the log: %v, want %v", got, want)
		}
		if !strings.Contains(strings.Join(plan.Warnings, "\n"), says) {
			t.Errorf("the plan says %q, want %q", plan.Warnings, says)
		}
	}
	t.Run("nobody reads it", func(t *testing.T) {
		requireLogged(t, root, BinlogAuto, false, "does not go into the target's binary log")
	})
	t.Run("on by configuration", func(t *testing.T) { requireLogged(t, root, BinlogOn, true, "the restore goes into it") })
	t.Run("the account may not leave it out", func(t *testing.T) {
		as := newAccount(t, db, target.Address, "ALL", "REPLICATION SLAVE, SYSTEM_USER, SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER", schema)
		requireLogged(t, as, BinlogAuto, true, "the restore goes into it")
		s := newServer(t, as, func(s *Settings) { s.Binlog = BinlogOff }, schema)
		if _, err := s.Plan(t.Context(), point, source.Selection{}); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "binlog: off") {
			t.Errorf("binlog: off without the right to: %v, want a usage error", err)
		}
	})
	t.Run("somebody reads it", func(t *testing.T) {
		target.ReadBinlog(t)
		isReader := func(session record) bool { return strings.HasPrefix(session.text("command"), "Binlog Dump") }
		if _, err := awaitSessions(t.Context(), db, some, isReader); err != nil {
			t.Fatal(err)
		}
		requireLogged(t, root, BinlogAuto, true, "the restore goes into it")
		requireLogged(t, root, BinlogOff, false, "it, and will lack that")
	})
}

// The redo log is switched off only on a server that holds nothing, and is on
// again whatever comes.
func TestRedoLogOfTheTarget(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	point, schema := seededPoint(t, env)
	target := env.StartMySQL(t)
	db := target.Open(t)
	s := newServer(t, account{target.Address, target.User, target.Password}, func(s *Settings) { s.DisableRedoLog = true }, schema)
	enabled := func() string {
		return text(t, db, "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Innodb_redo_log_enabled'")
	}

	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	off := &tripwire{do: func() {
		if enabled() != "OFF" {
			t.Error("the redo log is on while rows are loaded")
		}
	}}
	if _, err := s.Restore(t.Context(), point, plan, off); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compare(t, s, point, plan))
	if enabled() != "ON" {
		t.Error("the redo log is off after the restore")
	}
	off.once.Do(func() { t.Error("nobody looked while rows were loaded") })

	if _, err := s.Plan(t.Context(), point, source.Selection{}); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "which a crash would destroy") {
		t.Errorf("a server that holds a schema: %v, want a refusal", err)
	}
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); fault.KindOf(err) != fault.Refused {
		t.Errorf("a server that holds a schema since the plan: %v, want a refusal", err)
	}
	if enabled() != "ON" {
		t.Error("the redo log is off after a refusal")
	}
}
