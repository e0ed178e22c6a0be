package scratch

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/secret"
)

const (
	mysqlData     = "/var/lib/mysql"
	mysqlPassword = "/etc/openim-dr-root-password"
	mysqlPort     = 3306
)

// MySQL starts an empty server for a source, with flags of mysqld beside those
// that every scratch server has. The image keeps the interface of the official
// one: MYSQL_ROOT_PASSWORD_FILE, MYSQL_ROOT_HOST, arguments that begin with a
// dash are flags, and an empty /var/lib/mysql is initialised.
func (d *Docker) MySQL(ctx context.Context, source string, flags ...string) (*Server, error) {
	password := rand.Text()
	c, err := d.start(ctx, blueprint{
		source: source, image: d.options.MySQLImage, port: mysqlPort, data: mysqlData, other: []string{"/tmp"},
		command: append(mysqlFlags(d.options.Memory), flags...),
		env:     map[string]string{"MYSQL_ROOT_PASSWORD_FILE": mysqlPassword, "MYSQL_ROOT_HOST": "%"},
		files:   map[string]string{mysqlPassword: password},
	})
	if err != nil {
		return nil, err
	}
	var version string
	address, err := c.await(ctx, func(ctx context.Context, address string) (err error) {
		version, err = mysqlVersion(ctx, address, password)
		return err
	})
	if err == nil {
		err = c.requireWatchable(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &Server{
		Source: source, Kind: MySQL, Image: c.image, Version: version, Started: time.Since(c.begun),
		Address: address, User: "root", Password: d.hold(password),
	}, nil
}

// mysqlFlags make a server quick that nobody needs after a crash, and keep it
// from doing anything by itself. Variables that only some versions have are
// "loose": others ignore them.
func mysqlFlags(memory int64) []string {
	const (
		// overhead is what a server takes beside its buffer pool: itself, and what
		// four sessions at once build indexes in.
		overhead = 384<<20 + 4*128<<20
		least    = 64 << 20
	)
	pool := max(least, (memory-overhead)/10*6)
	return []string{
		"--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF",
		fmt.Sprintf("--innodb-buffer-pool-size=%d", pool),
		"--loose-innodb-redo-log-capacity=256M",
		"--local-infile=ON", "--max-allowed-packet=1G",
		"--event-scheduler=OFF", "--loose-mysqlx=OFF",
		// 8.4 switches a plugin off that restored accounts may still use.
		"--loose-mysql-native-password=ON",
	}
}

func mysqlVersion(ctx context.Context, address, password string) (version string, err error) {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", address
	config.User, config.Passwd = "root", password
	config.TLSConfig = "preferred"
	config.Logger = &mysqldriver.NopLogger{} // a server that starts refuses connections for a while
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // nothing was written
	err = db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	return version, err
}

// hold keeps a secret until Close.
func (d *Docker) hold(value string) secret.Ref {
	ref, release := secret.Hold(value)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.releases = append(d.releases, release)
	return ref
}
