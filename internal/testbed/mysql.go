package testbed

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

// containerPatience is how long a fresh server may take to accept connections,
// on a busy machine.
const containerPatience = 2 * time.Minute

// MySQL is a server of a test's own.
type MySQL struct {
	Address   string // host:port
	Port      int
	User      string
	Password  string
	Container string
}

// OpenMySQL connects as root to the testbed's server.
func (e *Env) OpenMySQL(t testing.TB) *sql.DB {
	t.Helper()
	return (&MySQL{Address: e.MySQLAddress, User: e.MySQLUser, Password: e.MySQLPassword}).Open(t)
}

// Open connects to the server.
func (m *MySQL) Open(t testing.TB) *sql.DB {
	t.Helper()
	db := sql.OpenDB(m.connector(t))
	t.Cleanup(func() { db.Close() })
	return db
}

func (m *MySQL) connector(t testing.TB) driver.Connector {
	t.Helper()
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", m.Address
	config.User, config.Passwd = m.User, m.Password
	config.Logger = &mysqldriver.NopLogger{} // a server that starts refuses connections for a while
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatalf("connect to mysql %s: %v", m.Address, err)
	}
	return connector
}

// NewSchema makes an empty schema on the testbed's server.
func (e *Env) NewSchema(t testing.TB) string {
	t.Helper()
	db, name := e.OpenMySQL(t), unique("_")
	if err := define(t.Context(), db, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make schema: %v", err)
	}
	t.Cleanup(func() {
		if err := define(cleanupContext(t), db, "DROP DATABASE IF EXISTS "+name); err != nil {
			t.Errorf("drop schema %s: %v", name, err)
		}
	})
	return name
}

// deadlock is what the server answers to one of two statements that wait for
// each other, such as a DROP and the global lock of a dump in another test.
const deadlock = 1213

// define runs a statement that may be given again.
func define(ctx context.Context, db *sql.DB, statement string) error {
	for {
		_, err := db.ExecContext(ctx, statement)
		var sent *mysqldriver.MySQLError
		if !errors.As(err, &sent) || sent.Number != deadlock {
			return err
		}
	}
}

// Mount is a directory of the test that the server's container sees as well.
type Mount struct{ Host, Container string }

// StartMySQL starts an empty server with flags of its own, after those that only
// make it quick. It is on the host's network: the engine's proxy would take as
// much time as the server.
func (e *Env) StartMySQL(t testing.TB, flags ...string) *MySQL {
	t.Helper()
	return e.StartMySQLWith(t, nil, flags...)
}

// StartMySQLWith is StartMySQL for a server that shares directories with the
// test: certificates that it reads, the socket that it makes.
func (e *Env) StartMySQLWith(t testing.TB, mounts []Mount, flags ...string) *MySQL {
	t.Helper()
	password := unique("-")
	// A file rather than an argument, which the whole host could read.
	file := filepath.Join(t.TempDir(), "mysql.env")
	if err := os.WriteFile(file, []byte("MYSQL_ROOT_PASSWORD="+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--detach", "--pull", "never", "--label", e.label, "--network", "host", "--env-file", file}
	for _, m := range mounts {
		args = append(args, "--volume", m.Host+":"+m.Container)
	}
	args = append(args, e.MySQLImage, "--bind-address=127.0.0.1",
		"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-buffer-pool-size=256M",
		"--local-infile=1", "--max-allowed-packet=128M",
	)
	args = append(args, flags...)
	for range portTries {
		server := &MySQL{Port: port.Choose(), User: "root", Password: password}
		server.Address = port.Address(server.Port)
		server.Container = docker(t.Context(), t, append(args, fmt.Sprintf("--port=%d", server.Port))...)
		t.Cleanup(func() { docker(cleanupContext(t), t, "rm", "--force", "--volumes", server.Container) })
		if server.await(t) {
			return server
		}
	}
	t.Fatalf("each of %d ports for mysql was taken when it was to be used", portTries)
	return nil
}

// portTries is how often a port is chosen for a server. Others choose as well.
const portTries = 5

// ReadBinlog has mysqlbinlog read the server's binary log as it grows, as a
// program does that archives it, until the test ends.
func (m *MySQL) ReadBinlog(t testing.TB) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", "exec", "--env", "MYSQL_PWD", m.Container, "mysqlbinlog", "--no-defaults",
		"--protocol=tcp", "--host=127.0.0.1", fmt.Sprintf("--port=%d", m.Port), "--user=root", "--read-from-remote-server", "--raw", "--stop-never", "--to-last-log",
		"--result-file=/tmp/", "binlog.000001")
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+m.Password)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // it ends with the test's context
		if t.Failed() {
			t.Logf("mysqlbinlog: %s", &out)
		}
	})
}

// Restart kills the server and starts it again.
func (m *MySQL) Restart(t testing.TB) {
	t.Helper()
	docker(t.Context(), t, "restart", "--time", "0", m.Container)
	if !m.await(t) {
		t.Fatalf("somebody else has taken the port of mysql %s", m.Address)
	}
}

// Shell runs a shell command in the server's container, as its root and with
// MYSQL_PWD set, and returns what it printed.
func (m *MySQL) Shell(t testing.TB, command string) string {
	t.Helper()
	// The password is read from the container's own environment: an argument
	// could be read by the whole host.
	return docker(t.Context(), t, "exec", m.Container, "sh", "-c", `export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"; `+command)
}

// await waits until the server accepts connections. It returns false where the
// server has ended because its port is taken.
func (m *MySQL) await(t testing.TB) bool {
	t.Helper()
	db := m.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), containerPatience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for try := 1; ; try++ {
		err := db.PingContext(ctx)
		if err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			t.Fatalf("wait for mysql %s: %v\n%s", m.Address, err, m.logs(t))
		case <-ticker.C:
		}
		// Each call of the client costs as much as a tenth of the server's start.
		if try%20 == 0 && docker(ctx, t, "inspect", "--format", "{{.State.Running}}", m.Container) != "true" {
			if logs := m.logs(t); !strings.Contains(logs, "Bind on TCP/IP port") {
				t.Fatalf("mysql %s ended:\n%s", m.Address, logs)
			}
			return false
		}
	}
}

func (m *MySQL) logs(t testing.TB) string {
	t.Helper()
	return docker(cleanupContext(t), t, "logs", "--tail", "20", m.Container)
}

// docker runs the docker client and returns what it printed.
func docker(ctx context.Context, t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %s: %v: %s", args[0], err, stderr.String())
	}
	if args[0] == "logs" { // which go to both
		return stdout.String() + stderr.String()
	}
	return strings.TrimSpace(stdout.String())
}

// cleanupContext returns a context for removing what a test made: the test's own
// context has ended by then.
func cleanupContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
