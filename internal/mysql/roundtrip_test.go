package mysql

import (
	"context"
	"database/sql"
	"fmt"
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

// Invariant 3: what comes back equals what was captured, to the bit.
func TestZooComesBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	fixture := repotest.New(t)
	point := fixture.Capture(t, "main", Kind, s)

	// Invariant 4: no value, and no definition, is anywhere in the clear.
	repotest.RequireSealed(t, fixture.Dir(), []string{"violates the key", "back\\slash", "مرحبا", "it''s", "CREATE TABLE", "no member", env.MySQLPassword})
	requireEqual(t, bringBack(t, s, point, map[string]string{schema: copied}))
	if diff := cmp.Diff(checksums(t, db, schema), checksums(t, db, copied)); diff != "" {
		t.Errorf("CHECKSUM TABLE differs (-source +copy):\n%s", diff)
	}
}

// smallChunks makes a few thousand rows a table of many chunks.
func smallChunks(s *Settings) { s.ChunkSize = minChunkSize }

// seedLarge fills tables that have to be cut: by an integer in even and in
// lumpy distances, by a composite key in a case-insensitive collation, by
// bytes, and not at all.
func seedLarge(t *testing.T, db *sql.DB, schema string, rows int) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	numbers := fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", rows)
	run(t, conn,
		"USE "+schema, fmt.Sprintf("SET cte_max_recursion_depth = %d", rows),
		"CREATE TABLE even (id BIGINT AUTO_INCREMENT PRIMARY KEY, body VARCHAR(200), KEY (body(10)))",
		"INSERT INTO even (body) "+numbers+"SELECT CONCAT('row\\t', i, REPEAT('x', i % 100)) FROM n",
		"CREATE TABLE lumpy (id BIGINT UNSIGNED PRIMARY KEY, body VARCHAR(200))",
		"INSERT INTO lumpy "+numbers+"SELECT IF(i < 100, i, 18446744073709551615 - i), REPEAT('y', 100) FROM n",
		"CREATE TABLE negative (id INT PRIMARY KEY, body VARCHAR(200))",
		"INSERT INTO negative "+numbers+"SELECT i * 7 - 20000, REPEAT('z', 100) FROM n",
		"CREATE TABLE composite (a VARCHAR(64) COLLATE utf8mb4_unicode_ci, b CHAR(64) CHARACTER SET latin1, c DATE, body TEXT, PRIMARY KEY (a, b, c))",
		"INSERT INTO composite "+numbers+"SELECT CONCAT(IF(i % 2, 'Ä', 'a'), i % 7), CONCAT('u', i DIV 3), '2024-01-01' + INTERVAL i DAY, REPEAT('w', 100) FROM n",
		"CREATE TABLE bytes (k VARBINARY(16) NOT NULL, body TEXT, UNIQUE KEY (k))",
		"INSERT INTO bytes "+numbers+"SELECT LEFT(UNHEX(SHA2(i, 256)), 16), REPEAT('v', 100) FROM n",
		"CREATE TABLE keyless (a INT, body TEXT)",
		"INSERT INTO keyless "+numbers+"SELECT i % 10, REPEAT('u', 100) FROM n",
		"ANALYZE TABLE even, lumpy, negative, composite, bytes, keyless",
	)
}

func TestLargeTablesAreCutAndComeBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedLarge(t, db, schema, 20000)
	s := newServer(t, rootOf(env), smallChunks, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)

	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	for _, table := range captured.Schemas[0].Tables {
		if table.Rows != 20000 || table.Chunks < 5 {
			t.Errorf("table %s: %d rows in %d chunks, want 20000 in at least 5", table.Name, table.Rows, table.Chunks)
		}
	}
	requireEqual(t, bringBack(t, s, point, map[string]string{schema: copied}))
	if diff := cmp.Diff(checksums(t, db, schema), checksums(t, db, copied)); diff != "" {
		t.Errorf("CHECKSUM TABLE differs (-source +copy):\n%s", diff)
	}
}

// Invariant 11: whatever is changed in a restored copy is found.
func TestComparisonFindsEveryChange(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	rename := map[string]string{schema: copied}
	requireEqual(t, bringBack(t, s, point, rename))
	plan, err := s.Plan(t.Context(), point, source.Selection{Rename: rename})
	if err != nil {
		t.Fatal(err)
	}
	changes := []struct{ name, change, object, what string }{
		{"one bit of a value", "UPDATE texts SET v = 'Tab\\tnew\\nline\\r\\nback\\\\slash\\0nul\\Zz \\\\N \\\\' WHERE c = 'tail'", ".texts", "digest"},
		{"'' for NULL", "UPDATE texts SET vb = '' WHERE n = 'x'", ".texts", "digest"},
		{"the sign of zero", "UPDATE numbers SET dbl = 0e0 WHERE id = 4", ".numbers", "digest"},
		{"two rows swapped", "UPDATE parts SET id = 3 - id", ".parts", "digest"},
		{"a row lost", "DELETE FROM isam LIMIT 1", ".isam", "rows"},
		{"a row more", "INSERT INTO nothing VALUES (1)", ".nothing", "rows"},
		{"a table lost", "DROP TABLE Upper", ".Upper", "missing"},
		{"a table more", "CREATE TABLE more (a INT)", ".more", "surplus"},
		{"an index lost", "ALTER TABLE `generated` DROP KEY fn", ".generated", "definition"},
		{"the next number", "ALTER TABLE child AUTO_INCREMENT = 1, DROP KEY ft", ".child", "definition"},
		{"a view changed", "CREATE OR REPLACE VIEW a_view AS SELECT 1 AS id, 2 AS t2", ".a_view", "definition"},
		{"a trigger lost", "DROP TRIGGER first", ".first", "missing"},
		{"an event changed", "ALTER EVENT nightly ENABLE", ".nightly", "definition"},
		{"a procedure more", "CREATE PROCEDURE p() SELECT 1", ".p", "surplus"},
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "USE "+copied, "SET foreign_key_checks = 0")
	for _, tt := range changes {
		run(t, conn, tt.change)
	}
	found := compare(t, s, point, plan)
	for _, tt := range changes {
		if !slices.ContainsFunc(found.Differences, func(d source.Difference) bool {
			return strings.HasSuffix(d.Object, tt.object) && d.What == tt.what
		}) {
			t.Errorf("%s: no difference of %s in *%s among %v", tt.name, tt.what, tt.object, found.Differences)
		}
	}
}

// Invariant 5: a plan names what a restore would destroy, and what has come
// since then is not destroyed.
func TestOccupiedTarget(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "INSERT INTO "+schema+".t VALUES (1)")
	s := newServer(t, rootOf(env), nil, schema)
	s.recognise = func(_ context.Context, _ *sql.DB, name string) (string, error) { return "known as " + name, nil }
	point := repotest.New(t).Capture(t, "main", Kind, s)

	occupied, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	want := []source.Occupied{{Target: "mysql/" + env.MySQLAddress + "/" + schema, Parts: []string{schema}, Holds: "1 table (16 KiB), known as " + schema}}
	if diff := cmp.Diff(want, occupied.Occupied); diff != "" {
		t.Errorf("occupied targets (-want +got):\n%s", diff)
	}

	free, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
	if err != nil {
		t.Fatal(err)
	}
	if len(free.Occupied) != 0 {
		t.Errorf("an empty schema counts as occupied: %v", free.Occupied)
	}
	run(t, db, "CREATE TABLE "+copied+".precious (a INT)")
	_, err = s.Restore(t.Context(), point, free, progress.Discard)
	if fault.KindOf(err) != fault.Refused {
		t.Errorf("restore into a target that was filled after the plan: %v, want a refusal", err)
	}
	if n := text(t, db, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '"+copied+"'"); n != "1" {
		t.Errorf("the target has %s tables, want its one left alone", n)
	}
}

func TestPartOfASchemaLeavesTheRestAlone(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".a (x INT)", "CREATE TABLE "+schema+".b (x INT)", "INSERT INTO "+schema+".a VALUES (1)")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	run(t, db, "DELETE FROM "+schema+".a", "INSERT INTO "+schema+".b VALUES (2)")

	plan, err := s.Plan(t.Context(), point, source.Selection{Include: []string{schema + ".a"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compare(t, s, point, plan))
	if got := text(t, db, "SELECT CONCAT((SELECT COUNT(*) FROM "+schema+".a), (SELECT COUNT(*) FROM "+schema+".b))"); got != "11" {
		t.Errorf("rows in a and b: %s, want 11", got)
	}
}
