package mysql

import (
	"bytes"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// otherWorld are defaults of a server under which a careless restore would
// bring back something else.
var otherWorld = []string{
	"--default-time-zone=-05:00", "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE",
	"--character-set-server=latin1", "--collation-server=latin1_german1_ci", "--explicit-defaults-for-timestamp=OFF", "--default-storage-engine=MyISAM",
	"--sql-require-primary-key=ON", "--sql-generate-invisible-primary-key=ON", "--show-gipk-in-create-table-and-information-schema=OFF",
	"--local-infile=0", "--group-concat-max-len=4", "--cte-max-recursion-depth=5", "--event-scheduler=OFF",
}

// byInsertOnAnotherServer restores where defaults differ and LOAD DATA is
// forbidden: the same values pass through INSERT.
func (z *wholeZoo) byInsertOnAnotherServer(t *testing.T) {
	other := z.env.StartMySQL(t, otherWorld...)
	root := other.Open(t)
	run(t, root, "SET GLOBAL log_bin_trust_function_creators = ON", "CREATE USER by_insert@'%' IDENTIFIED BY '"+other.Password+"'",
		"SET GLOBAL sql_select_limit = 1", "GRANT ALL ON *.* TO by_insert@'%'", "REVOKE SYSTEM_VARIABLES_ADMIN, SUPER ON *.* FROM by_insert@'%'")
	result := bringBack(t, z.server(t, account{other.Address, "by_insert", other.Password}), z.captured, nil)
	run(t, root, "SET GLOBAL sql_select_limit = DEFAULT")
	if got := text(t, root, "SELECT @@GLOBAL.local_infile"); got != "0" {
		t.Fatal("local_infile is on: the rows did not pass through INSERT")
	}
	z.requireBack(t, root, result, func(schema string) string { return schema })
}

// byTheStockClient restores without openim-dr: everything but broken views and
// names with a backslash, at which the stock client loses its place.
func (z *wholeZoo) byTheStockClient(t *testing.T) {
	rename := z.renamed(t)
	for subject, schema := range z.schemas {
		if subject == "backslash_names" {
			continue
		}
		dir := unpack(t, z.captured, schema)
		script := func(name string) []byte {
			return readFile(t, filepath.Join(dir, repository.FileName(schema), name))
		}
		runClient(t, z.env, dir, rename[schema], script(schemaFile))
		runClient(t, z.env, dir, rename[schema], loadsOf(readFile(t, filepath.Join(dir, loadFile)), schema, rename[schema]))
		post, _, _ := strings.Cut("SET SESSION restrict_fk_on_non_standard_key = OFF;\n"+string(script(postFile)), brokenHead)
		runClient(t, z.env, dir, rename[schema], []byte(post))
	}
	s := z.server(t, rootOf(z.env))
	plan, err := s.Plan(t.Context(), z.captured, source.Selection{Rename: rename})
	if err != nil {
		t.Fatal(err)
	}
	result := compare(t, s, z.captured, plan)
	result.Differences = slices.DeleteFunc(result.Differences, func(d source.Difference) bool {
		return strings.HasPrefix(d.Object, "view "+z.schemas["views"]+".") && d.What == "missing"
	})
	for subject, schema := range z.schemas {
		if subject == "backslash_names" {
			continue
		}
		t.Run(subject, func(t *testing.T) {
			requireNoDifference(t, result, schema)
			if subject != "views" {
				requireSame(t, z.looked[subject], observe(t, z.db, rename[schema]))
			}
		})
	}
}

// loadsOf leaves of load.sql what sets the session and what loads one schema.
func loadsOf(script []byte, schema, into string) []byte {
	var b bytes.Buffer
	from, to := []byte(" INTO TABLE "+quoteName(schema)+"."), []byte(" INTO TABLE "+quoteName(into)+".")
	for statement := range bytes.SplitAfterSeq(script, []byte(";\n")) {
		if !bytes.HasPrefix(statement, []byte("LOAD DATA ")) || bytes.Contains(statement, from) {
			b.Write(bytes.Replace(statement, from, to, 1))
		}
	}
	return b.Bytes()
}

// A server may hide generated invisible keys, and its clock may change twice a
// year: what it holds comes back all the same.
func TestZooOfAnotherServerComesBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	other := env.StartMySQL(t, append(otherWorld, "--default-time-zone=SYSTEM")...)
	root := other.Open(t)
	schemas := map[string]string{}
	for _, subject := range []string{"generated", "temporal", "json", "events", "partitions"} {
		schemas[subject] = env.NewSchema(t)
		run(t, root, "CREATE DATABASE "+schemas[subject]+" CHARACTER SET utf8mb4")
		seedFile(t, root, schemas[subject], zooFile(t, subject))
	}
	names := slices.Sorted(maps.Values(schemas))
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, account{other.Address, other.User, other.Password}, nil, names...))
	result := bringBack(t, newServer(t, rootOf(env), nil, names...), point, nil)
	for subject, schema := range schemas {
		t.Run(subject, func(t *testing.T) {
			requireNoDifference(t, result, schema)
			requireSame(t, observe(t, root, schema), observe(t, db, schema))
		})
	}
	if n := text(t, db, "SELECT COUNT(my_row_id) FROM "+schemas["generated"]+".gipk WHERE my_row_id IN (5, 17, 18446744073709551000)"); n != "3" {
		t.Errorf("%s generated invisible keys came back, want 3", n)
	}
}

// Views and foreign keys of one schema may need another, in any direction.
func TestSchemasThatNeedEachOtherComeBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	a, b := env.NewSchema(t), env.NewSchema(t)
	t.Cleanup(func() { // or neither schema can be dropped
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "ALTER TABLE "+a+".t DROP FOREIGN KEY t_ibfk_1"); err != nil {
			t.Errorf("drop the circle: %v", err)
		}
	})
	run(t, db, "CREATE TABLE "+a+".t (id INT PRIMARY KEY, v INT)", "CREATE TABLE "+b+".t (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES "+a+".t (id))",
		"ALTER TABLE "+a+".t ADD FOREIGN KEY (v) REFERENCES "+b+".t (id)",
		"INSERT INTO "+a+".t VALUES (1, NULL)", "INSERT INTO "+b+".t VALUES (1)",
		"CREATE FUNCTION "+b+".twice(x INT) RETURNS INT DETERMINISTIC RETURN 2 * x",
		"CREATE VIEW "+a+".v1 AS SELECT "+b+".twice(id) AS n FROM "+b+".t",
		"CREATE VIEW "+b+".v2 AS SELECT n FROM "+a+".v1",
		"CREATE VIEW "+a+".v3 AS SELECT n FROM "+b+".v2",
		"CREATE TRIGGER "+a+".tr BEFORE INSERT ON "+a+".t FOR EACH ROW SET NEW.v = (SELECT COUNT(*) FROM "+b+".v2)")
	s := newServer(t, rootOf(env), nil, a, b)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	before := []observation{observe(t, db, a), observe(t, db, b)}
	requireEqual(t, bringBack(t, s, point, nil))
	requireSame(t, before[0], observe(t, db, a))
	requireSame(t, before[1], observe(t, db, b))
}
