package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// task is a range of one table.
type task struct {
	table *tableRun
	keyRange
	pieces int64 // more than one: to be cut into so many ranges, not to be read itself
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
}

// reader reads tables with several workers, each over a session of its own.
// A dump and a comparison differ only in their sinks.
type reader struct {
	queue *queue[task]
}

// newReader queues the tables, the largest first.
func newReader(tables []*tableRun) *reader {
	tasks := make([]task, len(tables))
	for i, t := range tables {
		tasks[i] = task{table: t, pieces: t.pieces()}
	}
	return &reader{queue: newQueue(tasks...)}
}

// run reads everything through the sessions.
func (r *reader) run(ctx context.Context, sessions []*sql.Conn, sink func() rowSink) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, conn := range sessions {
		group.Go(func() error {
			w := worker{conn: conn, queue: r.queue, sink: sink(), parallel: len(sessions)}
			return w.run(ctx)
		})
	}
	return group.Wait()
}

// worker reads ranges through one session.
type worker struct {
	conn     *sql.Conn
	queue    *queue[task]
	sink     rowSink
	parallel int
}

func (w *worker) run(ctx context.Context) error {
	for {
		next, ok := w.queue.take(ctx)
		if !ok {
			return ctx.Err()
		}
		err := w.do(ctx, next)
		w.queue.done()
		if isServer(err, erNoSuchTable, erTableDefChanged, erBadField) {
			return fault.New(fault.Failed, "read", "table %q was changed or dropped while it was read: %w", next.table.label(), err).
				Hint("try again when no migration runs")
		}
		if err != nil {
			return fmt.Errorf("read table %q: %w", next.table.label(), err)
		}
	}
}

// do carries a task out and lets go of the table's metadata lock, so that a
// waiting ALTER TABLE, and everyone behind it, waits for one range at most.
func (w *worker) do(ctx context.Context, t task) error {
	if _, err := w.conn.ExecContext(ctx, "SAVEPOINT range_start"); err != nil {
		return clean(err)
	}
	var err error
	if t.pieces > 1 {
		c := cutter{conn: w.conn, table: t.table, found: func(r keyRange) { w.queue.push(task{table: t.table, keyRange: r}) }}
		err = c.cut(ctx, t.keyRange, t.pieces)
	} else {
		err = w.read(ctx, t)
	}
	if err != nil {
		return err
	}
	_, err = w.conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT range_start")
	return clean(err)
}

// attempts is how often a range is read again in the same snapshot when the
// server ended the query but left the session alive.
const attempts = 3

func (w *worker) read(ctx context.Context, t task) error {
	for try := 1; ; try++ {
		stored, err := w.readOnce(ctx, &t)
		if err == nil {
			return nil
		}
		w.sink.cancel()
		// A table without a key cannot be gone on with behind what is stored.
		again := t.table.Key != nil || !stored
		if !again || try == attempts || !isServer(err, erQueryInterrupted, erMaxExecutionTime) {
			return err
		}
	}
}

// readOnce streams a range into the sink, and moves the range's beginning
// behind what is stored. A range is bounded by a number of rows as well: what
// is beyond goes back into the queue.
func (w *worker) readOnce(ctx context.Context, t *task) (stored bool, err error) {
	w.sink.begin(t.table)
	key, limit := t.table.Key, overfull*t.table.pace.rangeRows
	query := t.query(limit)
	rows, last := int64(0), position(nil)
	err = streamRows(ctx, w.conn, query, func(values [][]byte) error {
		done, err := w.sink.row(ctx, values)
		if rows++; key != nil && (done || rows == limit) {
			last = key.position(func(i int) []byte { return values[i] })
		}
		if done {
			stored, t.after = true, last
		}
		return err
	})
	if err != nil {
		return stored, err
	}
	if n, err := warningCount(ctx, w.conn); err != nil || n != 0 {
		return true, errors.Join(err, t.table.warned(n))
	}
	if err := w.sink.end(); err != nil {
		return true, err
	}
	if key != nil && rows == limit {
		w.queue.push(task{table: t.table, keyRange: keyRange{after: last, upTo: t.upTo}, pieces: int64(2 * w.parallel)})
	}
	return true, nil
}

// query returns the statement that reads the task's range.
func (t *task) query(limit int64) string {
	var b strings.Builder
	b.WriteString("SELECT " + selectList(t.table.Columns) + " FROM " + t.table.from())
	if k := t.table.Key; k != nil {
		// Rows in the order of the key load fastest, and come out of the index
		// without being sorted.
		fmt.Fprintf(&b, " FORCE INDEX (%s)%s ORDER BY %s LIMIT %d", quoteName(k.Index), t.table.where(t.keyRange), k.order(first), limit)
	} else {
		b.WriteString(t.table.where(keyRange{}))
	}
	return b.String()
}
