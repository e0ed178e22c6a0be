package mysql

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A general tablespace that the target lacks is created, and the plan says so.
func TestTablespaceIsCreatedWhereItIsMissing(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	space := quoteName(schema + "`ts")
	t.Cleanup(func() {
		for _, statement := range []string{"DROP TABLE IF EXISTS " + schema + ".t", "DROP TABLESPACE " + space} {
			if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	run(t, db, "CREATE TABLESPACE "+space, "CREATE TABLE "+schema+".t (a INT COMMENT 'TABLESPACE `x`') TABLESPACE "+space+" COMMENT='DATA DIRECTORY='", "INSERT INTO "+schema+".t VALUES (1)")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	before := observe(t, db, schema)
	run(t, db, "DROP TABLE "+schema+".t", "DROP TABLESPACE "+space)

	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	about := slices.DeleteFunc(plan.Warnings, func(w string) bool { return !strings.HasPrefix(w, "table ") })
	if len(about) != 1 || !strings.Contains(about[0], "is kept in tablespace "+schema+"`ts") {
		t.Errorf("warnings %q, want one about the tablespace", about)
	}
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compare(t, s, point, plan))
	requireSame(t, before, observe(t, db, schema))
}

// A data directory that the target does not know is a difference that is
// announced and found; the rows come back.
func TestDataDirectoryThatTheTargetLacksIsNamed(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	origin := env.StartMySQL(t, "--innodb-directories=/tmp")
	run(t, origin.Open(t), "CREATE DATABASE "+schema, "CREATE TABLE "+schema+".t (a INT) DATA DIRECTORY='/tmp'", "INSERT INTO "+schema+".t VALUES (1), (2)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, account{origin.Address, origin.User, origin.Password}, nil, schema))
	s := newServer(t, rootOf(env), nil, schema)
	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, schema+".t names a data directory") }) {
		t.Errorf("warnings %q, want one about the data directory", plan.Warnings)
	}
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	result := compare(t, s, point, plan)
	if len(result.Differences) != 1 || result.Differences[0].Object != schema+".t" || result.Differences[0].What != "definition" {
		t.Errorf("differences %v, want one, of the table's definition", result.Differences)
	}
	if got := text(t, db, "SELECT COUNT(*) FROM "+schema+".t"); got != "2" {
		t.Errorf("%s rows came back, want 2", got)
	}
}

// A table that cannot be encrypted is not created at all.
func TestEncryptedTableNeedsAKeyring(t *testing.T) {
	env := testbed.Need(t)
	copied := env.NewSchema(t)
	d := &schemaDefinition{Name: "x", CharacterSet: "utf8mb4", Collation: "utf8mb4_0900_ai_ci", Tables: []table{
		{Name: "t", Engine: engineInnoDB, Create: sqlText("CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) ENGINE=InnoDB /*!80016 ENCRYPTION='Y' */")},
	}}
	if got := d.storageWarnings(); len(got) != 1 || !strings.Contains(got[0], "is encrypted") {
		t.Errorf("warnings %q, want one about encryption", got)
	}
	client, err := newServer(t, rootOf(env), nil, copied).open(t.Context(), loadIdle)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := &load{client: client, plan: &restoration{}, marks: new(marks)}
	if l.main, err = l.session(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer release(l.main)
	err = l.createTables(t.Context(), &schemaPlan{schemaDefinition: d, target: copied, whole: true, occupied: true})
	if !isServer(err, erNoMasterKey) || !strings.Contains(err.Error(), "has no keyring") {
		t.Errorf("create table: %v, want an error that names the keyring", err)
	}
}

func TestEnabledEventsAreAnnounced(t *testing.T) {
	d := &schemaDefinition{Name: "x", Events: []object{
		{Create: sqlText("CREATE EVENT `a` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE COMMENT ' ENABLE ' DO SELECT 1")},
		{Create: sqlText("CREATE EVENT ` ENABLE ` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE COMMENT ' ENABLE ' DO SELECT 1")},
	}}
	if got := d.eventWarnings(); len(got) != 1 || !strings.Contains(got[0], "has 1 enabled events") {
		t.Errorf("warnings %q, want one, of one event", got)
	}
	d.Events = d.Events[1:]
	if got := d.eventWarnings(); len(got) != 0 {
		t.Errorf("warnings %q about a disabled event", got)
	}
}
