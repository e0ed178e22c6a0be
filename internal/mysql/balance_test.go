package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// unevenly returns statements that spread rows over tables in ways which make
// it hard to share them out among workers. The filler of row i is an expression.
func unevenly(rows int, filler string) map[string][]string {
	numbers := fmt.Sprintf(" WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d) SELECT /*+ SET_VAR(cte_max_recursion_depth = %[1]d) */ ", rows)
	return map[string][]string{
		"one table with nine rows in ten": {
			"CREATE TABLE large (id BIGINT PRIMARY KEY, filler VARCHAR(2000))",
			"INSERT INTO large" + numbers + "i, " + filler + " FROM n",
			"CREATE TABLE small1 (id BIGINT PRIMARY KEY, filler VARCHAR(2000))",
			fmt.Sprintf("INSERT INTO small1 SELECT * FROM large WHERE id <= %d", rows/18),
			"CREATE TABLE small2 LIKE small1", "INSERT INTO small2 SELECT * FROM small1",
			"ANALYZE TABLE large, small1, small2",
		},
		"one table with a composite key of text": {
			"CREATE TABLE members (a VARCHAR(64) COLLATE utf8mb4_unicode_ci, b CHAR(64) COLLATE utf8mb4_0900_ai_ci, filler VARCHAR(2000), PRIMARY KEY (a, b))",
			"INSERT INTO members" + numbers + "CONCAT('Group-', i MOD 90), SHA2(i, 256), " + filler + " FROM n",
			"ANALYZE TABLE members",
		},
	}
}

// newUneven fills a schema and returns the server that has it, and its name.
func newUneven(t testing.TB, env *testbed.Env, statements []string) (s *Server, schema string) {
	t.Helper()
	schema = env.NewSchema(t)
	conn, err := env.OpenMySQL(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, append([]string{"USE " + schema}, statements...)...)
	return newServer(t, rootOf(env), nil, schema), schema
}

// However the rows are spread over tables, all workers are busy to the end:
// when one has nothing left to do, nearly all rows have been read: 97 in a hundred.
// Without finer ranges at the end it is 88.
func TestWorkersAreBusyToTheEnd(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	for name, statements := range unevenly(21600, "REPEAT('x', 2000)") {
		t.Run(name, func(t *testing.T) {
			s, schema := newUneven(t, env, statements)
			equally := newLockstep()
			watched := readWatched(t, s, schema, func() rowSink {
				return &pacedSink{rowSink: &compareSink{tally: newTally(seal.DigestKey{}), shown: noTask}, lockstep: equally}
			})
			for i, w := range watched {
				if w.last < w.read.Load()*94/100 {
					t.Errorf("worker %d had nothing left to do after %d of %d rows", i, w.last, w.read.Load())
				}
			}
		})
	}
}

// How much longer the last worker of a dump takes than the first, in time. `make
// bench` holds it against a limit.
func BenchmarkLastWorker(b *testing.B) {
	env := testbed.Need(b)
	for name, statements := range unevenly(400_000, "REPEAT(SHA2(i, 512), 2)") {
		b.Run(name, func(b *testing.B) {
			s, schema := newUneven(b, env, statements)
			var ratios []float64
			for b.Loop() {
				began := time.Now()
				var ended []time.Duration
				repotest.New(b).Capture(b, "main", Kind, captureFunc(func(_ context.Context, draft *repository.SourceDraft) error {
					watched := readWatched(b, s, schema, func() rowSink { return newDumpSink(draft, seal.DigestKey{}, noTask) })
					for _, w := range watched {
						ended = append(ended, w.ended.Sub(began))
					}
					draft.Summarize(repository.Summary{})
					return nil
				}))
				ratios = append(ratios, slices.Max(ended).Seconds()/slices.Min(ended).Seconds())
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "last/first")
		})
	}
}

var noTask = progress.Discard.Task("", progress.Rows, 0)

// captureFunc is a source of which only that is captured.
type captureFunc func(ctx context.Context, draft *repository.SourceDraft) error

func (f captureFunc) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	return f(ctx, draft)
}

// readWatched reads a schema with four workers into sinks, and returns them.
func readWatched(t testing.TB, s *Server, schema string, sink func() rowSink) []*watchedSink {
	t.Helper()
	const workers = 4
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
	var read atomic.Int64
	var mu sync.Mutex
	var watched []*watchedSink
	err := client.newReader(runs, seal.DigestKey{}).run(t.Context(), shot.sessions, func() rowSink {
		w := &watchedSink{rowSink: sink(), read: &read}
		mu.Lock()
		defer mu.Unlock()
		watched = append(watched, w)
		return w
	})
	if err := errors.Join(err, shot.close()); err != nil {
		t.Fatal(err)
	}
	return watched
}

// watchedSink notes how many rows all workers together had read when its own
// last one came, and when its last range ended.
type watchedSink struct {
	rowSink
	read  *atomic.Int64
	last  int64
	ended time.Time
}

func (w *watchedSink) row(ctx context.Context, values [][]byte) (bool, error) {
	w.last = w.read.Add(1)
	return w.rowSink.row(ctx, values)
}

func (w *watchedSink) end() error {
	defer func() { w.ended = time.Now() }()
	return w.rowSink.end()
}

// lockstep has workers that read at the same time read equally fast, however
// processors are shared out among them.
type lockstep struct {
	mu      sync.Mutex
	moved   *sync.Cond
	reading map[*pacedSink]int // rows, counted from those of who was last when it began
}

// stride is how many rows one may be ahead of another.
const stride = 20

func newLockstep() *lockstep {
	l := &lockstep{reading: map[*pacedSink]int{}}
	l.moved = sync.NewCond(&l.mu)
	return l
}

// last is how many rows who is last has read; it is called with mu held.
func (l *lockstep) last() int {
	return slices.Min(slices.Collect(maps.Values(l.reading)))
}

func (l *lockstep) step(ctx context.Context, s *pacedSink) {
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.moved.Broadcast()
	})()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, reads := l.reading[s]; !reads {
		begin := 0
		if len(l.reading) > 0 {
			begin = l.last()
		}
		l.reading[s] = begin
	}
	l.reading[s]++
	l.moved.Broadcast()
	for l.reading[s] > l.last()+stride && ctx.Err() == nil {
		l.moved.Wait()
	}
}

func (l *lockstep) leave(s *pacedSink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.reading, s)
	l.moved.Broadcast()
}

// pacedSink is the sink of one worker of a lockstep.
type pacedSink struct {
	rowSink
	lockstep *lockstep
}

func (s *pacedSink) row(ctx context.Context, values [][]byte) (bool, error) {
	s.lockstep.step(ctx, s)
	return s.rowSink.row(ctx, values)
}

func (s *pacedSink) end() error {
	s.lockstep.leave(s)
	return s.rowSink.end()
}

func (s *pacedSink) cancel() {
	s.lockstep.leave(s)
	s.rowSink.cancel()
}

// A restore that is killed loses one chunk of each worker: together they are a small
// part of their table, unless that is small itself.
func TestWorkersHoldLittleOfATable(t *testing.T) {
	const workers, chunkSize = 4, defaultChunkSize
	for size := int64(1 << 20); size < 1<<42; size = size*3/2 + 1 {
		p := reckon(&table{estimatedBytes: size, estimatedRows: size / 200}, chunkSize, workers)
		held := workers * overfull * p.fileBytes
		if limit := max(size/filesEach, workers*overfull*chunkSize/leastFile); held > limit {
			t.Errorf("of a table of %d bytes %d are in chunks on their way, want at most %d", size, held, limit)
		}
		if p.rangeBytes < p.fileBytes {
			t.Errorf("a table of %d bytes has ranges of %d bytes, which its chunks of %d exceed", size, p.rangeBytes, p.fileBytes)
		}
	}
}
