package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sessions are those that a client has opened at the server.
//
// Where a connection dies silently the server does not know: a session that
// sends rows goes on holding its table's metadata lock and its snapshot, and
// one that loads its transaction, until the server's own timeouts. So what
// was lost is ended over a connection that still works.
type sessions struct {
	mu     sync.Mutex
	since  time.Time
	server string // its UUID
	ids    []int64
}

func (s *sessions) add(ctx context.Context, conn *sql.Conn) error {
	r, err := queryRecord(ctx, conn, "SELECT CONNECTION_ID() AS id, @@server_uuid AS server")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = r.text("server")
	s.ids = append(s.ids, r.number("id"))
	return nil
}

// all returns the numbers of the sessions, and the server's UUID.
func (s *sessions) all() (ids []int64, server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids), s.server
}

// leave closes the client. After a failure, whatever it was, no session stays
// behind if that can be helped.
func (c *client) leave(ctx context.Context, failure error) error {
	if failure != nil {
		ids, _ := c.opened.all()
		c.end(ctx, ids...)
	}
	return c.Close()
}

// end ends sessions. It is best effort and also runs after a cancellation:
// where it does not succeed, the server's timeouts end them.
func (c *client) end(ctx context.Context, ids ...int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(cleanupTime, c.server.connect, c.server.settings.idle()))
	defer cancel()
	conn, err := c.Conn(ctx)
	if err != nil {
		return
	}
	defer release(conn)
	if !c.sameServer(ctx, conn) {
		return
	}
	for _, id := range ids {
		_, _ = conn.ExecContext(ctx, fmt.Sprintf("KILL %d", id)) // most have ended by themselves
	}
}

// sameServer reports whether conn is to the same run of the same server:
// another one gives the same numbers to other people's sessions.
func (c *client) sameServer(ctx context.Context, conn *sql.Conn) bool {
	_, server := c.opened.all()
	r, err := queryRecord(ctx, conn, "SELECT @@server_uuid AS server")
	if err != nil || r.text("server") != server {
		return false
	}
	r, err = queryRecord(ctx, conn, "SHOW GLOBAL STATUS LIKE 'Uptime'")
	return err == nil && time.Duration(r.number("value"))*time.Second >= time.Since(c.opened.since)
}
