package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	driver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// patience says what a connection does about a server that is silent for the
// configured time (invariant 9: every wait ends).
type patience int

const (
	// dumpIdle ends the wait: rows, and answers to small questions, come.
	dumpIdle patience = iota
	// loadIdle asks over another connection first: building an index sends
	// nothing until it is done.
	loadIdle
)

// cleanupTime bounds statements that undo something after a cancellation.
const cleanupTime = 10 * time.Second

// client is an open connection pool to the server, already asked what it is.
type client struct {
	*sql.DB
	server *Server
	facts  facts
	opened sessions
}

// open connects, tries for a limited time, and asks the server what it is.
func (s *Server) open(ctx context.Context, silent patience) (*client, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	heard := new(alertListener)
	config.Logger = heard
	if silent == loadIdle {
		if err := s.bearSilence(config); err != nil {
			return nil, err
		}
	}
	connector, err := s.connector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(0) // no session may inherit the state of another
	if err := s.reach(ctx, db, heard); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	facts, err := askFacts(ctx, db)
	if err == nil {
		err = s.checkSupported(facts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask %s what it is: %w", s.target(), err), db.Close())
	}
	return &client{DB: db, server: s, facts: facts, opened: sessions{since: time.Now()}}, nil
}

func (s *Server) config() (*driver.Config, error) {
	password, err := s.settings.password()
	if err != nil {
		return nil, err
	}
	config := driver.NewConfig()
	config.User = s.settings.User
	config.Passwd = password
	config.Net, config.Addr = s.settings.endpoint()
	config.Timeout = s.connect
	config.ReadTimeout = s.settings.idle()
	config.WriteTimeout = s.settings.idle()
	config.MaxAllowedPacket = 0 // ask the server
	// Whatever the server's defaults are, no answer may be cut short, and a
	// quoted text means the same everywhere.
	// The comment is for MySQL 8 alone: what else answers here is to be told that
	// it is not supported, not that it does not know a variable.
	config.Params = map[string]string{"sql_select_limit": "18446744073709551615 /*!80000 , max_execution_time = 0, information_schema_stats_expiry = 0 */", "sql_mode": "''"}
	config.ConnectionAttributes = "program_name:openim-dr"
	return config, s.setTLS(config)
}

// password reads it; without one it is empty.
func (s *Settings) password() (string, error) {
	if s.Password.IsZero() {
		return "", nil
	}
	password, err := s.Password.Resolve()
	if err != nil {
		return "", fault.New(fault.Usage, "read password", "%w", err).On("of mysql " + s.Address).
			Hint("set it where openim-dr runs, or correct password of the source in the configuration")
	}
	return password, nil
}

// reach tries to connect until it succeeds, the server refuses for good, or
// the time for it is over.
func (s *Server) reach(ctx context.Context, db *sql.DB, heard *alertListener) error {
	began := time.Now()
	attempt := func() (struct{}, error) {
		limited, cancel := context.WithTimeout(ctx, s.connect)
		defer cancel()
		err := heard.explain(db.PingContext(limited))
		if refusal := s.refusal(err); refusal != nil {
			return struct{}{}, backoff.Permanent(refusal)
		}
		return struct{}{}, err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 100 * time.Millisecond
	pause.MaxInterval = 2 * time.Second
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.connect))
	if _, final := fault.Outermost(err); err == nil || final {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("connect to %s: %w", s.target(), ctx.Err())
	}
	tried := time.Since(began).Round(100 * time.Millisecond)
	var dialed *net.OpError
	if errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &dialed) && dialed.Op == "dial") {
		return fault.New(fault.Failed, "connect to", "no greeting after %s of waiting: what listens there is no MySQL server, or one that hangs", tried).
			On(s.target()).Hint("check the port, and that the server answers its other clients")
	}
	return fault.New(fault.Failed, "connect to", "no connection after %s of trying: %w", tried, clean(err)).
		On(s.target()).Hint("check that the server runs and that %s can be reached from here", s.settings.Address)
}

// session opens a dedicated connection and runs the statements that prepare it.
func (c *client) session(ctx context.Context, statements ...string) (*sql.Conn, error) {
	conn, err := c.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open session on %s: %w", c.server.target(), clean(err))
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", statement, clean(err)), conn.Close())
		}
	}
	if err := c.opened.add(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// attempt runs statements that make things better where the server knows and
// allows them, and change nothing that matters otherwise.
func attempt(ctx context.Context, conn *sql.Conn, statements ...string) error {
	for _, statement := range statements {
		_, err := conn.ExecContext(ctx, statement)
		if err != nil && !isDenied(err) && !isServer(err, erUnknownVariable, erReadOnlyVariable, erWrongVariable, erSessionVariableDenied) {
			return fmt.Errorf("%s: %w", statement, clean(err))
		}
	}
	return nil
}
