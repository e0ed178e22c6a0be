package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
	// RungEqualPositions: nothing was locked; from before the first snapshot
	// until after the last the binary log did not move, and InnoDB says that
	// no transaction that writes was under way or came to be.
	RungEqualPositions Rung = "equal-positions"
	// RungSingleSession: one session alone read everything. What it saw lies
	// between the two positions.
	RungSingleSession Rung = "single-session"
)

// snapshot is one view of all data, held open by the sessions.
type snapshot struct {
	rung     Rung
	sessions []*sql.Conn
	// from and until are equal but on the last rung, and nil where they are
	// not known (see Position).
	from, until *Position
	// replica says, where the server is one, how far it was.
	replica []replica
}

func (s *snapshot) replicaPositions() []ReplicaPosition {
	var all []ReplicaPosition
	for i := range s.replica {
		all = append(all, s.replica[i].ReplicaPosition)
	}
	return all
}

// lag is by how many seconds a replica was behind its source, where that is
// worth a warning.
func (s *snapshot) lag() int64 {
	most := int64(0)
	for i := range s.replica {
		if lag := s.replica[i].lag; lag > tolerableLag {
			most = max(most, lag)
		}
	}
	return most
}

// stopped is how many channels of a replica do not follow their source.
func (s *snapshot) stopped() int64 {
	n := int64(0)
	for i := range s.replica {
		if s.replica[i].stopped() {
			n++
		}
	}
	return n
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
