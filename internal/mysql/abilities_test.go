package mysql

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

// Members of a group that replicates: a secondary is refused, and of what goes
// through the primary the group wants more than a server alone.
func TestMemberOfAGroupAsATarget(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)", "INSERT INTO "+schema+".t VALUES (1)", "CREATE TABLE "+schema+".keyless (a INT)",
		"CREATE TABLE "+schema+".isam (a INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE "+schema+".nullable (a INT UNIQUE)", "CREATE TABLE "+schema+".uniq (a INT NOT NULL, b INT NOT NULL, UNIQUE (a, b))")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	member := env.StartMySQL(t, "--server-id=1", "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
	root := member.Open(t)
	run(t, root, "INSTALL PLUGIN group_replication SONAME 'group_replication.so'", "SET GLOBAL group_replication_group_name = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa'",
		fmt.Sprintf("SET GLOBAL group_replication_local_address = '127.0.0.1:%d'", port.Choose()), "SET GLOBAL group_replication_bootstrap_group = ON", "START GROUP_REPLICATION", "SET GLOBAL group_replication_bootstrap_group = OFF")
	s := newServer(t, account{member.Address, member.User, member.Password}, nil, schema)
	_, err := s.Plan(t.Context(), point, source.Selection{})
	requireRefusal(t, err, "which takes tables of InnoDB only, and table "+schema+".isam is of MyISAM")
	if e, _ := fault.Outermost(err); !strings.Contains(tryOf(e), schema+".keyless") || !strings.Contains(tryOf(e), schema+".nullable") || strings.Contains(tryOf(e), schema+".uniq") {
		t.Errorf("hint %q, want the tables without a key in it", tryOf(e))
	}
	want := source.Selection{Include: []string{schema + ".t", schema + ".uniq"}}
	plan, err := s.Plan(t.Context(), point, want)
	if err != nil {
		t.Fatal(err)
	}
	requireRefused(t, plan)
	requireCheck(t, plan, "replica", true, "the primary of a group of 1 members")
	requireCheck(t, plan, "binlog", true, "the restore goes into it")
	before := text(t, root, "SELECT @@GLOBAL.gtid_executed")
	restoreAs(t, s, point, plan)
	if text(t, root, "SELECT @@GLOBAL.gtid_executed") == before {
		t.Error("the restore has not gone into the binary log, by which the others get it")
	}
	// Who may not see the group does not leave it without the restore.
	as := newAccount(t, root, member.Address, "ALL", "REPLICATION SLAVE, REPLICATION CLIENT, PROCESS, SESSION_VARIABLES_ADMIN", schema)
	unseen, err := newServer(t, as, nil, schema).Plan(t.Context(), point, want)
	if err != nil {
		t.Fatal(err)
	}
	requireCheck(t, unseen, "replica", false, "which member of its group")
	requireCheck(t, unseen, "binlog", true, "the restore goes into it")
	run(t, root, "SET GLOBAL group_replication_transaction_size_limit = 1")
	_, err = s.Plan(t.Context(), point, want)
	requireRefusal(t, err, "the group takes transactions of up to 1 B")
}

// A secondary is refused as such, whatever the group wants besides.
func TestSecondaryAsATarget(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".keyless (a INT)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	for state, want := range map[string][]string{"'ONLINE' AS state, 'SECONDARY' AS role": {source.Replica}, "'ERROR' AS state, '' AS role": {source.Replica}} {
		d := &disguise{version: text(t, db, "SELECT VERSION()"), rewrite: []rewritten{{regexp.MustCompile(`^SELECT MEMBER_STATE AS state.*`), "SELECT " + state + ", 3 AS members"}}}
		plan, err := disguisedPlan(t, env, d, point, schema, source.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		requireRefused(t, plan, want...)
		requireCheck(t, plan, "replica", false, "a member of a group that replicates")
	}
}

// What the target lacks ends the plan, and not the restore in its middle.
func TestTargetsThatLackSomething(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a VARCHAR(10) COLLATE utf8mb4_zh_0900_as_cs PRIMARY KEY, b VARCHAR(10) CHARACTER SET big5)",
		"CREATE TABLE "+schema+".isam (a INT) ENGINE=MyISAM", "CREATE TABLE "+schema+".words (a TEXT, FULLTEXT KEY (a) WITH PARSER ngram)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	version := text(t, db, "SELECT VERSION()")
	tests := map[string]struct {
		rewrite rewritten
		says    string
	}{
		"a collation":             {rewritten{regexp.MustCompile(`FROM information_schema.COLLATIONS$`), "FROM information_schema.COLLATIONS WHERE COLLATION_NAME <> 'utf8mb4_zh_0900_as_cs'"}, "does not know collation utf8mb4_zh_0900_as_cs, which table " + schema + ".t has"},
		"a character set":         {rewritten{regexp.MustCompile(`FROM information_schema.COLLATIONS$`), "FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME <> 'big5'"}, "does not know character set big5, which table " + schema + ".t has"},
		"an engine":               {rewritten{regexp.MustCompile(`FROM information_schema.ENGINES$`), "FROM information_schema.ENGINES WHERE ENGINE <> 'MyISAM'"}, "no storage engine MyISAM, or it is disabled, and table " + schema + ".isam has it"},
		"a parser":                {rewritten{regexp.MustCompile(`WHERE PLUGIN_STATUS = 'ACTIVE'$`), "WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_NAME <> 'ngram'"}, "lacks the full-text parser ngram, which table " + schema + ".words uses"},
		"an engine, switched off": {variable("disabled_storage_engines", "FEDERATED,myisam"), "no storage engine MyISAM"},
		"rows, for recovery":      {variable("innodb_force_recovery", "1"), "innodb_force_recovery is 1"},
		"rows, by its disk":       {variable("innodb_read_only", "ON"), "InnoDB of the target is read-only"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := disguisedPlan(t, env, &disguise{version: version, rewrite: []rewritten{tt.rewrite}}, point, schema, source.Selection{})
			requireRefusal(t, err, tt.says)
		})
	}
}

// A real server that has an engine disabled says so before anything is touched.
func TestDisabledEngine(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".isam (a INT) ENGINE=MyISAM", "CREATE TABLE "+schema+".t (a INT)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	target := env.StartMySQL(t, "--disabled-storage-engines=MyISAM,ARCHIVE")
	s := newServer(t, account{target.Address, target.User, target.Password}, nil, schema)
	_, err := s.Plan(t.Context(), point, source.Selection{})
	requireRefusal(t, err, "no storage engine MyISAM")
	if e, _ := fault.Outermost(err); !strings.Contains(tryOf(e), "--exclude 'main/"+schema+".isam'") {
		t.Errorf("hint %q, want what to leave out", tryOf(e))
	}
	plan, err := s.Plan(t.Context(), point, source.Selection{Exclude: []string{schema + ".isam"}})
	if err != nil {
		t.Fatal(err)
	}
	restoreAs(t, s, point, plan)
}

// An encrypted table is not planned for a server without a keyring.
func TestPlanOfAnEncryptedTable(t *testing.T) {
	env := testbed.Need(t)
	client, err := newServer(t, rootOf(env), nil, "x").open(t.Context(), loadIdle)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := &restoration{schemas: []*schemaPlan{{schemaDefinition: &schemaDefinition{Name: "x", Tables: []table{
		{Name: "t", Engine: engineInnoDB, Create: sqlText("CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) ENGINE=InnoDB /*!80016 ENCRYPTION='Y' */")},
	}}, target: "x"}}}
	if err := client.survey(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	need := &requirement{held: &privileges{}}
	client.needAbilities(need, r)
	if len(need.lacking) != 1 || need.lacking[0].why != "table x.t is encrypted, and the target has no keyring" {
		t.Errorf("lacking %v, want a keyring", need.lacking)
	}
}
