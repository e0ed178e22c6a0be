package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// neighbour sees to it that no other session waits for the dump longer than
// configured. Most of what a dump holds it holds for a short time by itself
// (see ladder, and worker.query); here is the rest: the backup lock, and tables
// without a key, which are read in one go.
//
// Who waits is seen with SELECT on performance_schema, or less precisely with
// PROCESS. An account without PROCESS holds no backup lock.
type neighbour struct {
	dump  *dump
	guard *sql.Conn // asks, kills, and holds the backup lock
	held  bool      // the backup lock, now
	gone  bool      // it was not, for a while
	good  time.Time // when the server last answered
	since map[waiter]time.Time
	spare map[*tableRun]time.Duration // how long the next one waits for a table
}

// waiter is a session of someone else that waits for a lock.
type waiter struct {
	id     int64
	backup bool   // for the backup lock
	table  string // for a table, its label; "" if it is not known which
}

func newNeighbour(d *dump) *neighbour {
	return &neighbour{dump: d, since: map[waiter]time.Time{}, spare: map[*tableRun]time.Duration{}}
}

// guardTimeout is after how long the server lets go of the backup lock by
// itself should this process end without a word.
const guardTimeout = time.Minute

// ready opens the session where there is none.
func (n *neighbour) ready(ctx context.Context) (err error) {
	if n.guard == nil {
		n.guard, err = n.dump.client.session(ctx, append(n.dump.server.readSession(),
			fmt.Sprintf("SET SESSION lock_wait_timeout = %d", seconds(n.dump.server.settings.lockWait())),
			fmt.Sprintf("SET SESSION wait_timeout = %d", seconds(guardTimeout)))...)
	}
	return err
}

// close ends the session and with it the backup lock.
func (n *neighbour) close() {
	if n.guard != nil {
		release(n.guard)
		n.guard = nil
	}
	n.gone = n.gone || n.held
	n.held = false
}

// holdOffDDL takes the backup lock where it is granted, and where it can be
// seen who waits for it. It is an addition: the comparison of definitions
// would find a change as well, but only after the work is done.
func (n *neighbour) holdOffDDL(ctx context.Context) error {
	if n.dump.server.settings.NoBackupLock || !n.dump.sees || n.held {
		return nil
	}
	if err := n.ready(ctx); err != nil {
		return err
	}
	_, err := n.guard.ExecContext(ctx, "LOCK INSTANCE FOR BACKUP")
	if isDenied(err) || isServer(err, erLockWaitTimeout) {
		return nil
	}
	n.held = err == nil
	return clean(err)
}

// letDDLGo releases the backup lock.
func (n *neighbour) letDDLGo(ctx context.Context) error {
	if !n.held {
		return nil
	}
	n.held = false
	if _, err := n.guard.ExecContext(ctx, "UNLOCK INSTANCE"); err != nil {
		return fmt.Errorf("release the backup lock: %w", clean(err))
	}
	return nil
}

// heldThroughout reports whether no definition on the server could change
// while rows were read.
func (n *neighbour) heldThroughout() bool { return n.held && !n.gone }

// over looks after the others while the reader reads. A look that is under way
// when the last row is read is brought to its end: to cancel a statement costs
// the session, and with it the backup lock.
func (n *neighbour) over(ctx context.Context, r *reader, read func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	reading, finish := context.WithCancel(ctx)
	group.Go(func() error {
		defer finish()
		return read(ctx)
	})
	group.Go(func() error {
		if err := n.look(ctx, reading, r); err != nil {
			return err
		}
		return n.confirm(ctx)
	})
	return group.Wait()
}

// confirm asks the session that holds the backup lock whether it is there: only
// then was the lock held all the time.
func (n *neighbour) confirm(ctx context.Context) error {
	if !n.held {
		return nil
	}
	if _, err := n.guard.ExecContext(ctx, "DO 0"); err != nil {
		n.close()
	}
	return ctx.Err()
}

// look looks at the others again and again while the reader is reading. A
// session that is lost is replaced, for as long as a silent server is borne.
func (n *neighbour) look(ctx, reading context.Context, r *reader) error {
	settings := n.dump.server.settings
	interval := min(time.Second, max(pollInterval, settings.lockWait()/4))
	n.good = time.Now()
	for pause(reading, interval) == nil {
		err := n.lookOnce(ctx, r)
		_, final := fault.Outermost(err)
		switch {
		case ctx.Err() != nil:
			return nil // the rows are read, or whoever read them says why not
		case err == nil:
			n.good = time.Now()
		case final, time.Since(n.good) > settings.idle():
			return fmt.Errorf("look after other sessions: %w", err)
		default:
			n.close()
		}
	}
	return nil
}

func (n *neighbour) lookOnce(ctx context.Context, r *reader) error {
	if err := n.ready(ctx); err != nil {
		return err
	}
	waiting, err := n.waiting(ctx, r.owns)
	if err != nil {
		return err
	}
	now, before := time.Now(), n.since
	n.since = map[waiter]time.Time{}
	for _, w := range waiting {
		n.since[w] = now
		if since, known := before[w]; known {
			n.since[w] = since
		}
	}
	if err := n.relieveTables(ctx, r.unbroken(), now); err != nil {
		return err
	}
	return n.relieveDDL(ctx, now)
}

// longest returns how long the longest of the chosen waits.
func (n *neighbour) longest(now time.Time, chosen func(waiter) bool) (d time.Duration, any bool) {
	for w, since := range n.since {
		if chosen(w) {
			d, any = max(d, now.Sub(since)), true
		}
	}
	return d, any
}

// relieveTables lets go of tables that are read in one go. Each is then read
// again from its beginning: with twice the patience it ends some day.
func (n *neighbour) relieveTables(ctx context.Context, whole map[*tableRun]int64, now time.Time) error {
	for t, session := range whole {
		spare := max(n.spare[t], n.dump.server.settings.lockWait())
		waited, _ := n.longest(now, func(w waiter) bool { return !w.backup && (w.table == "" || w.table == t.label()) })
		if waited < spare {
			continue
		}
		n.spare[t] = 2 * spare
		if err := kill(ctx, n.guard, session); err != nil {
			return err
		}
	}
	return nil
}

// relieveDDL lets go of the backup lock, and takes it again when nobody waits
// for it any more. If what was let through has changed what is read, there is
// no use in going on.
func (n *neighbour) relieveDDL(ctx context.Context, now time.Time) error {
	waited, waiting := n.longest(now, func(w waiter) bool { return w.backup })
	switch {
	case n.held && waiting && waited >= n.dump.server.settings.ddlWait():
		n.gone = true
		return n.letDDLGo(ctx)
	case waiting || n.held || !n.gone:
		return nil
	}
	if err := n.holdOffDDL(ctx); err != nil || !n.held {
		return err
	}
	return n.dump.checkUnchanged(ctx)
}

// waiting returns who waits for a lock of a table or for the backup lock.
func (n *neighbour) waiting(ctx context.Context, ours func(session int64) bool) ([]waiter, error) {
	records, err := queryRecords(ctx, n.guard, "SELECT t.PROCESSLIST_ID AS id, l.OBJECT_TYPE AS type, CONCAT(l.OBJECT_SCHEMA, '.', l.OBJECT_NAME) AS label"+
		" FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID"+
		" WHERE l.LOCK_STATUS = 'PENDING' AND l.OBJECT_TYPE IN ('TABLE', 'BACKUP LOCK') AND t.PROCESSLIST_ID IS NOT NULL")
	precise := err == nil
	if err != nil && !isDenied(err) {
		return nil, err
	}
	var all []waiter
	for _, r := range records {
		all = append(all, waiter{id: r.number("id"), backup: r.text("type") == "BACKUP LOCK", table: r.text("label")})
	}
	if n.dump.sees {
		sessions, err := processes(ctx, n.guard)
		if err != nil {
			return nil, err
		}
		for _, r := range sessions {
			state, _ := strings.CutPrefix(r.text("state"), "Waiting for ")
			if state == "table flush" || !precise && (state == "table metadata lock" || state == "backup lock") {
				all = append(all, waiter{id: r.number("id"), backup: state == "backup lock"})
			}
		}
	}
	return slices.DeleteFunc(all, func(w waiter) bool { return ours(w.id) }), nil
}
