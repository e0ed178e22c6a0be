package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// Invariant 11: what a drill changes in a copy is one value, and the comparison
// of just that table finds it.
func TestDisturbanceIsFound(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	tests := map[string]struct {
		create string
		insert string
		table  string // that is disturbed; empty: nothing can be
	}{
		"a text":                      {"CREATE TABLE t (a VARCHAR(9))", "INSERT INTO t VALUES ('x'), ('X')", "t"},
		"a text with an index":        {"CREATE TABLE t (a VARCHAR(9) PRIMARY KEY)", "INSERT INTO t VALUES ('x'), ('z')", "t"},
		"a number":                    {"CREATE TABLE t (a INT UNSIGNED)", "INSERT INTO t VALUES (0)", "t"},
		"a float":                     {"CREATE TABLE t (a FLOAT)", "INSERT INTO t VALUES (1.5)", "t"},
		"a document":                  {"CREATE TABLE t (a JSON)", "INSERT INTO t VALUES ('{}')", "t"},
		"a date":                      {"CREATE TABLE t (a DATE)", "INSERT INTO t VALUES ('2001-01-01')", "t"},
		"NULL":                        {"CREATE TABLE t (a DATETIME)", "INSERT INTO t VALUES (NULL)", "t"},
		"another than what is unique": {"CREATE TABLE t (a TINYINT UNIQUE, b TEXT)", "INSERT INTO t VALUES (0, 'x'), (1, 'y')", "t"},
		"a value that no rule allows": {"CREATE TABLE t (a INT CHECK (a > 5))", "INSERT INTO t VALUES (7)", ""},
		"no row":                      {"CREATE TABLE t (a INT)", "DO 0", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema, copied := env.NewSchema(t), env.NewSchema(t)
			run(t, db, strings.Replace(tt.create, "TABLE t", "TABLE "+schema+".t", 1), strings.Replace(tt.insert, "INTO t", "INTO "+schema+".t", 1))
			s := newServer(t, rootOf(env), nil, schema)
			point := repotest.New(t).Capture(t, "main", Kind, s)
			rename := map[string]string{schema: copied}
			requireEqual(t, bringBack(t, s, point, rename))
			plan, err := s.Plan(t.Context(), point, source.Selection{Rename: rename})
			if err != nil {
				t.Fatal(err)
			}
			disturbed, err := s.Disturb(t.Context(), point, plan)
			if err != nil {
				t.Fatal(err)
			}
			if (disturbed != nil) != (tt.table != "") {
				t.Fatalf("disturbed %+v, want table %q", disturbed, tt.table)
			}
			if disturbed == nil {
				return
			}
			part, err := s.Plan(t.Context(), point, disturbed.Select)
			if err != nil {
				t.Fatal(err)
			}
			found := compare(t, s, point, part).Differences
			if !slices.ContainsFunc(found, func(d source.Difference) bool { return d.What == disturbed.Finds && d.Object == schema+"."+tt.table }) {
				t.Errorf("differences %+v, want %s of %s", found, disturbed.Finds, tt.table)
			}
		})
	}
}

// A query of somebody else reads, and can change nothing.
func TestQuery(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT, b TEXT, c TIMESTAMP)", "INSERT INTO "+schema+".t VALUES (1, 'one', '2026-11-23 01:02:03+00:00'), (2, NULL, NULL)")
	s := newServer(t, rootOf(env), nil, schema)
	var got []string
	err := s.Query(t.Context(), "SELECT a, b FROM "+schema+".t ORDER BY a", func(row []*string) error {
		text := "NULL"
		if row[1] != nil {
			text = *row[1]
		}
		got = append(got, *row[0]+" "+text)
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"1 one", "2 NULL"}) {
		t.Errorf("got %v, %v", got, err)
	}
	err = s.Query(t.Context(), NewestQuery(schema, "t", "c"), func(row []*string) error {
		got = append(got, *row[0])
		return nil
	})
	if err != nil || len(got) != 3 || got[2] != "2026-11-23 01:02:03" {
		t.Errorf("the newest is %v, %v", got, err)
	}
	for _, statement := range []string{"DELETE FROM " + schema + ".t", "INSERT INTO " + schema + ".t (a) VALUES (3)", "SELECT nothing FROM " + schema + ".t"} {
		if err := s.Query(t.Context(), statement, func([]*string) error { return nil }); err == nil {
			t.Errorf("%s passed", statement)
		} else if strings.Contains(err.Error(), "nothing") {
			t.Errorf("%v quotes the statement", err)
		}
	}
	if rows := text(t, db, "SELECT COUNT(*) FROM "+schema+".t"); rows != "2" {
		t.Errorf("%s rows are left", rows)
	}
}
