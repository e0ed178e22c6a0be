package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// connector opens links.
type connector struct {
	inner sqldriver.Connector // dials with dialWire
	clear bool                // nothing is encrypted, and silence is not borne
	idle  time.Duration       // longest silence of the server while rows are read
	wide  wideRow             // of all links
}

var _ sqldriver.Connector = (*connector)(nil)

// Tries to open one connection, and until when a new one is begun.
const (
	connectTries    = 3
	connectPatience = 30 * time.Second
)

// Connect opens a connection and logs in, once more where that broke off.
func (c *connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	began := time.Now()
	for try := 1; ; try++ {
		l, err := c.connect(ctx)
		if err == nil {
			return l, nil
		}
		if !isBroken(err) || ctx.Err() != nil || try == connectTries || time.Since(began) > connectPatience {
			return nil, err
		}
	}
}

// isBroken reports whether a login was cut off rather than refused. The driver
// asks the server for its limit before our settings are in force, so that a
// global max_execution_time can end that.
func isBroken(err error) bool {
	for _, broken := range []error{driver.ErrInvalidConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return isServer(err, erMaxExecutionTime)
}

func (c *connector) connect(ctx context.Context) (*link, error) {
	var wire net.Conn
	opened, err := c.inner.Connect(context.WithValue(ctx, wireKey{}, &wire))
	if err != nil {
		return nil, err
	}
	l := &link{driverConn: opened.(driverConn)} // the driver says so of its connections
	if c.clear {
		l.rows = newRowReader(wire, c.idle, c.wide)
	}
	return l, nil
}

// Driver returns the driver under the links.
func (c *connector) Driver() sqldriver.Driver { return c.inner.Driver() }

// wireKey is where the context of a Connect says who wants to know the wire.
type wireKey struct{}

// dialWire dials for the driver, which keeps its wires to itself, and tells
// who asks for it.
func dialWire(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: keepAlive}
	conn, err := dialer.DialContext(ctx, network, address)
	if wire, ok := ctx.Value(wireKey{}).(*net.Conn); ok {
		*wire = conn
	}
	return conn, err
}

// keepAlive is how often TCP looks whether the server is still there while a
// statement that takes long sends nothing.
const keepAlive = 15 * time.Second

// driverConn is all that database/sql asks of a connection of the sqldriver.
type driverConn interface {
	sqldriver.Conn
	sqldriver.ConnBeginTx
	sqldriver.ConnPrepareContext
	sqldriver.ExecerContext
	sqldriver.NamedValueChecker
	sqldriver.Pinger
	sqldriver.QueryerContext
	sqldriver.SessionResetter
	sqldriver.Validator
}

// link is the driver's connection, and, where nothing is encrypted and a silent
// server is not borne, the wire under it. Between two statements the driver has nothing in its buffer, so
// the rows of a statement can be read from the wire itself.
type link struct {
	driverConn
	rows *rowReader // nil where it is the driver that reads
}
