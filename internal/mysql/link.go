package mysql

import (
	"context"
	"database/sql/driver"
	"net"
	"time"

	mysql "github.com/go-sql-driver/mysql"
)

// connector opens links.
type connector struct {
	config *mysql.Config
}

var _ driver.Connector = (*connector)(nil)

// Connect opens a connection and logs in.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	config := c.config.Clone()
	var wire net.Conn
	dial := c.config.DialFunc
	if dial == nil {
		dial = (&net.Dialer{Timeout: config.Timeout, KeepAlive: keepAlive}).DialContext
	}
	config.DialFunc = func(ctx context.Context, network, address string) (_ net.Conn, err error) {
		wire, err = dial(ctx, network, address)
		return wire, err
	}
	inner, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	opened, err := inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{driverConn: opened.(driverConn)} //nolint:forcetypeassert // the driver says so of its connections
	if config.TLS == nil && c.config.DialFunc == nil {
		l.rows = newRowReader(wire, config.ReadTimeout)
	}
	return l, nil
}

// Driver returns the driver under the links.
func (c *connector) Driver() driver.Driver { return &mysql.MySQLDriver{} }

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
