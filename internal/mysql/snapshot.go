package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Rung says how the workers' snapshots were made one. It stands in the
// manifest.
type Rung string

// The rungs of the ladder, from the first that is tried to the last.
const (
	// RungGlobalLock: all commits were held off by FLUSH TABLES WITH READ LOCK
	// while the snapshots opened.
	RungGlobalLock Rung = "global-lock"
	// RungTableLocks: the chosen tables were locked by LOCK TABLES … READ
	// while the snapshots opened; managed servers forbid the first.
	RungTableLocks Rung = "table-locks"
	// RungEqualPositions: nothing was locked; the binary log did not move from
	// before the first snapshot until after the last.
	RungEqualPositions Rung = "equal-positions"
	// RungSingleSession: one session alone read everything. What it saw lies
	// between the two positions.
	RungSingleSession Rung = "single-session"
)

// Position is a place in the server's binary log.
type Position struct {
	File     string `json:"file"`
	Position int64  `json:"position"`
	GTIDSet  string `json:"gtidSet,omitempty"`
}

// snapshot is one view of all data, held open by the sessions.
type snapshot struct {
	rung     Rung
	sessions []*sql.Conn
	// from and until are equal but on the last rung, and nil where the server
	// keeps no binary log or the account may not ask.
	from, until *Position
}

// close lets the view go.
func (s *snapshot) close() error {
	var errs []error
	for _, conn := range s.sessions {
		if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// start opens the view of every session, all at once.
func (s *snapshot) start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, conn := range s.sessions {
		group.Go(func() error {
			if _, err := conn.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
				return clean(err)
			}
			// At another isolation level the server opens no view, and only a
			// warning says so.
			n, err := warningCount(ctx, conn)
			if err == nil && n != 0 {
				err = fmt.Errorf("the server gave %d warnings", n)
			}
			return err
		})
	}
	return group.Wait()
}

// errRung means that a rung is not to be had here and now, and the next one is
// to be tried.
var errRung = errors.New("not possible here")

// ladder opens snapshots on the first rung that holds.
type ladder struct {
	client  *client
	lock    *sql.Conn // holds the locks while the snapshots open
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

func (l *ladder) underGlobalLock(ctx context.Context, shot *snapshot) error {
	return l.underLock(ctx, shot, "FLUSH TABLES WITH READ LOCK")
}

func (l *ladder) underTableLocks(ctx context.Context, shot *snapshot) error {
	if len(l.tables) == 0 {
		return errRung
	}
	return l.underLock(ctx, shot, "LOCK TABLES "+strings.Join(l.tables, " READ, ")+" READ")
}

// underLock holds a lock only while the snapshots open. Both kinds of lock
// wait for running statements, and everybody who writes then waits for us: so
// the wait is short, and does not begin while a long statement runs.
func (l *ladder) underLock(ctx context.Context, shot *snapshot, statement string) (err error) {
	if err := l.awaitShortStatements(ctx); err != nil {
		return err
	}
	defer func() {
		if e := l.unlock(ctx); e != nil && !errors.Is(err, errRung) {
			err = errors.Join(err, e)
		}
	}()
	if _, err := l.lock.ExecContext(ctx, statement); isDenied(err) || isServer(err, erLockWaitTimeout, erLockDeadlock, erOptionPrevents) {
		return errRung
	} else if err != nil {
		return fmt.Errorf("lock: %w", clean(err))
	}
	if err := shot.start(ctx); err != nil {
		return err
	}
	at, err := binlogPosition(ctx, l.lock)
	shot.from, shot.until = at, at
	return err
}

// unlock also runs after a cancellation: production must not wait for us.
// Where it fails, the connection is closed, which lets the lock go.
func (l *ladder) unlock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if _, err := l.lock.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
		return errors.Join(fmt.Errorf("unlock tables: %w", clean(err)), l.lock.Close())
	}
	return nil
}

// pollInterval is how often a condition on the server is looked at again.
const pollInterval = 100 * time.Millisecond

// awaitShortStatements waits until no statement runs that is older than the
// time we may wait for a lock; errRung if that does not come to pass.
func (l *ladder) awaitShortStatements(ctx context.Context) error {
	wait := l.client.server.settings.lockWait()
	query := fmt.Sprintf("SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute')"+
		" AND ID <> CONNECTION_ID() AND USER NOT IN ('system user', 'event_scheduler') AND TIME > %d", int(wait.Seconds()))
	deadline := time.Now().Add(wait)
	for {
		r, err := queryRecord(ctx, l.lock, query)
		if err != nil {
			return err
		}
		if r.number("n") == 0 {
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

// positionTries is how often equal positions are hoped for.
const positionTries = 5

// betweenEqualPositions opens the snapshots and believes them if the binary
// log stood still meanwhile. A transaction is in the log a moment before it
// can be seen, and in the GTID set a moment after: so the log must stand still
// for a while longer.
func (l *ladder) betweenEqualPositions(ctx context.Context, shot *snapshot) error {
	for range positionTries {
		before, err := binlogPosition(ctx, l.lock)
		if err != nil {
			return err
		}
		if before == nil {
			return errRung
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
		if err := shot.start(ctx); err != nil {
			return err
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
		after, err := binlogPosition(ctx, l.lock)
		if err != nil {
			return err
		}
		if after != nil && *before == *after {
			shot.from, shot.until = before, after
			return nil
		}
	}
	return errRung
}

// alone needs no alignment.
func (l *ladder) alone(ctx context.Context, shot *snapshot) (err error) {
	if shot.from, err = binlogPosition(ctx, l.lock); err != nil {
		return err
	}
	if err := shot.start(ctx); err != nil {
		return err
	}
	shot.until, err = binlogPosition(ctx, l.lock)
	return err
}

// binlogPosition returns nil where there is no binary log or the account may
// not ask for it. Servers before 8.2 know only the older statement, and 8.4
// and later only the newer.
func binlogPosition(ctx context.Context, q querier) (*Position, error) {
	records, err := queryRecords(ctx, q, "SHOW BINARY LOG STATUS")
	if isServer(err, erParse) {
		records, err = queryRecords(ctx, q, "SHOW MASTER STATUS")
	}
	switch {
	case isDenied(err):
		return nil, nil //nolint:nilnil // not known is an answer
	case err != nil:
		return nil, fmt.Errorf("ask for the position of the binary log: %w", err)
	case len(records) == 0:
		return nil, nil //nolint:nilnil // not known is an answer
	}
	r := records[0]
	return &Position{
		File:     r.text("file"),
		Position: r.number("position"),
		GTIDSet:  strings.ReplaceAll(r.text("executed_gtid_set"), "\n", ""),
	}, nil
}
