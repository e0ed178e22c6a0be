package mysql

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	driver "github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/source"
)

// tableLoad is a table while its chunks are loaded.
type tableLoad struct {
	*table
	from   string       // the schema's name in the point
	target string       // and at the target
	into   string       // the table's quoted name at the target
	left   atomic.Int64 // chunks that are not loaded yet
	lost   atomic.Bool  // some chunk is damaged, and left out
}

func (t *tableLoad) mark(c *chunk) mark { return mark{t.target, t.Name, c.File} }
func (t *tableLoad) wholeMark() mark    { return mark{t.target, t.Name, ""} }

// loadJob is one chunk to be loaded, or, where that is nil, the indexes of a
// table whose chunks all are.
type loadJob struct {
	table *tableLoad
	chunk *chunk
}

// Building the indexes of a table of longBuild bytes or more takes the places of
// buildPlaces sessions. Such a build ends with writing all its pages, for which the
// server needs no processor: the earlier it comes to that, the more is left that
// others can do meanwhile.
const (
	longBuild   = 64 << 20
	buildPlaces = 2
)

// places is how many sessions' places a job takes, of so many.
func (j *loadJob) places(sessions int) int64 {
	if j.chunk == nil && j.table.Total.Bytes >= longBuild {
		return int64(min(buildPlaces, sessions))
	}
	return 1
}

// loadRows loads all chunks with several sessions. Whoever loads a table's
// last chunk leaves its indexes as the next job: indexes of one table are
// built while the rows of others still come in.
func (l *load) loadRows(ctx context.Context, r *restoration, show progress.Reporter) error {
	tables, rows := loadTables(r)
	shown := show.Task("restore "+l.from.Name(), progress.Rows, rows)
	defer shown.Done()
	var jobs []loadJob
	for _, t := range tables {
		for i := range t.Chunks {
			if c := &t.Chunks[i]; !l.marks.found[t.mark(c)] && !l.marks.found[t.wholeMark()] {
				jobs = append(jobs, loadJob{t, c})
				t.left.Add(1)
			} else {
				shown.Add(c.Rows)
			}
		}
		if t.left.Load() == 0 {
			jobs = append(jobs, loadJob{table: t})
		}
	}
	work, places := newQueue(jobs...), semaphore.NewWeighted(int64(l.client.server.workers))
	group, ctx := errgroup.WithContext(ctx)
	for range l.client.server.workers {
		group.Go(func() (err error) {
			conn, err := l.session(ctx)
			if err != nil {
				return err
			}
			defer release(conn)
			return l.work(ctx, conn, work, places, shown)
		})
	}
	return group.Wait()
}

// loadTables returns the tables, the largest first.
func loadTables(r *restoration) (tables []*tableLoad, rows int64) {
	for _, schema := range r.schemas {
		for i := range schema.Tables {
			t := &tableLoad{
				table: &schema.Tables[i], from: schema.Name, target: schema.target,
				into: quoteName(schema.target) + "." + quoteName(schema.Tables[i].Name),
			}
			tables = append(tables, t)
			rows += t.Total.Rows
		}
	}
	slices.SortStableFunc(tables, func(a, b *tableLoad) int { return cmp.Compare(b.Total.Bytes, a.Total.Bytes) })
	return tables, rows
}

func (l *load) work(ctx context.Context, conn *sql.Conn, work *queue[loadJob], places *semaphore.Weighted, shown progress.Task) error {
	for {
		job, ok := work.take(ctx)
		if !ok {
			return ctx.Err()
		}
		n := job.places(l.client.server.workers)
		if err := places.Acquire(ctx, n); err != nil {
			return err
		}
		err := l.do(ctx, conn, job, work)
		places.Release(n)
		work.done()
		if err != nil {
			return err
		}
		if job.chunk != nil {
			shown.Add(job.chunk.Rows)
		}
	}
}

func (l *load) do(ctx context.Context, conn *sql.Conn, job loadJob, work *queue[loadJob]) error {
	t := job.table
	if job.chunk == nil {
		return l.addIndexes(ctx, conn, t)
	}
	err := l.loadChunk(ctx, conn, t, job.chunk)
	if l.plan.damage.Tolerates(err) && !errors.Is(err, errTarget) {
		t.lost.Store(true)
		l.plan.damage.Add(source.Lost{
			Object: t.from + "." + t.inPoint(), What: fmt.Sprintf("chunk %s of %d rows", job.chunk.File, job.chunk.Rows), Why: err.Error(),
			Include: tableName{t.from, t.inPoint()}.pattern(), Names: []string{t.from, t.inPoint()},
		})
	} else if err != nil {
		return fmt.Errorf("load chunk %s of table %q: %w", job.chunk.File, t.from+"."+t.inPoint(), l.client.tooLarge(err))
	}
	if t.left.Add(-1) > 0 {
		return nil
	}
	work.push(loadJob{table: t})
	if !t.transactional() && !t.lost.Load() { // what is lost is found again by whoever goes on
		return l.note(ctx, conn, "INSERT IGNORE", t.wholeMark())
	}
	return nil
}

func (l *load) addIndexes(ctx context.Context, conn *sql.Conn, t *tableLoad) error {
	defer l.plan.stopwatch.Begin(source.PartIndex)()
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return fmt.Errorf("table %q: %w", t.Name, err)
	}
	for _, clauses := range parts.indexes() {
		err := againAfterDeadlock(func() error {
			_, err := conn.ExecContext(ctx, "ALTER TABLE "+t.into+" "+clauses)
			return err
		})
		if err != nil && !l.thereAlready(err) {
			return fmt.Errorf("add indexes to table %q: %w", t.Name, clean(err))
		}
	}
	return nil
}

// thereAlready reports whether a process that was here before has added what is
// to be added. An ALTER TABLE adds all or nothing, and the comparison looks at
// what is there.
func (l *load) thereAlready(err error) bool {
	return l.marks.ready && isServer(err, erDupKeyName, erDupForeignKey)
}

// deadlockTries is how often a statement is given that loses to others.
const deadlockTries = 10

// againAfterDeadlock repeats a statement that the server has rolled back in
// favour of another one: several ALTER TABLE at once meet in the server's own
// dictionary.
func againAfterDeadlock(statement func() error) error {
	for try := 1; ; try++ {
		err := statement()
		if try == deadlockTries || !isServer(err, erLockDeadlock) {
			return err
		}
	}
}

// loadChunk loads a chunk in a transaction of its own, which commits only
// after the chunk was read to its verified end and the server took every row
// without a word (invariant 3).
func (l *load) loadChunk(ctx context.Context, conn *sql.Conn, t *tableLoad, c *chunk) (err error) {
	file, err := l.from.Open(ctx, c.File, t.from, t.inPoint())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := conn.ExecContext(ctx, "START TRANSACTION"); err != nil {
		return clean(err)
	}
	there, err := l.noteChunk(ctx, conn, t, c)
	if err != nil || there {
		rollback(ctx, conn)
		return err
	}
	stream := &verifiedStream{from: file}
	var took outcome
	if l.insert {
		err = insertRows(ctx, conn, t, stream, &took)
	} else {
		err = loadData(ctx, conn, t, stream, &took)
	}
	if err == nil {
		err = settle(stream, &took, c)
	}
	if err != nil {
		rollback(ctx, conn)
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return clean(err)
}

// noteChunk notes a chunk in the transaction that is to load it. That comes
// first: where a session that is just ending holds the mark, this waits until it
// is known whether that one has loaded the chunk.
func (l *load) noteChunk(ctx context.Context, conn *sql.Conn, t *tableLoad, c *chunk) (there bool, err error) {
	if !t.transactional() {
		return false, nil // it is noted when it is whole: the server warns of transactions that mix
	}
	err = l.note(ctx, conn, "INSERT", t.mark(c))
	if l.plan.attempt.Resumed && isServer(err, erDupEntry) {
		return true, nil
	}
	return false, err
}

// rollback also runs after a cancellation. Where it fails, the session is at
// its end, and so is the transaction.
func rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	_, _ = conn.ExecContext(ctx, "ROLLBACK")
}

// errTarget means that the chunk is as it was stored, and the target is to blame.
var errTarget = errors.New("the server did not take what was sent")

// settle compares what was loaded with what the chunk is known to hold.
func settle(stream *verifiedStream, took *outcome, c *chunk) error {
	switch {
	case stream.err != nil:
		return stream.err
	case !stream.ended:
		return fault.New(fault.Corrupt, "load", "%w: it stopped reading before the end of the chunk", errTarget)
	case stream.bytes != c.Bytes:
		return fault.New(fault.Corrupt, "load", "the chunk has %d bytes, want %d", stream.bytes, c.Bytes)
	case took.rows != c.Rows:
		return fault.New(fault.Corrupt, "load", "%w: it took %d rows, want %d; codes of its warnings: %v", errTarget, took.rows, c.Rows, took.codes)
	case took.warnings != c.Warnings:
		return fault.New(fault.Corrupt, "load", "%w: it gave %d warnings, want %d, with codes %v", errTarget, took.warnings, c.Warnings, took.codes)
	default:
		return nil
	}
}

// verifiedStream remembers how the reading of a chunk ended: only io.EOF says
// that its bytes are those that were stored.
type verifiedStream struct {
	from  io.Reader
	bytes int64
	ended bool
	err   error
}

func (v *verifiedStream) Read(p []byte) (int, error) {
	n, err := v.from.Read(p)
	v.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		v.ended = true
	case err != nil:
		v.err = err
	}
	return n, err
}

// loadData sends the stream as the file of a LOAD DATA LOCAL. The name is
// random, so that a server which asks for another file gets none.
func loadData(ctx context.Context, conn *sql.Conn, t *tableLoad, stream *verifiedStream, took *outcome) error {
	name := "openim-dr-" + rand.Text()
	driver.RegisterReaderHandler(name, func() io.Reader { return stream })
	defer driver.DeregisterReaderHandler(name)
	result, err := conn.ExecContext(ctx, t.loadStatement("Reader::"+name, t.into))
	if stream.err != nil {
		return stream.err // the driver has ended the file early, and the server has not noticed
	}
	if err != nil {
		return clean(err)
	}
	return took.add(ctx, conn, result)
}

// outcome is what the server said about the rows that were sent to it.
type outcome struct {
	rows     int64
	warnings int64
	codes    []string // of some of the warnings, never their text, which quotes values
}

// add counts the outcome of one more statement of the session.
func (o *outcome) add(ctx context.Context, conn *sql.Conn, result sql.Result) error {
	rows, err := result.RowsAffected()
	if err != nil {
		return err
	}
	o.rows += rows
	n, err := warningCount(ctx, conn)
	if err != nil || n == 0 {
		return err
	}
	o.warnings += n
	records, err := queryRecords(ctx, conn, "SHOW WARNINGS LIMIT 100")
	for _, r := range records {
		if !slices.Contains(o.codes, r.text("code")) {
			o.codes = append(o.codes, r.text("code"))
		}
	}
	return err
}
