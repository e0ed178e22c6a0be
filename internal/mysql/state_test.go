package mysql

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// What a target is like after a restore: the next numbers, events that run, and
// accounts that may log in, as they were.
func TestStateAfterARestore(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, target := env.StartMySQL(t), env.StartMySQL(t)
	from, to := origin.Open(t), target.Open(t)
	run(t, from, "CREATE DATABASE app", "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)", "INSERT INTO app.t (a) VALUES (1), (2), (3)", "DELETE FROM app.t WHERE id = 3",
		"CREATE TABLE app.beats (at DATETIME(6))", "CREATE TABLE app.ahead (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 9007199254740993",
		"CREATE EVENT app.beat ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO app.beats VALUES (NOW(6))",
		"CREATE USER app IDENTIFIED BY 'secret' REQUIRE NONE", "GRANT SELECT ON app.t TO app", "SET GLOBAL event_scheduler = OFF", "ALTER EVENT app.beat ENABLE")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
	s := withAccounts(t, target, nil, "app")
	run(t, to, "SET GLOBAL event_scheduler = OFF") // or it may act before the comparison
	requireEqual(t, carryOut(t, s, point, planOf(t, s, point, source.Selection{})))

	for _, table := range []string{"t", "ahead"} {
		var ids []int64
		for _, db := range []interface {
			querier
		}{from, to} {
			r, err := queryRecord(t.Context(), db, "SELECT AUTO_INCREMENT AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = '"+table+"'")
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.number("n"))
		}
		if ids[0] != ids[1] {
			t.Errorf("table %s: the next number is %d, want %d", table, ids[1], ids[0])
		}
	}
	run(t, to, "INSERT INTO app.t (a) VALUES (4)")
	if got := text(t, to, "SELECT id FROM app.t WHERE a = 4"); got != "4" {
		t.Errorf("a new row gets number %s, want 4", got)
	}
	if got := text(t, to, "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'app'"); got != "ENABLED" {
		t.Errorf("the event is %s, want it enabled", got)
	}
	run(t, to, "SET GLOBAL event_scheduler = ON")
	for text(t, to, "SELECT COUNT(*) FROM app.beats") == "0" {
		if err := pause(t.Context(), pollInterval); err != nil {
			t.Fatal("the event does not run")
		}
	}
	if err := logIn(t, account{target.Address, "app", "secret"}); err != nil {
		t.Errorf("log in: %v", err)
	}
	app := (&testbed.MySQL{Address: target.Address, User: "app", Password: "secret"}).Open(t)
	if got := text(t, app, "SELECT COUNT(*) FROM app.t"); got != "3" {
		t.Errorf("the account reads %s rows, want 3", got)
	}
	if _, err := app.ExecContext(t.Context(), "DELETE FROM app.t"); !isDenied(err) {
		t.Errorf("the account deletes: %v, want it denied", err)
	}
}
