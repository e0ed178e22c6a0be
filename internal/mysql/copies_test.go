package mysql

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// seedFamily makes tables that refer to each other, with everything whose name
// is unique in a schema, and what refers to them.
func seedFamily(t *testing.T, db *sql.DB, schema string) {
	t.Helper()
	in := schema + "."
	run(t, db,
		"CREATE TABLE "+in+"people (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), age INT CHECK (age >= 0), CONSTRAINT adult CHECK (age > 17) NOT ENFORCED)",
		"CREATE TABLE "+in+"pets (id INT PRIMARY KEY, owner INT, mother INT, note TEXT COMMENT 'CONSTRAINT `x` REFERENCES `people`', KEY (owner), FULLTEXT KEY (note),"+
			" FOREIGN KEY (owner) REFERENCES "+in+"people (id) ON DELETE CASCADE, CONSTRAINT descent FOREIGN KEY (mother) REFERENCES "+in+"pets (id))",
		"INSERT INTO "+in+"people VALUES (1, 'Ann', 30), (2, 'Bob', 20), (7, 'Cyd', 40)", "DELETE FROM "+in+"people WHERE id = 7",
		"INSERT INTO "+in+"pets VALUES (1, 1, NULL, 'one'), (2, 1, 1, 'two'), (3, 2, 1, NULL)",
		"CREATE TRIGGER "+in+"counted BEFORE INSERT ON "+in+"pets FOR EACH ROW SET NEW.note = CONCAT('new ', NEW.note)",
		"CREATE VIEW "+in+"owned AS SELECT name, note FROM "+in+"people JOIN "+in+"pets ON owner = people.id")
}

// besides restores tables of a point under other names.
func besides(t *testing.T, s *Server, from *repository.SourceReader, want source.Selection) (*source.Plan, *source.Comparison) {
	t.Helper()
	plan, err := s.Plan(t.Context(), from, want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	return plan, compare(t, s, from, plan)
}

// shownAs is what the server shows of a table, with other words in the place of
// some; sorted, since the order of keys means nothing.
func shownAs(t *testing.T, db *sql.DB, table string, replace ...string) []string {
	t.Helper()
	var name, create string
	if err := db.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+table).Scan(&name, &create); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.NewReplacer(replace...).Replace(create), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], ",")
	}
	slices.Sort(lines)
	return lines
}

// One table of the point comes back beside the one in use, which is left alone.
func TestTableComesBackBesideTheOneInUse(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	captured := checksums(t, db, schema)["pets"]
	run(t, db, "UPDATE "+schema+".pets SET note = 'changed' WHERE id = 2", "DELETE FROM "+schema+".people WHERE id = 2")
	inUse := observe(t, db, schema)

	want := source.Selection{Include: []string{schema + ".pets"}, Rename: map[string]string{schema + ".pets": "pets_restored"}}
	plan, result := besides(t, s, point, want)
	requireEqual(t, result)
	if len(plan.Occupied) != 0 {
		t.Errorf("occupied %v, though there is no table of the new name", plan.Occupied)
	}
	if got := []string{plan.Steps[0].Action, result.Items[0].Name}; !slices.Equal(got, []string{"load 1 table (" + schema + ".pets as pets_restored)", schema + ".pets"}) {
		t.Errorf("the plan and the comparison call it %q", got)
	}
	wantDeviations := []source.Deviation{
		{Object: "table " + schema + ".pets", What: "left out", Why: "its foreign key pets_ibfk_1 would bind table " + schema + ".people, which is in use and no copy"},
		{Object: "table " + schema + ".pets", What: "renamed", Why: "its constraint descent becomes pets_restored_descent: names of constraints are unique in a schema"},
	}
	if diff := cmp.Diff(wantDeviations, result.Deviations); diff != "" {
		t.Errorf("deviations (-want +got):\n%s", diff)
	}
	if !slices.Contains(plan.Warnings, "table "+schema+".pets comes back without its 1 trigger") {
		t.Errorf("warnings %q, want one of the trigger", plan.Warnings)
	}

	// By means other than ours: the rows, the definition, and all the rest.
	if got := checksums(t, db, schema)["pets_restored"]; got != captured {
		t.Errorf("checksum of the copy %s, want %s", got, captured)
	}
	expected := slices.DeleteFunc(shownAs(t, db, schema+".pets", "TABLE `pets`", "TABLE `pets_restored`", "CONSTRAINT `descent`", "CONSTRAINT `pets_restored_descent`", "REFERENCES `pets` (", "REFERENCES `pets_restored` ("),
		func(line string) bool { return strings.Contains(line, "pets_ibfk_1") })
	if diff := cmp.Diff(expected, shownAs(t, db, schema+".pets_restored")); diff != "" {
		t.Errorf("the copy's definition (-want +got):\n%s", diff)
	}
	run(t, db, "DROP TABLE "+schema+".pets_restored")
	requireSame(t, inUse, observe(t, db, schema))
}

// A schema of which a table is renamed is restored in part: what the point says
// nothing of stays, and so does what knows the table by its name.
func TestSchemaOfWhichATableIsRenamed(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	run(t, db, "CREATE TABLE "+schema+".precious (a INT)", "DELETE FROM "+schema+".people WHERE id = 2")
	plan, result := besides(t, s, point, source.Selection{Include: []string{schema}, Rename: map[string]string{schema + ".pets": "pets2"}})
	requireEqual(t, result)
	if len(plan.Occupied) != 1 || !strings.HasSuffix(plan.Occupied[0].Holds, "): people") {
		t.Errorf("occupied %v, want the table that keeps its name", plan.Occupied)
	}
	if !slices.Contains(plan.Warnings, "schema "+schema+" is restored in part: routines, views, triggers and events are left out") {
		t.Errorf("warnings %q, want one of what is left out", plan.Warnings)
	}
	if got := text(t, db, "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '"+schema+"'"); got != "owned,people,pets,pets2,precious" {
		t.Errorf("the schema holds %s afterwards", got)
	}
	if got := text(t, db, "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '"+schema+"'"); got != "1" {
		t.Errorf("%s triggers are left, want 1", got)
	}
}

// Copies refer to copies, in whatever schema they are, and the names of their
// constraints follow them.
func TestCopiesReferToCopies(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, other := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	run(t, db, "ALTER TABLE "+schema+".people ADD best INT, ADD FOREIGN KEY (best) REFERENCES "+schema+".pets (id)", "UPDATE "+schema+".people SET best = 3 WHERE id = 1")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	absent := other + "_absent"
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+absent); err != nil {
			t.Error(err)
		}
	})
	both := []string{schema + ".people", schema + ".pets"}
	tests := map[string]struct {
		people, pets string // their new names
		references   string // TABLE.CONSTRAINT -> SCHEMA.TABLE
	}{
		"beside them":                   {"people2", "pets2", "people2.people2_ibfk_1->SCHEMA.pets2 pets2.pets2_descent->SCHEMA.pets2 pets2.pets2_ibfk_1->SCHEMA.people2"},
		"in another schema":             {"OTHER.people", "OTHER.pets", "people.people_ibfk_1->OTHER.pets pets.descent->OTHER.pets pets.pets_ibfk_1->OTHER.people"},
		"in a schema that is not there": {"ABSENT.people", "ABSENT.p", "p.p_descent->ABSENT.p p.p_ibfk_1->ABSENT.people people.people_ibfk_1->ABSENT.p"},
		"in two schemas":                {"OTHER.people9", "pets9", "people9.people9_ibfk_1->SCHEMA.pets9 pets9.pets9_descent->SCHEMA.pets9 pets9.pets9_ibfk_1->OTHER.people9"},
	}
	names := strings.NewReplacer("SCHEMA", schema, "OTHER", other, "ABSENT", absent)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rename := map[string]string{schema + ".people": names.Replace(tt.people), schema + ".pets": names.Replace(tt.pets)}
			plan, result := besides(t, s, point, source.Selection{Include: both, Rename: rename})
			requireEqual(t, result)
			if len(plan.Occupied) != 0 || len(result.Items) != 2 {
				t.Errorf("occupied %v, compared %v", plan.Occupied, result.Items)
			}
			place := func(renamed string) (schemaName, table string) {
				if before, after, found := strings.Cut(names.Replace(renamed), "."); found {
					return before, after
				}
				return schema, renamed
			}
			var got []string
			for _, renamed := range []string{tt.people, tt.pets} {
				in, table := place(renamed)
				got = append(got, strings.Fields(text(t, db, "SELECT GROUP_CONCAT(DISTINCT TABLE_NAME, '.', CONSTRAINT_NAME, '->', REFERENCED_TABLE_SCHEMA, '.', REFERENCED_TABLE_NAME SEPARATOR ' ')"+
					" FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND TABLE_SCHEMA = '"+in+"' AND TABLE_NAME = '"+table+"'"))...)
				if sum, want := checksums(t, db, in)[table], checksums(t, db, schema)[map[bool]string{true: "people", false: "pets"}[renamed == tt.people]]; sum != want {
					t.Errorf("checksum of %s.%s is %s, want %s", in, table, sum, want)
				}
			}
			slices.Sort(got)
			for _, renamed := range []string{tt.people, tt.pets} { // or no schema could be dropped
				in, table := place(renamed)
				dropReferences(t, db, in, table)
			}
			if diff := cmp.Diff(strings.Fields(names.Replace(tt.references)), got); diff != "" {
				t.Errorf("references (-want +got):\n%s", diff)
			}
		})
	}
}

// dropReferences drops the foreign keys of a table.
func dropReferences(t *testing.T, db *sql.DB, schema, table string) {
	t.Helper()
	records, err := queryRecords(t.Context(), db, "SELECT CONSTRAINT_NAME AS name FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '"+schema+"' AND TABLE_NAME = '"+table+"'")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		run(t, db, "ALTER TABLE "+schema+"."+table+" DROP FOREIGN KEY "+r.text("name"))
	}
}

// Names that are taken at the target are avoided, and nothing is destroyed that
// the plan does not name.
func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	plan := func(rename ...string) (*source.Plan, error) {
		want := source.Selection{Include: []string{schema + ".people"}, Rename: map[string]string{}}
		for i := 0; i < len(rename); i += 2 {
			want.Rename[schema+"."+rename[i]] = rename[i+1]
		}
		return s.Plan(t.Context(), point, want)
	}
	t.Run("a constraint of another table", func(t *testing.T) {
		run(t, db, "CREATE TABLE "+schema+".thief (a INT, CONSTRAINT copy_adult CHECK (a > 0), CONSTRAINT copy_chk_1 CHECK (a > 1))")
		made, err := plan("people", "copy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Restore(t.Context(), point, made, progress.Discard); err != nil {
			t.Fatal(err)
		}
		requireEqual(t, compare(t, s, point, made))
		again, err := plan("people", "copy") // a plan made when all is there must come to the same names
		if err != nil {
			t.Fatal(err)
		}
		requireEqual(t, compare(t, s, point, again))
		if got := text(t, db, "SELECT GROUP_CONCAT(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_TYPE = 'CHECK' AND TABLE_NAME = 'copy' AND TABLE_SCHEMA = '"+schema+"'"); got != "copy_adult_2,copy_chk_1_2" {
			t.Errorf("checks %s, want copy_adult_2,copy_chk_1_2", got)
		}
	})
	t.Run("a constraint of the table's own name", func(t *testing.T) {
		run(t, db, "DROP TABLE "+schema+".thief", "ALTER TABLE "+schema+".people DROP CHECK adult", "ALTER TABLE "+schema+".pets ADD CONSTRAINT adult CHECK (id > 0)")
		made, err := plan()
		if err != nil {
			t.Fatal(err)
		}
		if got := made.Occupied; len(got) != 1 || got[0].Target != "mysql/"+env.MySQLAddress+"/"+schema || !strings.HasPrefix(got[0].Holds, "1 table (") || !strings.HasSuffix(got[0].Holds, "): people") {
			t.Errorf("occupied %v, want the table that would be lost, and its schema", got)
		}
		if got := made.Deviations; len(got) != 1 || got[0].What != "renamed" || !strings.Contains(got[0].Why, "adult becomes people_adult") {
			t.Errorf("deviations %v, want the constraint", got)
		}
		if _, err := s.Restore(t.Context(), point, made, progress.Discard); err != nil {
			t.Fatal(err)
		}
		requireEqual(t, compare(t, s, point, made))
	})
	t.Run("a table", func(t *testing.T) {
		made, err := plan("people", "copy")
		if err != nil {
			t.Fatal(err)
		}
		if got := made.Occupied; len(got) != 1 || !strings.HasSuffix(got[0].Holds, "): copy") {
			t.Errorf("occupied %v, want the table of the new name", got)
		}
	})
	t.Run("a view", func(t *testing.T) {
		_, err := plan("people", "owned")
		requireRefusal(t, err, schema+".owned is a view there, and not a table")
	})
}

// Two things that would get one name are refused, and so is a name for what is
// not restored.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, first, second := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+first+".t (a INT)", "CREATE TABLE "+first+".u (a INT)", "CREATE TABLE "+second+".t (a INT)", "CREATE TABLE "+second+".`dot.ted` (a INT)",
		"CREATE TABLE "+second+".part (a INT) ENGINE=MyISAM", "CREATE TABLE "+second+".merged (a INT) ENGINE=MERGE UNION=("+second+".part)")
	s := newServer(t, rootOf(env), nil, first, second)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	names := strings.NewReplacer("FIRST", first, "SECOND", second)
	tests := map[string]struct {
		include []string
		rename  map[string]string
		says    string // empty: it can be
	}{
		"rows of other tables":                {[]string{"SECOND.merged"}, map[string]string{"SECOND.merged": "x"}, "table SECOND.merged is a MERGE of other tables"},
		"two tables":                          {[]string{"FIRST.t", "FIRST.u"}, map[string]string{"FIRST.t": "x", "FIRST.u": "x"}, `tables "FIRST.t" and "FIRST.u" would both become "FIRST.x"`},
		"a table onto one that comes back":    {[]string{"FIRST"}, map[string]string{"FIRST.t": "u"}, `would both become "FIRST.u"`},
		"two that trade places":               {[]string{"FIRST"}, map[string]string{"FIRST.t": "u", "FIRST.u": "t"}, ""},
		"tables of two schemas":               {[]string{"FIRST.t", "SECOND.t"}, map[string]string{"FIRST": "x", "SECOND": "x"}, `would both become "x.t"`},
		"a table into a schema as a whole":    {[]string{"FIRST", "SECOND.t"}, map[string]string{"SECOND.t": "FIRST.v"}, `would both become "FIRST"`},
		"two schemas":                         {nil, map[string]string{"FIRST": "SECOND"}, `would both become "SECOND"`},
		"a table that is not chosen":          {[]string{"SECOND"}, map[string]string{"FIRST.t": "x"}, "table FIRST.t gets another name, and the selection leaves it out"},
		"a table that is excluded":            {[]string{"FIRST.u"}, map[string]string{"FIRST.t": "x"}, "the selection leaves it out"},
		"tables of two schemas, side by side": {[]string{"FIRST.t", "SECOND.t"}, map[string]string{"FIRST.t": "absent.a", "SECOND.t": "absent.b"}, ""},
		"a name with a dot":                   {[]string{`SECOND.dot\.ted`}, map[string]string{"SECOND.`dot.ted`": "`and.another`"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := source.Selection{Rename: map[string]string{}}
			for _, pattern := range tt.include {
				want.Include = append(want.Include, names.Replace(pattern))
			}
			for old, renamed := range tt.rename {
				want.Rename[names.Replace(old)] = names.Replace(renamed)
			}
			_, err := s.Plan(t.Context(), point, want)
			if tt.says == "" {
				if err != nil {
					t.Errorf("got %v, want a plan", err)
				}
				return
			}
			requireRefusal(t, err, names.Replace(tt.says))
		})
	}
}

// Invariant 11: whatever is changed in a copy is found, under the name that the
// table has in the point.
func TestComparisonFindsEveryChangeOfACopy(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	want := source.Selection{Include: []string{schema + ".pets"}, Rename: map[string]string{schema + ".pets": "copy"}}
	for change, what := range map[string]string{
		"UPDATE copy SET note = 'One' WHERE id = 1":                          "digest",
		"DELETE FROM copy WHERE id = 3":                                      "rows",
		"ALTER TABLE copy DROP KEY owner":                                    "definition",
		"ALTER TABLE copy DROP FOREIGN KEY copy_descent":                     "definition",
		"ALTER TABLE copy DROP COLUMN mother, DROP FOREIGN KEY copy_descent": "columns",
		"ALTER TABLE copy COMMENT 'x'":                                       "definition",
		"DROP TABLE copy":                                                    "missing",
	} {
		t.Run(change, func(t *testing.T) {
			plan, result := besides(t, s, point, want)
			requireEqual(t, result)
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			run(t, conn, "USE "+schema, change)
			found := compare(t, s, point, plan).Differences
			if !slices.ContainsFunc(found, func(d source.Difference) bool { return d.Object == schema+".pets" && d.What == what }) {
				t.Errorf("differences %v, want one of %s", found, what)
			}
		})
	}
}

// What an account needs is on the new name alone, but for looking.
func TestHintsSufficeForACopy(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedFamily(t, db, schema)
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	as := newBareAccount(t, db, env.MySQLAddress)
	s := newServer(t, as, nil, schema)
	want := source.Selection{Include: []string{schema + ".p*"}, Rename: map[string]string{schema + ".pets": "copy", schema + ".people": "copied"}}
	run(t, db, "GRANT SELECT ON "+schema+".people TO '"+as.user+"'@'%'") // or it does not see the schema
	_, err := s.Plan(t.Context(), point, want)
	granted := obey(t, db, err)
	for what := range maps.Keys(singles(granted)) {
		if !strings.Contains(what, ".`cop") {
			t.Errorf("asks for %s, and restores under another name", what)
		}
	}
	plan, result := besides(t, s, point, want)
	requireEqual(t, result)
	if len(plan.Occupied) != 0 {
		t.Errorf("occupied: %v", plan.Occupied)
	}
}
