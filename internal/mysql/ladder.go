package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// errRung means that a rung is not to be had here and now, and the next one is
// to be tried.
var errRung = errors.New("not possible here")

// ladder opens snapshots on the first rung that holds.
type ladder struct {
	client  *client
	watch   *sql.Conn // asks and kills; holds no lock
	sees    bool      // the account sees the sessions and transactions of others
	tables  []string  // quoted, with their schemas
	workers int
}

func (l *ladder) open(ctx context.Context) (*snapshot, error) {
	rungs := []struct {
		name    Rung
		workers int
		align   func(context.Context, *snapshot) error
	}{
		{RungGlobalLock, l.workers, l.underGlobalLock},
		{RungTableLocks, l.workers, l.underTableLocks},
		{RungEqualPositions, l.workers, l.betweenEqualPositions},
		{RungSingleSession, 1, l.alone},
	}
	for _, rung := range rungs {
		shot := &snapshot{rung: rung.name}
		err := l.sessions(ctx, shot, rung.workers)
		if err == nil {
			err = rung.align(ctx, shot)
		}
		if err == nil {
			return shot, nil
		}
		if closeErr := shot.close(); !errors.Is(err, errRung) {
			return nil, errors.Join(fmt.Errorf("open snapshot (%s): %w", rung.name, err), closeErr)
		}
	}
	return nil, errors.New("open snapshot: no way was left") // the last rung never gives errRung
}

func (l *ladder) sessions(ctx context.Context, shot *snapshot, n int) error {
	for range n {
		conn, err := l.client.session(ctx, l.client.server.readSession()...)
		if err != nil {
			return err
		}
		shot.sessions = append(shot.sessions, conn)
	}
	return nil
}

// longStatement is how old a statement has to be to be in the way of the
// global lock.
const longStatement = time.Second

// underGlobalLock is not for an account that does not see what others run.
// FLUSH TABLES WITH READ LOCK also asks every statement that runs to close its
// tables: behind one that goes on for an hour, everybody who opens the same
// table waits for that hour, even after we have given up.
func (l *ladder) underGlobalLock(ctx context.Context, shot *snapshot) error {
	if !l.sees {
		return errRung
	}
	return l.underLock(ctx, shot, "FLUSH TABLES WITH READ LOCK", longStatement)
}

func (l *ladder) underTableLocks(ctx context.Context, shot *snapshot) error {
	if len(l.tables) == 0 {
		return errRung
	}
	return l.underLock(ctx, shot, "LOCK TABLES "+strings.Join(l.tables, " READ, ")+" READ", l.client.server.settings.lockWait())
}

// underLock holds a lock only while the snapshots open. Both kinds of lock
// wait for running statements, and everybody who writes then waits for us: so
// the wait is short, and does not begin while a long statement runs.
func (l *ladder) underLock(ctx context.Context, shot *snapshot, statement string, long time.Duration) error {
	if err := l.awaitShortStatements(ctx, long); err != nil {
		return err
	}
	wait := l.client.server.settings.lockWait()
	lock, err := l.lockSession(ctx)
	if err != nil {
		return err
	}
	defer release(lock) // and with it the lock, where unlocking failed
	if err := l.acquire(ctx, lock, statement, wait); err != nil {
		return err
	}
	held, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err = errors.Join(l.startUnder(held, lock, shot), unlock(ctx, lock))
	if err != nil && ctx.Err() == nil && held.Err() != nil {
		return errRung // the server was too slow for a lock to be held meanwhile
	}
	return err
}

// startUnder opens the views. The position comes from the session that holds
// the lock, and after they are open: its answer says that the lock was held
// throughout.
func (l *ladder) startUnder(ctx context.Context, lock *sql.Conn, shot *snapshot) error {
	if err := shot.start(ctx); err != nil {
		return err
	}
	at, err := binlogPosition(ctx, lock)
	if err != nil {
		return err
	}
	shot.from, shot.until = at, at
	return l.readReplica(ctx, lock, shot)
}

// lockSession opens a session that is good for a lock and nothing else. Should
// this process or the network between die while the lock is held, the server
// itself lets go after the same short time.
func (l *ladder) lockSession(ctx context.Context) (*sql.Conn, error) {
	wait := seconds(l.client.server.settings.lockWait())
	return l.client.session(ctx, append(l.client.server.readSession(),
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d", wait), fmt.Sprintf("SET SESSION wait_timeout = %d", wait))...)
}

// acquire takes the lock within the time. The server's own timeout is for each
// of the locks that one statement takes: their sum is bounded from here.
func (l *ladder) acquire(ctx context.Context, lock *sql.Conn, statement string, wait time.Duration) error {
	id, err := connectionID(ctx, lock)
	if err != nil {
		return err
	}
	killed := make(chan error, 1)
	timer := time.AfterFunc(wait, func() { killed <- kill(ctx, l.watch, id) })
	err = againAfterDeadlock(func() error { // with a change of a definition, say
		_, err := lock.ExecContext(ctx, statement)
		return err
	})
	if !timer.Stop() {
		// The kill may have come too late, and meet the next statement.
		return errors.Join(errRung, <-killed)
	}
	if isDenied(err) || isServer(err, erLockWaitTimeout, erLockDeadlock, erOptionPrevents, erQueryInterrupted) {
		return errRung
	}
	if err != nil {
		return fmt.Errorf("lock: %w", clean(err))
	}
	return nil
}

// connectionID returns the number by which a session can be killed.
func connectionID(ctx context.Context, conn *sql.Conn) (int64, error) {
	r, err := queryRecord(ctx, conn, "SELECT CONNECTION_ID() AS id")
	if err != nil {
		return 0, err
	}
	return r.number("id"), nil
}

// kill ends what a session of the same account is doing, and leaves the
// session alive. No privilege is needed for that.
func kill(ctx context.Context, conn *sql.Conn, id int64) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf("KILL QUERY %d", id))
	if err != nil && !isServer(err, erNoSuchThread) {
		return fmt.Errorf("end a statement that others wait for: %w", clean(err))
	}
	return nil
}

// unlock also runs after a cancellation: production must not wait for us.
func unlock(ctx context.Context, lock *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if _, err := lock.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
		return fmt.Errorf("unlock tables: %w", clean(err))
	}
	return nil
}

// pollInterval is how often a condition on the server is looked at again.
const pollInterval = 100 * time.Millisecond

// awaitShortStatements waits until no statement runs that is older than long;
// errRung if that does not come to pass.
func (l *ladder) awaitShortStatements(ctx context.Context, long time.Duration) error {
	deadline := time.Now().Add(l.client.server.settings.lockWait())
	for {
		sessions, err := processes(ctx, l.watch)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(sessions, func(r record) bool { return isStatement(r) && r.number("time") >= seconds(long) }) {
			return nil
		}
		if time.Now().After(deadline) {
			return errRung
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// quietTries is how often a quiet moment is hoped for.
const quietTries = 20

// betweenEqualPositions opens the snapshots and believes them if they were
// opened in a quiet moment. That the binary log stood still is not enough: a
// transaction is in the log before it can be seen, by as long as a disk or a
// semi-synchronous replica takes, and one that is not logged is never in it.
func (l *ladder) betweenEqualPositions(ctx context.Context, shot *snapshot) error {
	if !l.sees {
		return errRung
	}
	for range quietTries {
		quiet, err := l.inQuiet(ctx, shot)
		if quiet || err != nil {
			return err
		}
		if err := pause(ctx, pollInterval/2); err != nil {
			return err
		}
	}
	return errRung
}

// inQuiet opens the snapshots, and reports whether they are one. Whoever was
// in the log at the first position and could not be seen yet would be among
// the active; whoever began to write since then has moved the counter, and
// whoever has been logged since then the position.
func (l *ladder) inQuiet(ctx context.Context, shot *snapshot) (bool, error) {
	before, err := binlogPosition(ctx, l.watch)
	if err != nil {
		return false, err
	}
	if before == nil {
		return false, errRung
	}
	first, err := innodbActivity(ctx, l.watch)
	if isDenied(err) || errors.Is(err, errUnclear) {
		return false, errRung
	}
	if err != nil || len(first.active) > 0 {
		return false, err
	}
	if err := shot.start(ctx); err != nil {
		return false, err
	}
	if err := l.readReplica(ctx, l.watch, shot); err != nil {
		return false, err
	}
	second, err := innodbActivity(ctx, l.watch)
	if errors.Is(err, errUnclear) {
		return false, errRung
	}
	if err != nil || second.counter != first.counter {
		return false, err
	}
	after, err := binlogPosition(ctx, l.watch)
	if err != nil || after == nil || *after != *before {
		return false, err
	}
	shot.from, shot.until = before, after
	return true, nil
}

// alone needs no alignment.
func (l *ladder) alone(ctx context.Context, shot *snapshot) (err error) {
	if err := l.readReplica(ctx, l.watch, shot); err != nil {
		return err
	}
	if shot.from, err = l.lowerBound(ctx); err != nil {
		return err
	}
	if err := shot.start(ctx); err != nil {
		return err
	}
	shot.until, err = binlogPosition(ctx, l.watch)
	return err
}

// lowerBound returns a position before which everything can be seen. A
// transaction enters the GTID set only after it can be seen, but the log's file
// before that: so whoever was writing when the position was read has to have
// ended. Where that does not come to pass or cannot be known, the place in the
// file is not given.
func (l *ladder) lowerBound(ctx context.Context) (*Position, error) {
	at, err := binlogPosition(ctx, l.watch)
	if err != nil || at == nil {
		return nil, err
	}
	ended, err := l.awaitWriters(ctx)
	if err != nil || ended {
		return at, err
	}
	if at.GTIDSet == "" {
		return nil, nil // not known is an answer
	}
	return &Position{GTIDSet: at.GTIDSet}, nil
}

// awaitWriters reports whether all transactions that were under way ended
// within the time for a lock.
func (l *ladder) awaitWriters(ctx context.Context) (bool, error) {
	deadline := time.Now().Add(l.client.server.settings.lockWait())
	var open []uint64
	for try := 0; l.sees; try++ {
		now, err := innodbActivity(ctx, l.watch)
		switch {
		case isDenied(err), errors.Is(err, errUnclear):
			return false, nil
		case err != nil:
			return false, err
		case try == 0:
			open = now.active
		}
		open = slices.DeleteFunc(open, func(id uint64) bool { return !slices.Contains(now.active, id) })
		if len(open) == 0 || time.Now().After(deadline) {
			return len(open) == 0, nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (l *ladder) readReplica(ctx context.Context, q querier, shot *snapshot) (err error) {
	shot.replica, err = replicas(ctx, q)
	return err
}
