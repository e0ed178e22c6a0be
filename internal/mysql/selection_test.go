package mysql

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern string
		fold    bool
		matches []string
		not     []string
	}{
		{"openIM_v3", false, []string{"openIM_v3"}, []string{"openim_v3", "openIMxv3", "openIM_v33"}},
		{"openIM_v3", true, []string{"openIM_v3", "openim_v3"}, []string{"openIMxv3"}},
		{"openim_*", false, []string{"openim_", "openim_a.b", "openim_\n", "openim_/x"}, []string{"openim"}},
		{"a?c", false, []string{"abc", "aüc", "a\nc"}, []string{"ac", "abbc"}},
		{`a\*c`, false, []string{"a*c"}, []string{"abc"}},
		{`a\\c`, false, []string{`a\c`}, []string{"ac"}},
		{"[ab]", false, []string{"[ab]"}, []string{"a"}},
	}
	for _, tt := range tests {
		p := newPattern(tt.pattern, tt.fold)
		for _, name := range tt.matches {
			if !p.matches(name) {
				t.Errorf("%q does not match %q", tt.pattern, name)
			}
		}
		for _, name := range tt.not {
			if p.matches(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
	p, err := newTablePattern(`my\.schema.ta.b\*le*`, false)
	if err != nil || !p.matches("my.schema", "ta.b*le") || p.matches("my", "schema.ta.b*le") {
		t.Errorf("a dot that belongs to a name: %v", err)
	}
}

func TestClauses(t *testing.T) {
	good := []string{"a > 1", "a = ')' OR b = '('", "f(a) AND (b OR c)", "a = 'it''s; -- no # comment /* */'", "`a(` = 1", "a - 1 > 2 / 3", `JSON_EXTRACT(a, '$[0]') = "x\"("`}
	bad := []string{"a = 1) OR (b = 2", "(a", "a)", "a; DROP TABLE t", "a -- b", "a # b", "a /* b */", "a = 'b", "a = `b"}
	for _, clause := range good {
		if err := checkClause(clause); err != nil {
			t.Errorf("%s: %v", clause, err)
		}
	}
	for _, clause := range bad {
		if err := checkClause(clause); !errors.Is(err, errClause) {
			t.Errorf("%s is accepted", clause)
		}
	}
}

// seedPart fills two schemas of which a test chooses a part.
func seedPart(t *testing.T, env *testbed.Env) (first, second string) {
	t.Helper()
	db := env.OpenMySQL(t)
	first, second = env.NewSchema(t), env.NewSchema(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, schema := range []string{first, second} {
		run(t, conn, "USE "+schema, "SET cte_max_recursion_depth = 30000",
			"CREATE TABLE groups_ (id INT PRIMARY KEY, name VARCHAR(20))", "INSERT INTO groups_ VALUES (1, 'one'), (2, 'two')",
			"CREATE TABLE logs (id INT AUTO_INCREMENT PRIMARY KEY, sent DATETIME NOT NULL, body VARCHAR(200), gid INT, FOREIGN KEY (gid) REFERENCES groups_ (id))",
			"INSERT INTO logs (sent, body, gid) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT UTC_TIMESTAMP() - INTERVAL i MINUTE, REPEAT('b', 100), 1 + i % 2 FROM n",
			"CREATE TABLE cache (id INT PRIMARY KEY, v INT)", "INSERT INTO cache VALUES (1, 1)",
			"CREATE TABLE `dot.ted*` (id INT PRIMARY KEY)", "INSERT INTO `dot.ted*` VALUES (7)",
			"CREATE TABLE tmp_a (id INT PRIMARY KEY, x INT)", "INSERT INTO tmp_a VALUES (1, 2)",
			"CREATE TRIGGER t_tmp BEFORE INSERT ON tmp_a FOR EACH ROW SET NEW.x = 1",
			"CREATE TRIGGER t_cache BEFORE INSERT ON cache FOR EACH ROW SET NEW.v = 1",
			"CREATE TABLE refers (id INT PRIMARY KEY, tmp INT, FOREIGN KEY (tmp) REFERENCES tmp_a (id))", "INSERT INTO refers VALUES (1, 1)",
			"CREATE VIEW needs_tmp AS SELECT id, x FROM tmp_a", "CREATE VIEW above AS SELECT x FROM needs_tmp", "CREATE VIEW fine AS SELECT id FROM cache",
			"ANALYZE TABLE logs")
	}
	return first, second
}

// partOf chooses some of what seedPart has made.
func partOf(first, second string) func(*Settings) {
	return func(s *Settings) {
		s.ChunkSize = minChunkSize
		s.Schemas = []string{first[:len(first)-1] + "?", second}
		s.ExcludeSchemas = []string{second[:len(second)-1] + "*"}
		s.Tables.Exclude = []string{"*.tmp_*"}
		s.NoData = []string{first + ".cache"}
		s.Where = map[string]string{first + ".log?": "sent > NOW() - INTERVAL 7 DAY OR gid IS NULL", `*.dot\.ted\*`: "id > 7"}
	}
}

// partTexts is what a point of partOf says of itself.
func partTexts(schema string) []string {
	return []string{
		"schema " + schema + ": 1 table or view is left out: tmp_a",
		"table " + schema + ".cache: without its rows",
		"table " + schema + ".dot.ted*: only rows that fulfil a where-clause",
		"table " + schema + ".logs: only rows that fulfil a where-clause",
	}
}

// A point holds the part that is chosen, and says so where no key is needed.
func TestManifestNamesWhatIsLeftOut(t *testing.T) {
	env := testbed.Need(t)
	first, second := seedPart(t, env)
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), partOf(first, second)))

	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	if len(captured.Schemas) != 1 || captured.Schemas[0].Name != first {
		t.Fatalf("captured %v, want the schema %s alone", captured.Schemas, first)
	}
	data, err := json.Marshal(captured)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partTexts(first), Parts(data)); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if strings.Contains(string(data), "INTERVAL") {
		t.Error("the manifest quotes a where-clause")
	}
	for _, table := range captured.Schemas[0].Tables {
		if table.Name == "logs" && (table.Chunks < 5 || table.Rows < 9000 || table.Rows > 10100) {
			t.Errorf("logs: %d rows in %d chunks, want half of 20000 in at least 5", table.Rows, table.Chunks)
		}
	}
}

// A part comes back equal to what the point holds of it; what cannot be whole
// is said before.
func TestChosenPartComesBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	first, second := seedPart(t, env)
	copied := env.NewSchema(t)
	s := newServer(t, rootOf(env), partOf(first, second))
	point := repotest.New(t).Capture(t, "main", Kind, s)
	plan, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{first: copied}})
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range append(partTexts(first),
		"table "+first+".refers refers to table tmp_a, which is left out",
		"view "+first+".needs_tmp refers to something that was gone or left out", "view "+first+".above refers to something") {
		if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, says) }) {
			t.Errorf("the plan does not say %q: %v", says, plan.Warnings)
		}
	}
	requireEqual(t, bringBack(t, s, point, map[string]string{first: copied}))
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM " + copied + ".cache":                                                                                "0",
		"SELECT COUNT(*) FROM " + copied + ".`dot.ted*`":                                                                           "0",
		"SELECT COUNT(*) FROM " + copied + ".refers":                                                                               "1",
		"SELECT COUNT(*) < 10100 FROM " + copied + ".logs":                                                                         "1",
		"SELECT COUNT(DISTINCT gid) FROM " + copied + ".logs":                                                                      "2",
		"SELECT GROUP_CONCAT(TRIGGER_NAME) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '" + copied + "'":               "t_cache",
		"SELECT GROUP_CONCAT(TABLE_NAME ORDER BY TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" + copied + "'": "above,cache,dot.ted*,fine,groups_,logs,needs_tmp,refers",
	} {
		if got := text(t, db, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	// Invariant 11: a row that the settings keep out is seen where it is.
	run(t, db, "INSERT INTO "+copied+".cache VALUES (1, 1)", "INSERT INTO "+copied+".`dot.ted*` VALUES (7)")
	if found := compare(t, s, point, plan); len(found.Differences) != 2 {
		t.Errorf("differences %v, want the two tables with a row more", found.Differences)
	}

	onto, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(onto.Occupied) != 1 || !strings.Contains(onto.Occupied[0].Holds, "of which 1 is left out of the point and does not come back") {
		t.Errorf("occupied %v, want it to say that tmp_a would be lost", onto.Occupied)
	}
}

// What is left out may come and go while the rest is dumped.
func TestLeftOutTablesMayChange(t *testing.T) {
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	first, _ := seedPart(t, env)
	as := newAccount(t, db, env.MySQLAddress, reading, "PROCESS", first)
	defer awaitGone(t, db, as)
	wire := &tripwire{do: func() {
		run(t, db, "ALTER TABLE "+first+".tmp_a ADD COLUMN y INT", "CREATE TABLE "+first+".tmp_b (a INT)")
	}}
	s := newServer(t, as, func(s *Settings) { s.Tables.Exclude = []string{"*.tmp_*", "*.needs_tmp", "*.above"} }, first)
	if _, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, tripped{s, wire}); err != nil {
		t.Error(err)
	}
}

// A selection that fits nothing, a clause that the server does not understand
// and a key that cannot cut end the dump before any row is read.
func TestImpossibleSelections(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	first, _ := seedPart(t, env)
	run(t, db, "CREATE TABLE "+first+".keys_ (id INT PRIMARY KEY, n INT, e ENUM('a') NOT NULL, s VARCHAR(20) NOT NULL, g INT AS (id) STORED NOT NULL, b INT NOT NULL,"+
		" UNIQUE KEY nullable (n), UNIQUE KEY enumerated (e), UNIQUE KEY prefix (s(3)), UNIQUE KEY computed (g), UNIQUE KEY hidden (b) INVISIBLE, KEY plain (b), UNIQUE KEY good (b, id))",
		"CREATE TABLE "+first+".isam (id INT PRIMARY KEY) ENGINE=MyISAM")
	key := func(table, index string) func(*Settings) {
		return func(s *Settings) { s.ChunkKeys = map[string]string{first + "." + table: index} }
	}
	where := func(table, clause string) func(*Settings) {
		return func(s *Settings) { s.Where = map[string]string{first + "." + table: clause} }
	}
	tests := map[string]struct {
		change func(*Settings)
		says   string // empty: it works
	}{
		"no schema of the name":      {func(s *Settings) { s.Schemas = []string{"no_such"} }, `schema "no_such" does not exist`},
		"no schema like it":          {func(s *Settings) { s.Schemas = []string{first, "no_such*"} }, `no schema matches "no_such*"`},
		"only schemas of the server": {func(s *Settings) { s.Schemas = []string{"mysq*"} }, `no schema matches "mysq*"`},
		"every schema left out":      {func(s *Settings) { s.ExcludeSchemas = []string{"*"} }, "excludeSchemas leaves no schema"},
		"no table of the name":       {func(s *Settings) { s.Tables.Include = []string{first + ".gone"} }, "tables.include: no table"},
		"no table for a clause":      {where("gone", "1"), "where: no table"},
		"a clause for what is out":   {func(s *Settings) { where("logs", "1")(s); s.Tables.Exclude = []string{first + ".logs"} }, "where: no table"},
		"no table without data":      {func(s *Settings) { s.NoData = []string{first + ".gone"} }, "noData: no table"},
		"nothing to leave out":       {func(s *Settings) { s.Tables.Exclude = []string{first + ".gone"} }, ""},
		"two clauses for a table":    {func(s *Settings) { where("logs", "1")(s); s.Where["*.logs"] = "1" }, "several keys match"},
		"a clause and no data":       {func(s *Settings) { where("logs", "1")(s); s.NoData = []string{first + ".logs"} }, "has a where-clause, and noData"},
		"an unknown column":          {where("logs", "send_time > 'private'"), "the where-clause of table"},
		"no condition":               {where("logs", "id = ORDER private"), "does not understand"},
		"an aggregate":               {where("logs", "COUNT(*) > 1"), "the where-clause of table"},
		"a key that is not there":    {key("keys_", "gone"), "no unique index of that name"},
		"a key that is not unique":   {key("keys_", "plain"), "no unique index of that name"},
		"a nullable key":             {key("keys_", "nullable"), "may be NULL"},
		"an ENUM as key":             {key("keys_", "enumerated"), "of type enum"},
		"a prefix as key":            {key("keys_", "prefix"), "only the beginning"},
		"a computed key":             {key("keys_", "computed"), "generated column"},
		"an invisible key":           {key("keys_", "hidden"), "invisible"},
		"the key of a MyISAM table":  {key("isam", "PRIMARY"), "not InnoDB"},
		"a good key":                 {key("keys_", "good"), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, rootOf(env), tt.change, first)
			_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, s)
			if tt.says == "" && err != nil {
				t.Errorf("got %v, want it to work", err)
			}
			if tt.says == "" {
				return
			}
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "private") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line of a usage error that says %q", err, tt.says)
			}
		})
	}
}

// Clauses hold for tables that cannot be cut too, and one whose evaluation
// warns fails the dump: what it has chosen is not known to be what was meant.
func TestClausesOfTablesWithoutAKey(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a VARCHAR(10), b INT)", "INSERT INTO "+schema+".t VALUES ('1', 1), ('x', 2), (NULL, 3)",
		"CREATE TABLE "+schema+".isam (a INT PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO "+schema+".isam VALUES (1), (2), (3)")
	with := func(clause string) *Server {
		return newServer(t, rootOf(env), func(s *Settings) { s.Where = map[string]string{schema + ".*": clause} }, schema)
	}
	point := repotest.New(t).Capture(t, "main", Kind, with("a = '1' AND 2 > 1 OR 2 < 1"))
	if n := point.Summary().Rows; n != 2 {
		t.Errorf("%d rows were captured, want 2", n)
	}
	requireEqual(t, bringBack(t, with("1"), point, map[string]string{schema: copied}))
	_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, with("a = 1"))
	if err == nil || !strings.Contains(err.Error(), "its where-clause") {
		t.Errorf("a clause that compares text with a number: %v, want the dump to fail", err)
	}
}

// The time of a where-clause is the same for all ranges of a table: the rows
// that are captured are those of one moment, whichever range they are in.
func TestClausesHaveOneMoment(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	const rows = 20000
	run(t, db, "CREATE TABLE "+schema+".t (id INT PRIMARY KEY, due DATETIME(6) NOT NULL, body VARCHAR(200))",
		fmt.Sprintf("INSERT INTO %s.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"+
			" SELECT /*+ SET_VAR(cte_max_recursion_depth = %d) */ i, UTC_TIMESTAMP(6) + INTERVAL (i * 7919 %% %d) * 2000 MICROSECOND, REPEAT('b', 150) FROM n", schema, rows, rows, rows),
		"ANALYZE TABLE "+schema+".t")
	s := newServer(t, rootOf(env), func(s *Settings) {
		s.ChunkSize = minChunkSize
		s.Where = map[string]string{schema + ".t": "due <= NOW(6)"}
	}, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	if n := point.Summary().Rows; n == 0 || n == rows {
		t.Fatalf("%d of %d rows were due: the moment is not among them", n, rows)
	}
	requireEqual(t, bringBack(t, s, point, map[string]string{schema: copied}))
	last := text(t, db, "SELECT MAX(due) FROM "+copied+".t")
	next := text(t, db, "SELECT MIN(due) FROM "+schema+".t WHERE id NOT IN (SELECT id FROM "+copied+".t)")
	if last >= next {
		t.Errorf("a row due at %s was captured, and one due at %s was not", last, next)
	}
}
