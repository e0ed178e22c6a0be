package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

// serverFlags configure both servers as a small production has them, but for
// syncing every transaction to disk, which would measure the disk.
var serverFlags = []string{
	"--bind-address=127.0.0.1", "--mysqlx=OFF", "--server-id=1", "--log-bin=binlog", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
	"--local-infile=1", "--max-allowed-packet=128M", "--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G",
	"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0",
}

// server is a MySQL server of the benchmark's own. It is on the host's network,
// so that nobody's bytes go through the engine's proxy, and shares a directory
// with the host, so that the peers' pipelines need not go through its client.
type server struct {
	id       string
	address  string
	password string
	dir      string // is /shared there
	db       *sql.DB
}

func startServer(ctx context.Context, image, label, dir string) (_ *server, err error) {
	if err := errors.Join(os.MkdirAll(dir, 0o777), os.Chmod(dir, 0o777)); err != nil { // the server is another user
		return nil, err
	}
	at := port.Choose()
	s := &server{address: port.Address(at), password: rand.Text(), dir: dir}
	file := filepath.Join(dir, "env")
	if err := os.WriteFile(file, []byte("MYSQL_ROOT_PASSWORD="+s.password+"\n"), 0o600); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	args := append([]string{
		"run", "--detach", "--pull", "never", "--network", "host", "--label", label,
		"--volume", dir + ":/shared", "--env-file", file, image, fmt.Sprintf("--port=%d", at),
	}, serverFlags...)
	if s.id, err = docker(ctx, nil, args...); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.stop(ctx))
	}
	return s, nil
}

func (s *server) await(ctx context.Context) error {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", s.address, "root", s.password
	config.Logger = &mysql.NopLogger{}
	config.MaxAllowedPacket = 0
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := s.db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for mysql %s: %w", s.address, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *server) stop(ctx context.Context) error {
	_, err := docker(context.WithoutCancel(ctx), nil, "rm", "--force", "--volumes", s.id)
	return errors.Join(err, s.db.Close())
}

// dropAll makes the server as empty as it was.
func (s *server) dropAll(ctx context.Context) error {
	for _, schema := range schemas {
		if _, err := s.db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+schema); err != nil {
			return err
		}
	}
	_, err := s.db.ExecContext(ctx, "RESET BINARY LOGS AND GTIDS")
	return err
}

// inside is the script that runs a program in the server's container.
func (s *server) inside(script string) string {
	return "docker exec --env MYSQL_PWD=$MYSQL_PWD " + s.id + " sh -c " + "'" + strings.ReplaceAll(script, "'", `'\''`) + "'"
}

// peer runs a pipeline of which a part is inside the container.
func (s *server) peer(ctx context.Context, script string) (measurement, error) {
	m, _, err := command(ctx, []string{"MYSQL_PWD=" + s.password}, "bash", "-o", "pipefail", "-euc", script)
	return m, err
}
