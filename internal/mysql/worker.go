package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// worker reads ranges through one session.
type worker struct {
	*reader
	conn     *sql.Conn
	session  int64
	sink     rowSink
	tally    *tally // of rows that are read again
	parallel int
}

func (w *worker) run(ctx context.Context) error {
	if err := w.enter(ctx); w.leaves(ctx, err) {
		return nil
	} else if err != nil {
		return err
	}
	for {
		next, ok := w.queue.take(ctx)
		if !ok {
			return ctx.Err()
		}
		err := w.do(ctx, &next)
		leaves := w.leaves(ctx, err)
		if leaves {
			w.queue.push(next)
		}
		w.queue.done()
		if leaves {
			w.end(ctx, w.session)
			return nil
		}
		if isServer(err, erNoSuchTable, erTableDefChanged, erBadField) {
			return fault.New(fault.Failed, "read", "table %q was changed or dropped while it was read: %w", next.table.label(), err).
				Hint("try again when no migration runs")
		}
		if err != nil {
			return fmt.Errorf("read table %q: %w", next.table.label(), err)
		}
	}
}

// leaves reports whether the session is lost, with others left to go on.
func (w *worker) leaves(ctx context.Context, err error) bool {
	return errors.Is(err, errLost) && ctx.Err() == nil && w.leave()
}

// enter makes the session known, and sets the mark to which it goes back after
// each statement.
func (w *worker) enter(ctx context.Context) (err error) {
	if w.session, err = connectionID(ctx, w.conn); err != nil {
		return lost(err)
	}
	w.join(w.session)
	if _, err = w.conn.ExecContext(ctx, "SAVEPOINT beginning"); err != nil {
		return lost(clean(err))
	}
	return nil
}

func (w *worker) do(ctx context.Context, t *task) error {
	if t.pieces > 1 {
		return w.cut(ctx, t, t.pieces, t.table.pace.rangeRows)
	}
	if pieces := w.share(t); pieces > 1 {
		t.last = true
		return w.cut(ctx, t, pieces, max(1, min(t.table.estimatedRows, t.table.pace.rangeRows)/pieces))
	}
	if t.table.Key == nil {
		w.readWhole(t.table, w.session, true)
		defer w.readWhole(t.table, w.session, false)
	}
	return w.read(ctx, t)
}

// cut puts a task into the queue again, in pieces of about so many rows.
func (w *worker) cut(ctx context.Context, t *task, pieces, rows int64) error {
	if !t.last {
		w.cutting.Add(1)
		defer w.cutting.Add(-1)
	}
	c := cutter{query: w.ask, explain: w.explain, table: t.table, rows: rows, found: func(r keyRange) {
		w.queue.push(task{table: t.table, keyRange: r, last: t.last})
		t.after = r.upTo // what is found comes in order, and is no longer to be cut
	}}
	return c.cut(ctx, t.keyRange, pieces)
}

// share returns into how many pieces a task is cut because there are not enough
// others left for the other workers: one of them would end long after the rest.
func (w *worker) share(t *task) int64 {
	if w.parallel == 1 || t.last || t.table.Key == nil || t.again.Rows > 0 || w.cutting.Load() > 0 || w.queue.length() >= 2*w.parallel {
		return 1
	}
	return t.table.finer(w.parallel)
}

// errLost means that the session is lost, and with it its view of the data.
var errLost = errors.New("the session is lost, and its snapshot with it")

// errInterrupted means that the server ended a statement and left the session
// alive, and that what it sent until then is good.
var errInterrupted = errors.New("the statement was interrupted")

// warnedError is how many warnings the server gave about the rows.
type warnedError int64

func (e warnedError) Error() string { return fmt.Sprintf("the server gave %d warnings", int64(e)) }

// errUnsure means the same, but that the rows may not be.
var errUnsure = errors.New("what was read is not certain")

// query runs one statement of the snapshot, asks for its warnings, and lets go
// of the table's metadata lock, so that a waiting ALTER TABLE, and everyone
// behind it, waits for one statement at most.
func (w *worker) query(ctx context.Context, query string, each func(values [][]byte) error) error {
	var refused error
	err := streamRows(ctx, w.conn, query, func(values [][]byte) error {
		refused = each(values)
		return refused
	})
	if refused != nil {
		return refused
	}
	expected, end := int64(0), error(nil)
	if isServer(err, erQueryInterrupted, erMaxExecutionTime, erLockWaitTimeout) {
		expected, end = 1, fmt.Errorf("%w: %w", errInterrupted, err) // the error counts among the warnings
	} else if err != nil {
		return lost(err)
	}
	n, err := warningCount(ctx, w.conn)
	switch {
	case isServer(err, erQueryInterrupted):
		end = fmt.Errorf("%w: %w", errUnsure, err)
	case err != nil:
		return lost(err)
	case n != expected:
		return warnedError(n - expected)
	}
	return errors.Join(w.letGo(ctx), end)
}

// lost adds errLost to an error that did not come from the server, or with
// which the server takes its leave.
func lost(err error) error {
	var sent *serverError
	if errors.As(err, &sent) && !isServer(err, erServerShutdown, erClientTimeout) {
		return err
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// letGo releases the metadata locks that were taken since the beginning.
func (w *worker) letGo(ctx context.Context) error {
	for {
		_, err := w.conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT beginning")
		if err == nil {
			return nil
		}
		if !isServer(err, erQueryInterrupted) { // a kill that came a moment too late
			return lost(clean(err))
		}
	}
}

// attempts is how often a statement is given again that came to nothing. A
// table with a key is held for twice as long each time.
const attempts = 5

// ask runs a small query of the snapshot.
func (w *worker) ask(ctx context.Context, query string, each func(values [][]byte) error) error {
	for try := 1; ; try++ {
		limited := strings.Replace(query, "SELECT", "SELECT"+limitTime(w.hold<<(try-1)), 1)
		err := w.query(ctx, limited, each)
		if try == attempts || !errors.Is(err, errInterrupted) && !errors.Is(err, errUnsure) {
			return err
		}
	}
}

// explain asks the optimizer. Its answers always come with notes, which are no
// warnings about rows.
func (w *worker) explain(ctx context.Context, query string) ([]record, error) {
	for try := 1; ; try++ {
		records, err := queryRecords(ctx, w.conn, query)
		if err != nil && try < attempts && isServer(err, erQueryInterrupted, erLockWaitTimeout) {
			continue
		}
		if err != nil {
			return nil, lost(err)
		}
		return records, w.letGo(ctx)
	}
}

// limitTime is a hint with which the server ends a statement by itself.
func limitTime(d time.Duration) string {
	return fmt.Sprintf(" /*+ MAX_EXECUTION_TIME(%d) */", max(1, d.Milliseconds()))
}

// read reads a range, in as many statements as it takes.
func (w *worker) read(ctx context.Context, t *task) error {
	w.sink.begin(t.table)
	p := &passage{task: t, hold: w.hold, limit: overfull * t.table.pace.rangeRows, from: t.after}
	for vain := 0; ; {
		before, again := p.rows, t.again.Rows
		err := w.readOn(ctx, p)
		if err == nil {
			return nil
		}
		if p.rows > before || t.again.Rows > again {
			vain, p.hold = 0, w.hold
		} else {
			vain, p.hold = vain+1, 2*p.hold
		}
		if !errors.Is(err, errInterrupted) && !errors.Is(err, errUnsure) || vain == attempts {
			w.sink.cancel()
			return err
		}
	}
}

// passage is a task on its way.
type passage struct {
	*task
	hold   time.Duration
	limit  int64    // of rows; what is beyond goes back into the queue
	from   position // rows up to here have been taken by the sink
	rows   int64    // how many it has taken
	stored position // the last row that is stored
}

// readOn reads on from where the passage is.
func (w *worker) readOn(ctx context.Context, p *passage) error {
	key, repeat := p.table.Key, p.again.Rows
	statement := rowsQuery(p.task, keyRange{after: p.from, upTo: p.upTo}, p.limit-p.rows+repeat, p.hold)
	var last keptPosition
	seen := int64(0)
	w.tally.take() // an attempt before may have come to an end in the midst of what is repeated
	err := w.query(ctx, statement, func(values [][]byte) error {
		seen++
		last.keep(key, values)
		stored, err := seen == repeat, error(nil)
		if seen <= repeat {
			err = w.repeated(p, values, stored)
		} else {
			p.rows++
			stored, err = w.sink.row(ctx, values)
		}
		if stored {
			p.stored = last.position(key)
		}
		return err
	})
	if at := last.position(key); at != nil {
		p.from = at
	}
	var warned warnedError
	switch {
	case errors.As(err, &warned):
		return p.table.warned(int64(warned))
	case err == nil && seen < repeat:
		return fmt.Errorf("%d rows that were stored are not there when they are read again: want %d, got %d", repeat-seen, repeat, seen)
	case err == nil:
		if err := w.sink.end(); err != nil {
			return err
		}
		if key != nil && p.rows == p.limit {
			w.queue.push(task{table: p.table, keyRange: keyRange{after: p.from, upTo: p.upTo}, pieces: int64(2 * w.parallel)})
		}
		return nil
	case errors.Is(err, errInterrupted) && key != nil && seen >= repeat:
		w.goOn(p)
	default:
		w.beginAnew(p)
	}
	return err
}

// goOn has the passage go on behind the last row that was taken: what it has
// taken until now is good.
func (w *worker) goOn(p *passage) {
	if p.stored != nil {
		p.after, p.stored = p.stored, nil
	}
	p.again = total{}
	w.sink.takeStored()
}

// beginAnew has the passage read the range from its beginning. What is stored
// stays, and is read again: only if that gives the same, then what comes
// behind it is what is missing.
func (w *worker) beginAnew(p *passage) {
	w.sink.cancel()
	p.again.add(w.sink.takeStored())
	p.from, p.rows, p.stored = p.after, 0, nil
}

// repeated takes a row that is stored already.
func (w *worker) repeated(p *passage, values [][]byte, last bool) error {
	w.tally.row(values)
	if !last {
		return nil
	}
	if _, digest := w.tally.take(); digest != p.again.Digest {
		return errors.New("rows that were stored are others when they are read again")
	}
	return nil
}

// keptPosition is a copy of the key of a row.
type keptPosition struct {
	values keyValues
}

func (k *keptPosition) keep(key *key, values [][]byte) {
	if key == nil {
		return
	}
	if k.values == nil {
		k.values = make(keyValues, len(key.Columns))
	}
	for i := range key.Columns {
		k.values[i] = append(k.values[i][:0], values[key.Columns[i].Column]...)
	}
}

// position returns the place, or nil where there is none.
func (k *keptPosition) position(key *key) position {
	if k.values == nil {
		return nil
	}
	return key.place(k.values)
}

// rowsQuery returns the statement that reads up to limit rows of a range.
func rowsQuery(t *task, r keyRange, limit int64, hold time.Duration) string {
	k := t.table.Key
	if k == nil {
		return "SELECT " + selectList(t.table.Columns) + " FROM " + t.table.from() + t.table.where(keyRange{})
	}
	// Rows in the order of the key load fastest, and come out of the index
	// without being sorted.
	return fmt.Sprintf("SELECT%s %s FROM %s FORCE INDEX (%s)%s ORDER BY %s LIMIT %d", limitTime(hold),
		selectList(t.table.Columns), t.table.from(), quoteName(k.Index), t.table.where(r), k.order(first), limit)
}
