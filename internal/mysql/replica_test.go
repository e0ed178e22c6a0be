package mysql

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// follow makes the standby a replica of the live server.
func follow(t *testing.T, live, standby *testbed.MySQL) {
	t.Helper()
	liveDB := live.Open(t)
	user, password := "replicator", randomName()
	run(t, liveDB, "CREATE USER "+user+"@'%' IDENTIFIED BY '"+password+"'", "GRANT REPLICATION SLAVE ON *.* TO "+user+"@'%'")
	run(t, standby.Open(t), fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_SSL = 1, SOURCE_AUTO_POSITION = 1", live.Port, user, password),
		"START REPLICA")
}

// catchUp waits until the replica has applied all that the live server has.
func catchUp(t *testing.T, live, standby *sql.DB) {
	t.Helper()
	gtids := strings.ReplaceAll(text(t, live, "SELECT @@global.gtid_executed"), "\n", "")
	if late := text(t, standby, "SELECT WAIT_FOR_EXECUTED_GTID_SET('"+gtids+"', 60)"); late != "0" {
		t.Fatal("the replica does not catch up")
	}
}

// A replica is a source like any other: while it applies what 8 writers do to
// its own source, a dump is one moment, and both its own position and that of
// its source are recorded. It goes on applying.
func TestReplicaAsASource(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	live, standby, third := env.StartMySQL(t, "--server-id=1"), env.StartMySQL(t, "--server-id=2"), env.StartMySQL(t, "--server-id=3")
	follow(t, live, standby)
	liveDB, standbyDB := live.Open(t), standby.Open(t)
	run(t, liveDB, "CREATE DATABASE bank_a", "CREATE DATABASE bank_b")
	bank := openBank(t, liveDB, "bank_a", "bank_b")
	catchUp(t, liveDB, standbyDB)
	money := bank.sum(t, liveDB)
	// What a replica has is replayed from the replica's own binary log.
	th := &theatre{live: standby, standby: third, liveDB: standbyDB, standbyDB: third.Open(t), bank: bank, money: money}
	for _, rung := range []Rung{RungGlobalLock, RungTableLocks} {
		t.Run(string(rung), func(t *testing.T) {
			th.checksums = map[string]map[string]string{}
			stop := bank.work(t, 8, 4*time.Millisecond)
			may := rungAccounts[rung]
			as := newAccount(t, standbyDB, standby.Address, may.onSchemas, may.global, bank.schemas...)
			points := th.dumps(t, newServer(t, as, smallChunks, bank.schemas...), long(1, 10))
			stop()
			catchUp(t, liveDB, standbyDB)
			uuid := text(t, liveDB, "SELECT @@server_uuid")
			for _, point := range points {
				captured := requireRung(t, point, rung)
				if len(captured.Replica) != 1 || captured.Replica[0].SourceUUID != uuid || captured.Replica[0].File == "" || !strings.Contains(captured.From.GTIDSet, uuid) {
					t.Errorf("position %v as a replica of %v, want the place in the log of %s, and its GTIDs", captured.From, captured.Replica, uuid)
				}
				th.requireExact(t, point, &captured)
			}
		})
	}
	t.Run("doctor and manifest say that it stopped", func(t *testing.T) {
		s := newServer(t, account{standby.Address, standby.User, standby.Password}, nil, bank.schemas...)
		requireFinding(t, s, "mysql.replica", source.OK, "0 seconds behind")
		run(t, standbyDB, "STOP REPLICA SQL_THREAD")
		requireFinding(t, s, "mysql.replica", source.Error, "applying false")
		if !warned(repotest.New(t).Capture(t, "main", Kind, s), warnStopped) {
			t.Errorf("the point does not warn %s", warnStopped)
		}
	})
}

// warned reports whether a point warns of something.
func warned(point *repository.SourceReader, code string) bool {
	part, _ := point.Point().SourceNamed(point.Name())
	return slices.ContainsFunc(part.Warnings, func(c repository.Count) bool { return c.Code == code })
}

func requireFinding(t *testing.T, s *Server, check string, severity source.Severity, evidence string) {
	t.Helper()
	findings := s.Examine(t.Context())
	for _, f := range findings {
		if f.Check == check && f.Severity == severity && strings.Contains(f.Evidence, evidence) {
			return
		}
	}
	t.Errorf("no finding %s of %s that says %q among %v", severity, check, evidence, findings)
}
