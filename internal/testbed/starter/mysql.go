package starter

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// mysqlFlags configure the deployment's server: a binary log with GTIDs as
// production has it, no waiting for the disk as tests want it, and a time zone
// in which an assumption of UTC shows.
var mysqlFlags = []string{
	"--server-id=1",
	"--log-bin=binlog",
	"--gtid-mode=ON",
	"--enforce-gtid-consistency=ON",
	"--local-infile=1",
	"--max-allowed-packet=128M",
	"--max-connections=500",
	"--innodb-buffer-pool-size=512M",
	"--innodb-flush-log-at-trx-commit=2",
	"--sync-binlog=0",
	"--default-time-zone=+08:00",
}

func (tb *Testbed) mysql() part {
	return part{name: "mysql", check: tb.checkMySQL, prepare: tb.prepareMySQLImage, start: tb.startMySQL}
}

func (tb *Testbed) mysqlContainer() string {
	return "openim-dr-testbed-" + tb.id + "-mysql"
}

// mysqlAddress asks the engine, which chooses the port whenever the container
// starts.
func (tb *Testbed) mysqlAddress(ctx context.Context) (string, error) {
	ports, err := docker(ctx, "port", tb.mysqlContainer(), "3306/tcp")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(ports, "\n")
	return first, nil
}

func (tb *Testbed) checkMySQL(ctx context.Context) error {
	addr, err := tb.mysqlAddress(ctx)
	if err != nil {
		return err
	}
	return tb.pingMySQL(ctx, addr)
}

func (tb *Testbed) pingMySQL(ctx context.Context, addr string) error {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", addr
	config.User, config.Passwd = "root", tb.state.MySQLPassword
	config.Logger = &mysqldriver.NopLogger{} // a server that is not ready yet is no news
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.PingContext(ctx)
}

// startMySQL starts the container that is there where it was made by today's
// recipe, with its data, and makes a new one otherwise.
func (tb *Testbed) startMySQL(ctx context.Context) error {
	image, err := tb.mysqlImage(ctx)
	if err != nil {
		return err
	}
	want := recipe(append([]string{image, tb.state.MySQLPassword}, mysqlFlags...)...)
	have, err := docker(ctx, "inspect", "--format", `{{index .Config.Labels "`+recipeLabel+`"}}`, tb.mysqlContainer())
	if err == nil && have == want {
		if err := tb.restartMySQL(ctx); err == nil {
			return nil
		}
		tb.console.printf("mysql: the container does not come back: a new one is made")
	}
	if _, err := docker(ctx, "rm", "-f", "-v", tb.mysqlContainer()); err != nil && !strings.Contains(err.Error(), "No such container") {
		return err
	}
	if err := tb.runMySQL(ctx, image, want); err != nil {
		return err
	}
	return tb.awaitMySQL(ctx)
}

func (tb *Testbed) restartMySQL(ctx context.Context) error {
	if _, err := docker(ctx, "start", tb.mysqlContainer()); err != nil {
		return err
	}
	return tb.awaitMySQL(ctx)
}

// runMySQL makes the container. The password goes in through the environment of
// the docker client, so that no argument list holds it.
func (tb *Testbed) runMySQL(ctx context.Context, image, recipe string) error {
	file := tb.data("mysql.env")
	if err := writeFile(file, []byte("MYSQL_ROOT_PASSWORD="+tb.state.MySQLPassword+"\n")); err != nil {
		return err
	}
	defer os.Remove(file)
	args := []string{
		"run", "-d", "--pull", "never", "--name", tb.mysqlContainer(),
		"--label", Label + "=" + tb.id, "--label", recipeLabel + "=" + recipe,
		"--publish", "127.0.0.1::3306", "--env-file", file, image,
	}
	_, err := docker(ctx, append(args, mysqlFlags...)...)
	return err
}

func (tb *Testbed) awaitMySQL(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	err := poll(ctx, 200*time.Millisecond, func() (bool, error) {
		running, err := docker(ctx, "inspect", "--format", "{{.State.Running}}", tb.mysqlContainer())
		if err != nil {
			return false, err
		}
		if running != "true" {
			return false, errors.New("the container ended")
		}
		last = tb.checkMySQL(ctx)
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	logs, logsErr := docker(context.WithoutCancel(ctx), "logs", "--tail", "100", tb.mysqlContainer())
	if logsErr == nil {
		logsErr = os.WriteFile(tb.log("mysql"), []byte(logs), 0o644)
	}
	return errors.Join(fmt.Errorf("wait for mysql: %w", err), last, logsErr)
}
