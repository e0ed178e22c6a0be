package mysql

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// However the rows are spread over tables, all workers are busy to the end:
// when one has nothing left to do, nearly all rows have been read. How near that
// comes depends on how fairly processors are shared out; without finer ranges at
// the end it is seven in ten.
func TestWorkersAreBusyToTheEnd(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	const numbers = " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21600) SELECT /*+ SET_VAR(cte_max_recursion_depth = 21600) */ "
	tests := map[string][]string{
		"one table with nine rows in ten": {
			"CREATE TABLE large (id BIGINT PRIMARY KEY, filler VARCHAR(2000))",
			"INSERT INTO large" + numbers + "i, REPEAT('x', 2000) FROM n",
			"CREATE TABLE small1 (id BIGINT PRIMARY KEY, filler VARCHAR(2000))", "INSERT INTO small1 SELECT * FROM large WHERE id <= 1200",
			"CREATE TABLE small2 LIKE small1", "INSERT INTO small2 SELECT * FROM small1",
			"ANALYZE TABLE large, small1, small2",
		},
		"one table with a composite key of text": {
			"CREATE TABLE members (a VARCHAR(64) COLLATE utf8mb4_unicode_ci, b CHAR(64) COLLATE utf8mb4_0900_ai_ci, filler VARCHAR(2000), PRIMARY KEY (a, b))",
			"INSERT INTO members" + numbers + "CONCAT('Group-', i MOD 90), SHA2(i, 256), REPEAT('x', 2000) FROM n",
			"ANALYZE TABLE members",
		},
	}
	for name, statements := range tests {
		t.Run(name, func(t *testing.T) {
			schema := env.NewSchema(t)
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			run(t, conn, append([]string{"USE " + schema}, statements...)...)
			requireBusy(t, newServer(t, rootOf(env), nil, schema), schema, 4)
		})
	}
}

func requireBusy(t *testing.T, s *Server, schema string, workers int) {
	t.Helper()
	client, _, d := definedIn(t, s, schema)
	var runs []*tableRun
	for i := range d.Tables {
		runs = append(runs, newTableRun(schema, &d.Tables[i], s.settings.chunkSize(), workers))
	}
	slices.SortFunc(runs, func(a, b *tableRun) int { return int(b.estimatedBytes - a.estimatedBytes) })
	shot := new(snapshot)
	l := ladder{client: client}
	if err := errors.Join(l.sessions(t.Context(), shot, workers), shot.start(t.Context())); err != nil {
		t.Fatal(err)
	}
	var key seal.DigestKey
	var read atomic.Int64
	var mu sync.Mutex
	var ended []*int64
	err := client.newReader(runs, key).run(t.Context(), shot.sessions, func() rowSink {
		sink := &watchedSink{compareSink: compareSink{tally: newTally(key), shown: progress.Discard.Task("", progress.Rows, 0)}, read: &read, last: new(int64)}
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, sink.last)
		return sink
	})
	if err := errors.Join(err, shot.close()); err != nil {
		t.Fatal(err)
	}
	for i, last := range ended {
		if *last < read.Load()*8/10 {
			t.Errorf("worker %d had nothing left to do after %d of %d rows", i, *last, read.Load())
		}
	}
}

// watchedSink notes how many rows all workers together had read when its own
// last one came.
type watchedSink struct {
	compareSink
	read *atomic.Int64
	last *int64
}

func (s *watchedSink) row(ctx context.Context, values [][]byte) (bool, error) {
	*s.last = s.read.Add(1)
	return s.compareSink.row(ctx, values)
}
