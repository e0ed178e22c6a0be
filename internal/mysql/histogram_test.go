package mysql

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A histogram whose table somebody else holds a lock of is gathered all the
// same: that it was not is said in a result, and by no error.
func TestHistogramIsGatheredBehindALock(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT)", "INSERT INTO "+schema+".t VALUES (1), (2)")
	holder, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	run(t, holder, "LOCK TABLES "+schema+".t WRITE")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "SET lock_wait_timeout = 1")
	gathered := make(chan error, 1)
	go func() {
		gathered <- analyze(t.Context(), conn, "ANALYZE TABLE "+schema+".t UPDATE HISTOGRAM ON a WITH 2 BUCKETS")
	}()
	if err := pause(t.Context(), 3*time.Second/2); err != nil { // one try is over
		t.Fatal(err)
	}
	run(t, holder, "UNLOCK TABLES")
	if err := <-gathered; err != nil {
		t.Fatal(err)
	}
	if n := text(t, db, "SELECT COUNT(*) FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME = '"+schema+"'"); n != "1" {
		t.Errorf("%s histograms, want 1", n)
	}
}
