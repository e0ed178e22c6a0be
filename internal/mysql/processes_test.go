package mysql

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A session that runs a statement with bytes that are no text is no obstacle:
// it makes information_schema.PROCESSLIST unreadable for everybody.
func TestOddStatementsOfOthersAreNoObstacle(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "INSERT INTO "+schema+".t VALUES (1)")
	odd, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer odd.Close()
	run(t, odd, "SET NAMES utf8mb4")
	ended := make(chan error, 1)
	go func() {
		_, err := odd.ExecContext(t.Context(), "SELECT GET_LOCK('"+schema+"', 600) /* \xff\xfe\xc3( */")
		ended <- err
	}()
	holder, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := <-ended; err != nil { // the lock is had, and the statement at its end
		t.Fatal(err)
	}
	go func() {
		_, err := holder.ExecContext(t.Context(), "SELECT GET_LOCK('"+schema+"', 600) /* \xff\xfe\xc3( */")
		ended <- err
	}()
	for {
		_, err := queryRecords(t.Context(), db, "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT GET_LOCK%'")
		if isServer(err, 3854) {
			break // now it is as bad as it gets
		}
		if err := pause(t.Context(), pollInterval); err != nil {
			t.Fatal(err)
		}
	}
	repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), func(s *Settings) { s.LockWait = time.Second }, schema))
	run(t, odd, "DO RELEASE_LOCK('"+schema+"')")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
