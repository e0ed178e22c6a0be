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
func (tb *Testbed) mysqlFlags() []string {
	return []string{
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", tb.port("mysql")),
		"--server-id=1",
		"--log-bin=binlog",
		"--gtid-mode=ON",
		"--enforce-gtid-consistency=ON",
		"--local-infile=1",
		"--max-allowed-packet=128M",
		"--max-connections=500",
		"--innodb-buffer-pool-size=512M",
		"--innodb-redo-log-capacity=256M",
		"--innodb-flush-log-at-trx-commit=2",
		"--sync-binlog=0",
		"--default-time-zone=+08:00",
	}
}

func (tb *Testbed) mysql() part {
	return part{name: "mysql", check: tb.checkMySQL, prepare: tb.prepareMySQLImage, start: tb.startMySQL}
}

func (tb *Testbed) mysqlContainer() string {
	return "openim-dr-testbed-" + tb.id + "-mysql"
}

func (tb *Testbed) checkMySQL(ctx context.Context) error {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", tb.address("mysql")
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
	have, err := docker(ctx, "inspect", "--format", `{{index .Config.Labels "`+recipeLabel+`"}}`, tb.mysqlContainer())
	if err == nil && have == tb.mysqlContainerRecipe(image) {
		if err := tb.restartMySQL(ctx); err == nil {
			return nil
		}
		tb.console.printf("mysql: the container does not come back: a new one is made")
	}
	if _, err := docker(ctx, "rm", "-f", "-v", tb.mysqlContainer()); err != nil && !strings.Contains(err.Error(), "No such container") {
		return err
	}
	tb.forgetPorts("mysql")
	if err := tb.runMySQL(ctx, image); err != nil {
		return err
	}
	return tb.awaitMySQL(ctx)
}

func (tb *Testbed) mysqlContainerRecipe(image string) string {
	return recipe(append([]string{image, tb.state.MySQLPassword}, tb.mysqlFlags()...)...)
}

func (tb *Testbed) restartMySQL(ctx context.Context) error {
	if _, err := docker(ctx, "start", tb.mysqlContainer()); err != nil {
		return err
	}
	return tb.awaitMySQL(ctx)
}

// runMySQL makes the container, on the host's network: the engine's proxy would
// take as much time as a small server. The password goes in through a file, so
// that no argument list holds it.
func (tb *Testbed) runMySQL(ctx context.Context, image string) error {
	recipe := tb.mysqlContainerRecipe(image)
	if err := tb.save(); err != nil { // the port
		return err
	}
	file := tb.data("mysql.env")
	if err := writeFile(file, []byte("MYSQL_ROOT_PASSWORD="+tb.state.MySQLPassword+"\n")); err != nil {
		return err
	}
	defer os.Remove(file)
	args := []string{
		"run", "-d", "--pull", "never", "--name", tb.mysqlContainer(),
		"--label", Label + "=" + tb.id, "--label", recipeLabel + "=" + recipe,
		"--network", "host", "--env-file", file, image,
	}
	_, err := docker(ctx, append(args, tb.mysqlFlags()...)...)
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
