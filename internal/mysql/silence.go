package mysql

import (
	"bytes"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// longStatements begin what the server may work on for hours without a word.
// Rows on their way are not among them: a server that waits for the rest of a
// LOAD DATA, and a client that waits for the answer, would wait forever.
var longStatements = []string{"ALTER", "CREATE", "DROP"}

// bearSilence lets connections of the configuration wait longer than the idle
// time where the server says, over another connection, that it is at work.
func (s *Server) bearSilence(config *driver.Config) error {
	side, err := s.connector(config.Clone())
	if err != nil {
		return err
	}
	idle := config.ReadTimeout
	config.ReadTimeout = 0 // patientConn sees to it
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialWire(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open, end := context.WithCancel(context.WithoutCancel(ctx))
		ask := func(id uint32) (bool, error) { return atWork(open, side, idle, id) }
		return &patientConn{Conn: conn, idle: idle, atWork: ask, end: end}, nil
	}
	return nil
}

// atWork asks the server whether a session of ours runs a long statement.
func atWork(ctx context.Context, side sqldriver.Connector, idle time.Duration, id uint32) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	db := sql.OpenDB(side)
	defer release(db)
	sessions, err := processes(ctx, db)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(sessions, func(r record) bool {
		word, _, _ := strings.Cut(strings.TrimSpace(r.text("info")), " ")
		return r.number("id") == int64(id) && r.text("command") == "Query" && slices.Contains(longStatements, strings.ToUpper(word))
	}), nil
}

// errSilent ends the wait for a server that says nothing and does nothing.
var errSilent = errors.New("the server was silent for too long")

// patientConn is a connection to the server whose reads end when the server is
// silent for the idle time, unless it is at work for this very connection.
type patientConn struct {
	net.Conn
	idle    time.Duration
	id      uint32 // the server's number of the connection
	greeted bool
	atWork  func(id uint32) (bool, error)
	end     context.CancelFunc
}

// Read waits for the server. An answer may be on its way while we ask, so that
// only the second time without one is the end.
func (c *patientConn) Read(p []byte) (int, error) {
	for strikes := 0; ; {
		if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			c.greet(p[:n])
			return n, err
		}
		busy, err := c.atWork(c.id)
		if err != nil {
			return 0, fmt.Errorf("%w (%s), and does not answer over another connection: %w", errSilent, c.idle, clean(err))
		}
		if busy {
			strikes = 0
		} else if strikes++; strikes == 2 {
			return 0, fmt.Errorf("%w (%s)", errSilent, 2*c.idle)
		}
	}
}

// greet reads the connection's number from the server's first packet: a
// header of four bytes, the protocol's version 10, the server's version up to
// a zero byte, and the number in four bytes. Where the packet arrives in
// pieces the number stays 0, and no silence is excused.
func (c *patientConn) greet(packet []byte) {
	if c.greeted {
		return
	}
	c.greeted = true
	if len(packet) < 5 || packet[4] != 10 {
		return
	}
	if _, rest, ended := bytes.Cut(packet[5:], []byte{0}); ended && len(rest) >= 4 {
		c.id = binary.LittleEndian.Uint32(rest)
	}
}

// Close also ends a question that is being asked.
func (c *patientConn) Close() error {
	c.end()
	return c.Conn.Close()
}
