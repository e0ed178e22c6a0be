package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// disguisedPlan plans a restore into the testbed's server that passes for
// another.
func disguisedPlan(t *testing.T, env *testbed.Env, d *disguise, point *repository.SourceReader, schema string, want source.Selection) (*source.Plan, error) {
	t.Helper()
	as := rootOf(env)
	as.address = d.stand(t, env.MySQLAddress)
	return newServer(t, as, nil, schema).Plan(t.Context(), point, want)
}

// requireRefused requires exactly the refusals with these codes, each with what
// was seen and what to try, and a check that says the same.
func requireRefused(t *testing.T, plan *source.Plan, codes ...string) {
	t.Helper()
	var got []string
	for _, r := range plan.Refusals {
		got = append(got, r.Code)
		if !strings.HasPrefix(r.Target, "mysql/") || r.Why == "" || r.Try == "" {
			t.Errorf("refusal %v lacks a target, a reason or what to try", r)
		}
		if !slices.ContainsFunc(plan.Checks, func(c source.Check) bool { return !c.OK && c.Detail == r.Why }) {
			t.Errorf("no check says %q", r.Why)
		}
	}
	if !slices.Equal(got, codes) {
		t.Errorf("refusals %v, want %v", plan.Refusals, codes)
	}
}

// A good target is looked at from every side, and nothing is refused.
func TestPlanSaysWhatItHasLookedAt(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	plan, err := newServer(t, rootOf(env), nil, schema).Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
	if err != nil {
		t.Fatal(err)
	}
	requireRefused(t, plan)
	for name, says := range map[string]string{
		"server": env.MySQLAddress, "version": "which is no newer", "privileges": "may do all", "replica": "is no replica", "read-only": "read_only is OFF",
		"binlog": "gtid_mode is", "replicas": "none is connected", "character-sets": "knows every character set", "engines": "InnoDB, MyISAM", "names": "as at the source",
		"sql-mode": "that of the source", "packets": "no less", "page-size": "16 KiB", "local-infile": "ON", "redo-log": "on", "server-clock": "from ours",
		"space": "df /var/lib/mysql", "definers": "",
	} {
		if !slices.ContainsFunc(plan.Checks, func(c source.Check) bool { return c.Check == name && strings.Contains(c.Detail, says) }) {
			t.Errorf("no check %s says %q: %v", name, says, plan.Checks)
		}
	}
	for _, c := range plan.Checks {
		if !c.OK {
			t.Errorf("%s is not ok on a good target: %s", c.Check, c.Detail)
		}
		if strings.Contains(c.Detail, env.MySQLUser+"@") || strings.Contains(c.Detail, env.MySQLPassword) {
			t.Errorf("%s names an account: %s", c.Check, c.Detail)
		}
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for _, tt := range []struct {
		point, target string
		newer         int // the number that makes the point newer; 3: none does
		known         bool
	}{
		{"8.0.36", "8.0.36", 3, true}, {"8.0.36", "8.4.0", 3, true}, {"8.0.12", "9.7.1", 3, true}, {"8.0.36-28", "8.0.36", 3, true},
		{"8.0.36-0ubuntu0.22.04.1", "8.0.40", 3, true}, {"8.0.36", "8.0.12-log", 2, true}, {"9.7.0", "8.4.5", 0, true}, {"8.4.0", "8.0.40", 1, true},
		{"9.7.0", "9.6.1", 1, true}, {"9.10.0", "9.9.9", 1, true}, {"8.4.0", "9.0.0", 3, true}, {"strange", "8.0.1", 0, false}, {"8.0", "8.0.1", 0, false},
	} {
		if newer, known := compareVersions(tt.point, tt.target); newer != tt.newer && known || known != tt.known {
			t.Errorf("%s into %s: %d, %v, want %d, %v", tt.point, tt.target, newer, known, tt.newer, tt.known)
		}
	}
}

// A point of a newer series is refused, one of an older is not.
func TestDowngrade(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)")
	newest := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	old := rootOf(env)
	old.address = versions()["8.0.36"].stand(t, env.MySQLAddress)
	older := repotest.New(t).Capture(t, "main", Kind, newServer(t, old, nil, schema))
	want := source.Selection{Rename: map[string]string{schema: copied}}
	plan, err := disguisedPlan(t, env, versions()["8.4.0"], newest, schema, want)
	if err != nil {
		t.Fatal(err)
	}
	requireRefused(t, plan, source.Downgrade)
	if got := plan.Refusals[0]; !strings.Contains(got.Why, "the target is of the older series 8.4") || !strings.Contains(got.Try, "--allow downgrade") {
		t.Errorf("refusal %v", got)
	}
	if plan, err = disguisedPlan(t, env, versions()["8.0.12"], older, schema, want); err != nil {
		t.Fatal(err)
	}
	requireRefused(t, plan)
	requireCheck(t, plan, "version", false, "a later release of the same series")
	for _, target := range []string{"8.0.36", "8.4.0"} {
		if plan, err = disguisedPlan(t, env, versions()[target], older, schema, want); err != nil {
			t.Fatal(err)
		}
		requireRefused(t, plan)
		requireCheck(t, plan, "version", true, "8.0.36")
	}
}

// A replica is refused, also where it is read-only, which then stands in the
// way as well; and so that nothing is lost with it, it can be overruled.
func TestReplicaAsATarget(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, origin, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)", "INSERT INTO "+schema+".t VALUES (1)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	live, standby := env.StartMySQL(t, "--server-id=1", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"), env.StartMySQL(t, "--server-id=2", "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
	follow(t, live, standby)
	liveDB, standbyDB := live.Open(t), standby.Open(t)
	catchUp(t, liveDB, standbyDB)
	into := newServer(t, account{standby.Address, standby.User, standby.Password}, nil, schema)
	plan := func() *source.Plan {
		made, err := into.Plan(t.Context(), point, source.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	made := plan()
	requireRefused(t, made, source.Replica)
	if got := made.Refusals[0]; !strings.Contains(got.Why, "it is a replica of 127.0.0.1:"+fmt.Sprint(live.Port)) || !strings.Contains(got.Try, "--allow replica") {
		t.Errorf("refusal %v, want one that names the source", got)
	}
	run(t, standbyDB, "SET GLOBAL super_read_only = ON")
	requireRefused(t, plan(), source.Replica, "read-only")
	run(t, standbyDB, "STOP REPLICA")
	requireRefused(t, plan(), source.Replica, "read-only") // it is a replica still
	run(t, standbyDB, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF", "START REPLICA")

	// Where the account may not ask, that is said.
	as := newAccount(t, standbyDB, standby.Address, "ALL", "", schema)
	unseen, err := newServer(t, as, nil, schema).Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	requireRefused(t, unseen)
	requireCheck(t, unseen, "replica", false, "lacks REPLICATION CLIENT")

	// The source knows of its replica, and what is restored goes on to it.
	above := newServer(t, account{live.Address, live.User, live.Password}, nil, schema)
	made, err = above.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	requireRefused(t, made)
	requireCheck(t, made, "binlog", true, "gtid_mode is ON, 1 replica or archiver reads it: the restore goes into it")
	requireCheck(t, made, "replicas", true, "wait until each has caught up")
	restoreAs(t, above, point, made)
	catchUp(t, liveDB, standbyDB)
	if got := text(t, standbyDB, "SELECT COUNT(*) FROM "+schema+".t"); got != "1" {
		t.Errorf("%s rows have come to the replica, want 1", got)
	}
	off := newServer(t, account{live.Address, live.User, live.Password}, func(s *Settings) { s.Binlog = BinlogOff }, schema)
	if made, err = off.Plan(t.Context(), point, source.Selection{}); err != nil {
		t.Fatal(err)
	}
	requireCheck(t, made, "binlog", true, "the restore does not go into it")
	requireCheck(t, made, "replicas", false, "make each anew")
}

// What an operator had better know first, and what is refused until it is said
// otherwise.
func TestTargetsThatAreOdd(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "CREATE TABLE "+schema+".heap (a VARCHAR(100)) ENGINE=MEMORY", "INSERT INTO "+schema+".heap VALUES (REPEAT('x', 100))",
		"CREATE EVENT "+schema+".e ON SCHEDULE EVERY 1 DAY DO SELECT 1")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	version := text(t, db, "SELECT VERSION()")
	clock := func(seconds int) rewritten {
		return rewritten{regexp.MustCompile(`UNIX_TIMESTAMP\(NOW\(6\)\)`), fmt.Sprintf("(UNIX_TIMESTAMP(NOW(6)) + %d)", seconds)}
	}
	tests := map[string]struct {
		rewrite rewritten
		refused []string
		check   string
		ok      bool
		says    string
	}{
		"a clock that is behind":         {clock(-600), []string{source.Clock}, "server-clock", false, "behind ours"},
		"a clock that is ahead":          {clock(600), []string{source.Clock}, "server-clock", false, "ahead of ours"},
		"a clock that is a little wrong": {clock(200), nil, "server-clock", true, "from ours"},
		"another sql_mode":               {variable("sql_mode", "ANSI_QUOTES"), nil, "sql-mode", false, "without STRICT_TRANS_TABLES"},
		"small packets":                  {variable("max_allowed_packet", "1024"), nil, "packets", false, "1.0 KiB"},
		"small pages":                    {variable("innodb_page_size", "4096"), nil, "page-size", false, "4.0 KiB and was 16 KiB"},
		"an idle scheduler":              {variable("event_scheduler", "OFF"), nil, "events", false, "1 event comes back enabled, and none runs"},
		"a busy scheduler":               {variable("event_scheduler", "ON"), nil, "events", true, "each runs as soon as it is there"},
		"no LOAD DATA":                   {variable("local_infile", "OFF"), nil, "local-infile", true, "switched on while the restore runs"},
		"no redo log":                    {rewritten{regexp.MustCompile(`^SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'$`), "SELECT 'x' AS variable_name, 'OFF' AS value"}, nil, "redo-log", false, "a crash of the server destroys"},
		"encryption by default":          {variable("default_table_encryption", "ON"), nil, "encryption", false, "comes back encrypted"},
		"little memory for tables in it": {variable("max_heap_table_size", "64"), nil, "engines", false, "heap is of MEMORY"},
		"names in another way":           {variable("lower_case_table_names", "2"), nil, "names", true, "is 2 at the target and was 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan, err := disguisedPlan(t, env, &disguise{version: version, rewrite: []rewritten{tt.rewrite}}, point, schema, source.Selection{})
			if err != nil {
				t.Fatal(err)
			}
			requireRefused(t, plan, tt.refused...)
			requireCheck(t, plan, tt.check, tt.ok, tt.says)
		})
	}
}

// Events that were captured on a replica come back disabled, which is said.
func TestEventsOfAReplica(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE EVENT "+schema+".e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	plan, err := newServer(t, rootOf(env), nil, schema).Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
	if err != nil {
		t.Fatal(err)
	}
	requireCheck(t, plan, "events", false, "1 event is disabled in the point because it was taken from a replica")
}
