package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// task is a range of one table.
type task struct {
	table *tableRun
	keyRange
	pieces int64 // more than one: to be cut into so many ranges, not to be read itself
	again  total // rows at the beginning of the range that are stored already
	last   bool  // cut as fine as it gets
}

// tableRun is a table while its rows are read.
type tableRun struct {
	*table
	schema string // where it is read; a restored copy may have another name
	pace   pace
	enums  []int // places of the ENUM columns

	documents []int // places of the JSON columns

	mu     sync.Mutex
	files  int
	chunks []chunk
	total  total
}

func newTableRun(schema string, t *table, chunkSize int64, workers int) *tableRun {
	run := &tableRun{table: t, schema: schema, pace: reckon(t, chunkSize, workers)}
	for i := range t.Columns {
		switch t.Columns[i].Type {
		case "enum":
			run.enums = append(run.enums, i)
		case "json":
			run.documents = append(run.documents, i)
		}
	}
	return run
}

// from names the table in a statement.
func (t *tableRun) from() string { return quoteName(t.schema) + "." + quoteName(t.Name) }

// pieces is in how many ranges the whole table is cut.
func (t *tableRun) pieces() int64 {
	if t.Key == nil {
		return 1
	}
	return t.pace.ranges
}

// label names the table in messages.
func (t *tableRun) label() string { return t.schema + "." + t.Name }

// nextFile returns the name of a new chunk.
func (t *tableRun) nextFile() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.files++
	return fmt.Sprintf("%06d.tsv", t.files)
}

// add counts rows that were read to the end and, in a dump, stored.
func (t *tableRun) add(c chunk) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.add(c.total)
	if c.File != "" {
		t.chunks = append(t.chunks, c)
	}
}

// rowSink takes the rows of one range, in the order of the key.
type rowSink interface {
	begin(t *tableRun)
	// row takes a row. It returns true when this row and all before it are
	// stored, and count, whatever comes after.
	row(ctx context.Context, values [][]byte) (stored bool, err error)
	// end is called when the stream ended cleanly; what was taken counts.
	end() error
	// cancel drops what was taken and is not stored.
	cancel()
	// takeStored returns what was stored since begin or the last takeStored,
	// but for what end stored.
	takeStored() total
}

// reader reads tables with several workers, each over a session of its own.
// A dump and a comparison differ only in their sinks.
type reader struct {
	queue *queue[task]
	key   seal.DigestKey
	hold  time.Duration // how long a table with a key is held at a time
	end   func(ctx context.Context, sessions ...int64)

	cutting atomic.Int64 // tables that are being cut just now, and will give more to do

	mu       sync.Mutex
	alive    int                 // sessions
	sessions map[int64]bool      // all of them, by the server's number
	whole    map[*tableRun]int64 // tables that are read in one go just now, and by which session
}

// newReader queues the tables, the largest first.
func (c *client) newReader(tables []*tableRun, key seal.DigestKey) *reader {
	tasks := make([]task, len(tables))
	for i, t := range tables {
		tasks[i] = task{table: t, pieces: t.pieces()}
	}
	return &reader{
		queue: newQueue(tasks...), key: key, hold: c.server.settings.lockWait(), end: c.end,
		sessions: map[int64]bool{}, whole: map[*tableRun]int64{},
	}
}

// run reads everything through the sessions. A session that is lost leaves its
// range to the others, which see the same snapshot; with the last one the
// snapshot is lost, and the run fails.
func (r *reader) run(ctx context.Context, sessions []*sql.Conn, sink func() rowSink) error {
	r.alive = len(sessions)
	group, ctx := errgroup.WithContext(ctx)
	for _, conn := range sessions {
		group.Go(func() error {
			w := worker{reader: r, conn: conn, sink: sink(), tally: newTally(r.key), parallel: len(sessions)}
			return w.run(ctx)
		})
	}
	return group.Wait()
}

// leave reports whether a session that is lost leaves others behind.
func (r *reader) leave() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive--
	return r.alive > 0
}

func (r *reader) join(session int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[session] = true
}

// owns reports whether a session is one of the reader's.
func (r *reader) owns(session int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[session]
}

// readWhole notes that a table is being read in one go, or no longer is.
func (r *reader) readWhole(t *tableRun, session int64, begins bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if begins {
		r.whole[t] = session
	} else {
		delete(r.whole, t)
	}
}

// unbroken returns the tables that are read in one go, with the sessions.
func (r *reader) unbroken() map[*tableRun]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.whole)
}
