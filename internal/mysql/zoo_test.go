package mysql

import (
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
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

// wholeZoo is a point of every subject.
type wholeZoo struct {
	env      *testbed.Env
	db       *sql.DB
	schemas  map[string]string // by subject
	captured *repository.SourceReader
	looked   map[string]observation // at each schema, by subject
}

// TestWholeZoo takes one point of all subjects and brings it back in every way
// that there is. Invariant 3: to the bit, judged by our digests and by what the
// server itself shows.
func TestWholeZoo(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	z := &wholeZoo{env: env, db: env.OpenMySQL(t), looked: map[string]observation{}}
	z.schemas = seedWholeZoo(t, z.db, func(string) string { return env.NewSchema(t) })
	z.captured = repotest.New(t).Capture(t, "main", Kind, z.server(t, rootOf(env)))
	for subject, schema := range z.schemas {
		z.looked[subject] = observe(t, z.db, schema)
	}
	t.Run("beside the source", z.besideTheSource)
	t.Run("table by table, under other names", z.tableByTable)
	t.Run("by INSERT on another server", z.byInsertOnAnotherServer)
	t.Run("by the stock client", z.byTheStockClient)
}

// server is a source of all subjects' schemas, as an account sees it.
func (z *wholeZoo) server(t *testing.T, as account) *Server {
	t.Helper()
	return newServer(t, as, nil, slices.Sorted(maps.Values(z.schemas))...)
}

// renamed makes an empty schema beside each.
func (z *wholeZoo) renamed(t *testing.T) map[string]string {
	t.Helper()
	rename := map[string]string{}
	for _, schema := range z.schemas {
		rename[schema] = z.env.NewSchema(t)
	}
	return rename
}

// requireBack judges every subject's copy; name gives a copy's name.
func (z *wholeZoo) requireBack(t *testing.T, db *sql.DB, result *source.Comparison, name func(schema string) string) {
	t.Helper()
	for subject, schema := range z.schemas {
		t.Run(subject, func(t *testing.T) {
			requireNoDifference(t, result, schema)
			requireSame(t, z.looked[subject], observe(t, db, name(schema)))
		})
	}
}

// tableByTable restores every single table as a copy, all of them into one
// schema.
func (z *wholeZoo) tableByTable(t *testing.T) {
	into := z.env.NewSchema(t)
	var captured Captured
	if err := z.captured.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	want := source.Selection{Include: []string{"*"}, Rename: map[string]string{}}
	copies := map[string]tableName{} // by the copy's name
	for _, schema := range captured.Schemas {
		for _, table := range schema.Tables {
			if table.Name == "merged" { // it has no rows of its own, and is refused
				want.Exclude = append(want.Exclude, schema.Name+".merged")
				continue
			}
			name := fmt.Sprintf("t%d", len(copies))
			copies[name] = tableName{schema.Name, table.Name}
			want.Rename[quoteName(schema.Name)+"."+quoteName(table.Name)] = into + "." + name
		}
	}
	s := z.server(t, rootOf(z.env))
	_, result := besides(t, s, z.captured, want)
	requireEqual(t, result)
	if len(result.Items) != len(copies) {
		t.Errorf("%d tables were compared, want %d", len(result.Items), len(copies))
	}
	sums := checksums(t, z.db, into)
	for name, of := range copies {
		original, is := z.looked[z.subject(of.schema)]["checksum of table "+of.name]
		// CHECKSUM TABLE sees an ARCHIVE table as it was when it was opened.
		if is && sums[name] != original && of.name != "archived" {
			t.Errorf("checksum of the copy of %s is %s, want %s", of, sums[name], original)
		}
	}
}

// subject returns of what a schema is an example.
func (z *wholeZoo) subject(schema string) string {
	for subject, name := range z.schemas {
		if name == schema {
			return subject
		}
	}
	return ""
}

func (z *wholeZoo) besideTheSource(t *testing.T) {
	rename := z.renamed(t)
	s := z.server(t, rootOf(z.env))
	z.requireBack(t, z.db, bringBack(t, s, z.captured, rename), func(schema string) string { return rename[schema] })
	t.Run("every change is found", func(t *testing.T) { z.everyChangeIsFound(t, s, rename) })
}
