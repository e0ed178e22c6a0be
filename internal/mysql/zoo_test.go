package mysql

import (
	"database/sql"
	"embed"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

//go:embed testdata/zoo/*.sql
var zooFiles embed.FS

// seedWholeZoo fills a schema per file of testdata/zoo, named after it, and
// returns the schemas by subject.
func seedWholeZoo(t *testing.T, db *sql.DB, newSchema func(subject string) string) map[string]string {
	t.Helper()
	files, err := fs.Glob(zooFiles, "testdata/zoo/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]string{}
	for _, file := range files {
		subject := strings.TrimSuffix(path.Base(file), ".sql")
		schemas[subject] = newSchema(subject)
		seedFile(t, db, schemas[subject], zooFile(t, subject))
	}
	return schemas
}

func zooFile(t *testing.T, subject string) string {
	t.Helper()
	data, err := zooFiles.ReadFile("testdata/zoo/" + subject + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// seedFile runs statements that end with a line of "$$".
func seedFile(t *testing.T, db *sql.DB, schema, file string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "SET NAMES utf8mb4", "USE "+quoteName(schema), "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'", "SET foreign_key_checks = 0",
		"SET restrict_fk_on_non_standard_key = OFF", "SET innodb_strict_mode = ON",
		"SET default_storage_engine = InnoDB", "SET cte_max_recursion_depth = 1000", "SET sql_require_primary_key = OFF", "SET sql_generate_invisible_primary_key = OFF", "SET explicit_defaults_for_timestamp = ON")
	for statement := range strings.SplitSeq(file, "\n$$\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			run(t, conn, statement)
		}
	}
}

// requireNoDifference reports what our own comparison found in a schema.
func requireNoDifference(t *testing.T, result *source.Comparison, schema string) {
	t.Helper()
	for _, d := range result.Differences {
		if strings.Contains(d.Object, schema) {
			t.Errorf("the restored copy differs: %v", d)
		}
	}
}

// requireSame compares two schemas by means that are not ours.
func requireSame(t *testing.T, want, got observation) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy looks different (-source +copy):\n%s", diff)
	}
}

// Invariant 3: every subject of the zoo comes back to the bit, judged by our
// digests and by what the server itself shows.
func TestWholeZooComesBack(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	schemas := seedWholeZoo(t, db, func(string) string { return env.NewSchema(t) })
	rename := map[string]string{}
	for _, schema := range schemas {
		rename[schema] = env.NewSchema(t)
	}
	s := newServer(t, rootOf(env), nil, slices.Sorted(maps.Keys(rename))...)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	result := bringBack(t, s, point, rename)
	for subject, schema := range schemas {
		t.Run(subject, func(t *testing.T) {
			requireNoDifference(t, result, schema)
			requireSame(t, observe(t, db, schema), observe(t, db, rename[schema]))
		})
	}
}
