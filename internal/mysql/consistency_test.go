package mysql

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// long returns how often something is tried: the full count in a long run.
func long(short, full int) int {
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		return full
	}
	return short
}

// theatre is a server with a bank at work, and another one on which dumps of
// it come back and its binary log is replayed.
type theatre struct {
	live, standby     *testbed.MySQL
	liveDB, standbyDB *sql.DB
	bank              *bank
	money             string
	checksums         map[string]map[string]string
}

func openTheatre(t *testing.T, env *testbed.Env, standby *testbed.MySQL, flags ...string) *theatre {
	t.Helper()
	th := &theatre{live: env.StartMySQL(t, flags...), standby: standby}
	th.liveDB, th.standbyDB = th.live.Open(t), standby.Open(t)
	run(t, th.liveDB, "CREATE DATABASE bank_a", "CREATE DATABASE bank_b")
	th.bank = openBank(t, th.liveDB, "bank_a", "bank_b")
	th.money = th.bank.sum(t, th.liveDB)
	return th
}

// dumps takes points while the bank is at work. A dump into whose midst a
// change of a definition fell has to say so, and is taken again.
func (th *theatre) dumps(t *testing.T, s *Server, n int) []*repository.SourceReader {
	t.Helper()
	var points []*repository.SourceReader
	for failed := 0; len(points) < n; {
		fixture := repotest.New(t)
		id, err := fixture.TryCapture(t.Context(), t, "main", Kind, s)
		switch {
		case err == nil:
			points = append(points, fixture.Source(t, id, "main"))
		case strings.Contains(err.Error(), "changed") && failed < 20*n:
			failed++
		default:
			t.Fatalf("dump: %v", err)
		}
	}
	return points
}

// bringBack restores a point on the standby.
func (th *theatre) bringBack(t *testing.T, point *repository.SourceReader) {
	t.Helper()
	for _, schema := range th.bank.schemas {
		run(t, th.standbyDB, "DROP DATABASE IF EXISTS "+schema)
	}
	s := newServer(t, account{th.standby.Address, th.standby.User, th.standby.Password}, nil, th.bank.schemas...)
	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), point, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	requireEqual(t, compare(t, s, point, plan))
	if got := th.bank.sum(t, th.standbyDB); got != th.money {
		t.Errorf("the restored copy holds %s, want %s: moments were mixed", got, th.money)
	}
}

// replay brings the standby to the live state with the server's own tools.
func (th *theatre) replay(t *testing.T, from string) {
	t.Helper()
	user := newAccount(t, th.standbyDB, th.standby.Address, "ALL", "SYSTEM_VARIABLES_ADMIN, REPLICATION_APPLIER, BINLOG_ADMIN", th.bank.schemas...)
	// The pipe's exit code is that of mysql; mysqlbinlog says what it lacks on
	// its standard error, which fails the test too.
	command := fmt.Sprintf("set -eu; cd /var/lib/mysql; mysqlbinlog --skip-gtids --disable-log-bin %s > /tmp/replay.sql; MYSQL_PWD=%s mysql --host=127.0.0.1 --port=%d --user=%s --binary-mode < /tmp/replay.sql; rm /tmp/replay.sql",
		from, user.password, th.standby.Port, user.user)
	if out := th.live.Shell(t, command); out != "" {
		t.Errorf("replay: %s", out)
	}
	for _, schema := range th.bank.schemas {
		if th.checksums[schema] == nil {
			th.checksums[schema] = checksums(t, th.liveDB, schema)
		}
		if diff := cmp.Diff(th.checksums[schema], checksums(t, th.standbyDB, schema)); diff != "" {
			t.Errorf("the binary log replayed from %s does not give the live state of %s (-live +replayed):\n%s", from, schema, diff)
		}
	}
}

// logs returns the binary log's files from the given one on.
func (th *theatre) logs(t *testing.T, first string) string {
	t.Helper()
	records, err := queryRecords(t.Context(), th.liveDB, "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records {
		if r.text("log_name") >= first {
			names = append(names, r.text("log_name"))
		}
	}
	return strings.Join(names, " ")
}

// requireExact replays the binary log from where a dump says that it stands,
// by place and by GTID set.
func (th *theatre) requireExact(t *testing.T, point *repository.SourceReader, captured *Captured) {
	t.Helper()
	at := captured.From
	if at == nil || captured.Until == nil || *at != *captured.Until || at.File == "" {
		t.Fatalf("position from %v until %v, want one place", at, captured.Until)
	}
	th.bringBack(t, point)
	th.replay(t, fmt.Sprintf("--start-position=%d %s", at.Position, th.logs(t, at.File)))
	if at.GTIDSet != "" && (captured.Rung == RungTableLocks || long(0, 1) == 1) {
		th.bringBack(t, point)
		th.replay(t, fmt.Sprintf("--exclude-gtids=%s %s", at.GTIDSet, th.logs(t, "")))
	}
}

// requireBounds replays the binary log from the lower bound of a dump that
// lies between two positions. What it holds already is applied again.
func (th *theatre) requireBounds(t *testing.T, point *repository.SourceReader, captured *Captured) {
	t.Helper()
	if captured.From == nil || captured.From.GTIDSet == "" || captured.Until == nil || captured.Until.File == "" {
		t.Fatalf("position from %v until %v, want bounds", captured.From, captured.Until)
	}
	th.bringBack(t, point)
	th.replay(t, fmt.Sprintf("--idempotent --exclude-gtids=%s %s", captured.From.GTIDSet, th.logs(t, "")))
}

// rungAccounts have just the privileges for their rung.
var rungAccounts = map[Rung]struct{ onSchemas, global string }{
	RungGlobalLock:     {reading, "RELOAD, REPLICATION CLIENT, PROCESS, BACKUP_ADMIN"},
	RungTableLocks:     {reading + ", LOCK TABLES", "REPLICATION CLIENT"},
	RungEqualPositions: {reading, "REPLICATION CLIENT, PROCESS"},
	RungSingleSession:  {reading, "REPLICATION CLIENT"},
}

// Every dump is one moment, and says which.
func TestDumpIsOneMomentAndItsPositionExact(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	standby := env.StartMySQL(t)
	const heavy, trickle = 8, 1
	servers := []struct {
		name  string
		flags []string
		gtid  bool
		rungs []Rung
	}{
		{"GTIDs and many files", []string{"--max-binlog-size=256K"}, true, []Rung{RungGlobalLock, RungTableLocks, RungEqualPositions, RungSingleSession}},
		{"no GTIDs", []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", "--binlog-order-commits=OFF"}, false, []Rung{RungGlobalLock, RungEqualPositions}},
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			th := openTheatre(t, env, standby, server.flags...)
			for _, rung := range server.rungs {
				t.Run(string(rung), func(t *testing.T) {
					writers, rest := heavy, 3*time.Millisecond
					if rung == RungEqualPositions {
						writers, rest = trickle, 20*time.Millisecond
					}
					stop := th.bank.work(t, writers, rest)
					stopChanges := repeat(t, 1, 2*time.Second, th.bank.change)
					may := rungAccounts[rung]
					as := newAccount(t, th.liveDB, th.live.Address, may.onSchemas, may.global, th.bank.schemas...)
					patient := func(s *Settings) {
						// Falling to the next rung is another test's matter, however slow
						// the server is here.
						if smallChunks(s); rung != RungSingleSession {
							s.LockWait = time.Minute
						}
					}
					points := th.dumps(t, newServer(t, as, patient, th.bank.schemas...), long(1, 20))
					stopChanges()
					stop()
					th.checksums = map[string]map[string]string{}
					for _, point := range points {
						captured := requireRung(t, point, rung)
						if (captured.From != nil && captured.From.GTIDSet != "") != server.gtid {
							t.Errorf("position %v, GTID set: want %v", captured.From, server.gtid)
						}
						if rung == RungSingleSession {
							th.requireBounds(t, point, &captured)
						} else {
							th.requireExact(t, point, &captured)
						}
					}
				})
			}
		})
	}
}

// Where nothing is locked and no moment is quiet, one session reads alone.
func TestNoQuietMomentUnderHeavyWriters(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE bank")
	bank := openBank(t, db, "bank")
	may := rungAccounts[RungEqualPositions]
	as := newAccount(t, db, server.Address, may.onSchemas, may.global, "bank")
	s := newServer(t, as, func(s *Settings) { s.LockWait = time.Second }, "bank")
	stop := bank.work(t, 8, 0)
	defer stop()
	captured := requireRung(t, repotest.New(t).Capture(t, "main", Kind, s), RungSingleSession)
	if captured.From == nil || captured.From.File == "" {
		t.Errorf("position %v, want a place: every transaction that was under way has ended", captured.From)
	}
}

func TestServerWithoutBinaryLog(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t, "--skip-log-bin")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE bank")
	bank := openBank(t, db, "bank")
	money := bank.sum(t, db)
	for _, rung := range []Rung{RungGlobalLock, RungTableLocks, RungSingleSession} {
		may := rungAccounts[rung]
		as := newAccount(t, db, server.Address, may.onSchemas, may.global, "bank")
		stop := bank.work(t, 4, 0)
		point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, nil, "bank"))
		stop()
		if captured := requireRung(t, point, rung); captured.From != nil || captured.Until != nil {
			t.Errorf("%s: position from %v until %v, want none", rung, captured.From, captured.Until)
		}
		root := newServer(t, account{server.Address, server.User, server.Password}, nil, "bank")
		requireEqual(t, bringBack(t, root, point, map[string]string{"bank": "copied"}))
		copied := bank.copied("copied")
		if got := copied.sum(t, db); got != money {
			t.Errorf("%s: the restored copy holds %s, want %s: moments were mixed", rung, got, money)
		}
		run(t, db, "DROP DATABASE copied")
	}
}

func (b *bank) copied(schemas ...string) *bank { return &bank{db: b.db, schemas: schemas} }

// A transaction is in the binary log before it can be seen: for as long as a
// semi-synchronous replica does not answer, for instance. Here it stays there
// for good, and equal positions alone would lose it.
func TestTransactionBetweenLogAndVisibility(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)")
	may := rungAccounts[RungEqualPositions]
	as := newAccount(t, db, server.Address, may.onSchemas, may.global, "d")
	run(t, db, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
		"SET GLOBAL rpl_semi_sync_source_enabled = ON, GLOBAL rpl_semi_sync_source_timeout = 600000, GLOBAL rpl_semi_sync_source_wait_no_replica = ON")
	finished := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(t.Context(), "INSERT INTO d.t VALUES (1)")
		finished <- err
	}()
	awaitState(t, db, "Waiting for semi-sync")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, func(s *Settings) { s.LockWait = time.Second }, "d"))
	run(t, db, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	if err := <-finished; err != nil {
		t.Errorf("insert: %v", err)
	}
	captured := requireRung(t, point, RungSingleSession)
	if captured.From == nil || captured.From.File != "" || captured.From.GTIDSet == "" {
		t.Errorf("position %v, want a GTID set alone: the file is ahead of what can be seen", captured.From)
	}
	if rows := point.Summary().Rows; rows != 0 {
		t.Errorf("%d rows, want none", rows)
	}
}
