package mysql

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// Who uses what is overwritten is counted, with the hosts and no names.
func TestSessionsOnWhatIsOverwritten(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	plan := func(as *Server) *source.Plan {
		made, err := as.Plan(t.Context(), point, source.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	requireCheck(t, plan(s), "sessions", true, "nobody is connected")
	user := newAccount(t, db, env.MySQLAddress, "ALL", "", schema)
	for range 2 {
		conn, err := (&testbed.MySQL{Address: user.address, User: user.user, Password: user.password}).Open(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		run(t, conn, "USE "+schema)
	}
	made := plan(s)
	requireCheck(t, made, "sessions", false, "2 sessions are connected to what is overwritten, from 127.0.0.1")
	for _, c := range made.Checks {
		if strings.Contains(c.Detail, user.user) {
			t.Errorf("%s names an account: %s", c.Check, c.Detail)
		}
	}
	requireCheck(t, plan(newServer(t, user, nil, schema)), "sessions", false, "lacks PROCESS")
}

// The disk that is needed is told from the point, with the indexes in it, and
// with what the binary log takes.
func TestDiskThatIsNeeded(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY, b VARCHAR(200), KEY (b))",
		"INSERT INTO "+schema+".t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT /*+ SET_VAR(cte_max_recursion_depth = 5000) */ i, CONCAT(i, REPEAT('x', 190)) FROM n",
		"ANALYZE TABLE "+schema+".t")
	s := newServer(t, rootOf(env), func(s *Settings) { s.Binlog = BinlogOn }, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	size := text(t, db, "SELECT /*+ SET_VAR(information_schema_stats_expiry = 0) */ DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = '"+schema+"'")
	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	whole := bytesOf(parseInt(size))
	if parseInt(size) < 2*5000*190 {
		t.Fatalf("the table takes %s on disk, and indexes are not in that", whole)
	}
	requireCheck(t, plan, "space", true, "about "+whole+" of disk are needed, and "+bytesOf(point.Summary().Bytes)+" for the binary log; what is overwritten frees "+whole+"; how much is free MySQL does not tell: df /var/lib/mysql")
	run(t, db, "DROP TABLE "+schema+".t")
	e := &planExamination{client: &client{server: s}, r: &restoration{target: &surroundings{variables: map[string]string{"datadir": "/d"}}, schemas: []*schemaPlan{
		{schemaDefinition: &schemaDefinition{Tables: []table{{Stored: 3 << 30}, {Total: total{Bytes: 1 << 30}}, {Where: "x", Stored: 9 << 30, Total: total{Bytes: 1 << 20}}}}},
	}}, plan: &source.Plan{}}
	e.space()
	requireCheck(t, e.plan, "space", false, "about 4.0 GiB of disk are needed, indexes not counted")
}
