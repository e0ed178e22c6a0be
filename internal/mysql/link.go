package mysql

import (
	"context"
	"database/sql/driver"
	"net"
	"time"
)

// connector opens links.
type connector struct {
	inner driver.Connector // dials with dialWire
	clear bool             // nothing is encrypted, and silence is not borne
	idle  time.Duration    // longest silence of the server while rows are read
}

var _ driver.Connector = (*connector)(nil)

// Connect opens a connection and logs in.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	var wire net.Conn
	opened, err := c.inner.Connect(context.WithValue(ctx, wireKey{}, &wire))
	if err != nil {
		return nil, err
	}
	l := &link{driverConn: opened.(driverConn)} //nolint:forcetypeassert // the driver says so of its connections
	if c.clear {
		l.rows = newRowReader(wire, c.idle)
	}
	return l, nil
}

// Driver returns the driver under the links.
func (c *connector) Driver() driver.Driver { return c.inner.Driver() }

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

// driverConn is all that database/sql asks of a connection of the driver.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// link is the driver's connection, and, where nothing is encrypted and a silent
// server is not borne, the wire under it. Between two statements the driver has nothing in its buffer, so
// the rows of a statement can be read from the wire itself.
type link struct {
	driverConn
	rows *rowReader // nil where it is the driver that reads
}
