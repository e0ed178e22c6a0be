package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// seedChangeable makes a schema of which anything may be changed. The first
// table is the largest, and so the first to be read.
func seedChangeable(t *testing.T, db *sql.DB, schema string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "USE `"+schema+"`",
		"CREATE TABLE `first` (a INT, filler CHAR(200), KEY k (a))", "INSERT INTO `first` WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i, 'f' FROM n", "ANALYZE TABLE `first`",
		"CREATE TABLE other (a INT)", "INSERT INTO other VALUES (1)", "CREATE TABLE twin (a INT)", "INSERT INTO twin VALUES (2)",
		"CREATE TABLE parted (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)", "INSERT INTO parted VALUES (3)",
		"CREATE VIEW v AS SELECT 1 AS a", "CREATE PROCEDURE p() SELECT 1", "CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW SET NEW.a = NEW.a", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1")
}

// changing dumps a schema while a change of its definitions falls in its midst.
func changing(t *testing.T, db *sql.DB, s *Server, schema string, statements ...string) (*repotest.Fixture, string, error) {
	t.Helper()
	wire := &tripwire{do: func() {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for _, statement := range append([]string{"USE `" + schema + "`"}, statements...) {
			if err := againAfterDeadlock(func() error { _, err := conn.ExecContext(t.Context(), statement); return err }); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}}
	fixture := repotest.New(t)
	id, err := fixture.TryCapture(t.Context(), t, "main", Kind, tripped{s, wire})
	return fixture, id, err
}

// begun returns a dump that has done nothing yet.
func begun(t *testing.T, s *Server) *dump {
	t.Helper()
	client, err := s.open(t.Context(), dumpIdle)
	if err != nil {
		t.Fatal(err)
	}
	coordinator, err := client.session(t.Context(), s.catalogSession()...)
	if err != nil {
		t.Fatal(err)
	}
	d := &dump{server: s, client: client, coordinator: coordinator}
	if err := d.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.watch = newNeighbour(d)
	t.Cleanup(func() {
		d.watch.close()
		release(d.coordinator)
		client.Close()
	})
	return d
}

// Where the account sees InnoDB's own numbers, every change is noticed.
func TestEveryChangeOfADefinitionIsNoticed(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	swap := []string{"RENAME TABLE other TO old", "RENAME TABLE twin TO other", "RENAME TABLE old TO twin"}
	changes := map[string][]string{
		"a column at once":                 {"ALTER TABLE other ADD COLUMN b INT, ALGORITHM=INSTANT"},
		"a column of a table that is read": {"ALTER TABLE `first` ADD COLUMN b INT"},
		"an index alone":                   {"ALTER TABLE twin ADD KEY (a)"},
		"an index made invisible":          {"ALTER TABLE `first` ALTER INDEX k INVISIBLE"},
		"a default alone":                  {"ALTER TABLE twin ALTER a SET DEFAULT 7"},
		"a comment alone":                  {"ALTER TABLE `first` COMMENT 'read'"},
		"a table swapped":                  {"RENAME TABLE other TO old, twin TO other, old TO twin"},
		"a table swapped step by step":     swap,
		"a table dropped":                  {"DROP TABLE twin"},
		"a table more":                     {"CREATE TABLE more (a INT)"},
		"a table rebuilt":                  {"ALTER TABLE other FORCE"},
		"a table emptied":                  {"TRUNCATE TABLE twin"},
		"a table emptied that is read":     {"TRUNCATE TABLE `first`"},
		"a table dropped and made again":   {"DROP TABLE twin", "CREATE TABLE twin (a INT)"},
		"a partition exchanged":            {"ALTER TABLE parted EXCHANGE PARTITION p0 WITH TABLE twin"},
		"a partition more":                 {"ALTER TABLE parted REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)"},
		"a view changed":                   {"ALTER VIEW v AS SELECT 2 AS a"},
		"a view more":                      {"CREATE VIEW w AS SELECT 1 AS a"},
		"a procedure changed":              {"DROP PROCEDURE p", "CREATE PROCEDURE p() SELECT 2"},
		"a trigger dropped":                {"DROP TRIGGER t"},
		"an event changed":                 {"ALTER EVENT e COMMENT 'changed'"},
		"the schema's collation":           {"ALTER DATABASE COLLATE latin1_bin"},
		"the schema made again":            {"SET @name = DATABASE()", "SET @statement = CONCAT('DROP DATABASE `', @name, '`')", "PREPARE s FROM @statement", "EXECUTE s", "SET @statement = CONCAT('CREATE DATABASE `', @name, '`')", "PREPARE s FROM @statement", "EXECUTE s"},
	}
	schema := env.NewSchema(t)
	as := newAccount(t, db, env.MySQLAddress, reading, "PROCESS, SHOW_ROUTINE", schema)
	d := begun(t, newServer(t, as, nil, schema))
	defer awaitGone(t, db, as)
	defer d.client.Close()
	defer d.coordinator.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seedChangeable(t, db, schema)
	for name, change := range changes {
		if err := d.readDefinitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.checkUnchanged(t.Context()); err != nil {
			t.Errorf("before %s: %v", name, err)
		}
		run(t, conn, append([]string{"USE `" + schema + "`"}, change...)...)
		if err := d.checkUnchanged(t.Context()); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v, want %v", name, err, errChanged)
		}
		run(t, conn, "DROP DATABASE `"+schema+"`", "CREATE DATABASE `"+schema+"`")
		seedChangeable(t, db, schema)
	}
}

// Definitions and rows of two moments are never mixed.
func TestChangedDefinitionFailsTheDump(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	schema := env.NewSchema(t)
	as := newAccount(t, db, env.MySQLAddress, reading, "PROCESS, SHOW_ROUTINE", schema)
	defer awaitGone(t, db, as)
	for name, change := range map[string]string{
		"a column at once":      "ALTER TABLE other ADD COLUMN b INT, ALGORITHM=INSTANT",
		"a table swapped":       "RENAME TABLE other TO old, twin TO other, old TO twin",
		"a table emptied":       "TRUNCATE TABLE twin",
		"a table dropped":       "DROP TABLE twin",
		"a partition exchanged": "ALTER TABLE parted EXCHANGE PARTITION p0 WITH TABLE twin",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, db, "DROP DATABASE "+schema, "CREATE DATABASE "+schema)
			seedChangeable(t, db, schema)
			_, _, err := changing(t, db, newServer(t, as, nil, schema), schema, change)
			if err == nil || !strings.Contains(err.Error(), "changed") {
				t.Errorf("dump with a change in its midst: %v, want an error that says so", err)
			}
		})
	}
}

// An account that does not see InnoDB's numbers notices all but exchanges of
// tables that look alike. The point warns of that.
func TestSwapThatCannotBeSeen(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	as := newAccount(t, db, env.MySQLAddress, reading, "SHOW_ROUTINE", schema)
	defer awaitGone(t, db, as)
	for name, change := range map[string]string{
		"tables":     "RENAME TABLE other TO old, twin TO other, old TO twin",
		"partitions": "ALTER TABLE parted EXCHANGE PARTITION p0 WITH TABLE twin",
		"rows alone": "TRUNCATE TABLE `first`", // it is read already: the rows are those of the snapshot
	} {
		t.Run(name, func(t *testing.T) {
			run(t, db, "DROP DATABASE "+schema, "CREATE DATABASE "+schema)
			seedChangeable(t, db, schema)
			fixture, id, err := changing(t, db, newServer(t, as, nil, schema), schema, change)
			if errors.Is(err, errChanged) {
				return // the two were not created in the same second
			}
			if err != nil {
				t.Fatal(err)
			}
			point := fixture.Source(t, id, "main")
			if !warned(point, warnSwappable) {
				t.Errorf("the point does not warn %s", warnSwappable)
			}
			if name == "rows alone" && point.Summary().Rows != 503 {
				t.Errorf("%d rows, want the 503 of the snapshot", point.Summary().Rows)
			}
		})
	}
}

// A schema whose name InnoDB spells in its own way is looked after as well.
func TestSwapInASchemaWithAnOddName(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	schema := env.NewSchema(t) + " ö-$"
	run(t, db, "CREATE DATABASE `"+schema+"`")
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE `"+schema+"`"); err != nil {
			t.Error(err)
		}
	})
	seedChangeable(t, db, schema)
	as := newAccount(t, db, env.MySQLAddress, reading, "PROCESS, SHOW_ROUTINE", schema)
	defer awaitGone(t, db, as)
	_, _, err := changing(t, db, newServer(t, as, nil, schema), schema, "RENAME TABLE other TO old, twin TO other, old TO twin")
	if !errors.Is(err, errChanged) {
		t.Errorf("dump with a swap in its midst: %v, want %v", err, errChanged)
	}
}

// A change while the snapshot opens, before a row is read, has the dump begin
// anew.
func TestChangeWhileTheSnapshotOpens(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedChangeable(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	d := begun(t, s)
	if err := d.readDefinitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, db, fmt.Sprintf("ALTER TABLE %s.other ADD COLUMN b INT", schema))
	if err := d.checkUnchanged(t.Context()); !isChange(err) {
		t.Errorf("%v, want it to count as a change", err)
	}
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.snapshot.close()
	for _, table := range d.tables {
		if table.Name == "other" && len(table.Columns) != 2 {
			t.Errorf("table other has columns %v, want those of after the change", columnNames(table.Columns))
		}
	}
}

// A table that is there only while the snapshot opens belongs to it: the binary
// log from there on may go on about it. That is noticed on every rung.
func TestTableThatIsThereForAMoment(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedChangeable(t, db, schema)
	for name, as := range map[string]account{
		"under the global lock": rootOf(env),
		"under table locks":     newAccount(t, db, env.MySQLAddress, reading+", LOCK TABLES", "SHOW_ROUTINE", schema),
		"in a single session":   newAccount(t, db, env.MySQLAddress, reading, "SHOW_ROUTINE", schema),
	} {
		t.Run(name, func(t *testing.T) { requireMomentNoticed(t, db, newServer(t, as, nil, schema), schema) })
	}
}

func requireMomentNoticed(t *testing.T, db *sql.DB, s *Server, schema string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "USE "+schema)
	for _, moment := range [][2]string{
		{"CREATE TABLE brief (a INT)", "DROP TABLE brief"},
		{"CREATE VIEW brief AS SELECT 1", "DROP VIEW brief"},
		{"CREATE PROCEDURE brief() DO 0", "DROP PROCEDURE brief"},
		{"CREATE EVENT brief ON SCHEDULE EVERY 1 DAY DO DO 0", "DROP EVENT brief"},
		{"CREATE TRIGGER brief BEFORE INSERT ON other FOR EACH ROW SET @a = 1", "DROP TRIGGER brief"},
		{"RENAME TABLE other TO another", "RENAME TABLE another TO other"},
	} {
		d := begun(t, s)
		if err := d.readDefinitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(t, conn, moment[0])
		if err := d.openSnapshot(t.Context()); !isChange(err) {
			t.Errorf("%s while the snapshot opens: %v, want it to count as a change", moment[0], err)
		}
		run(t, conn, moment[1])
	}
}
