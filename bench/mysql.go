package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// memoryLimit is what openim-dr may take, in MiB, however much there is.
const memoryLimit = 192

var schemas = []string{"openIM_v3", "openim_enterprise"}

// What the peers run. mysqldump writes into a pipe in the shared directory, on
// whose other side the rest runs on the host.
const (
	dumpCommand    = "mysqldump -uroot --single-transaction --routines --triggers --events --set-gtid-purged=OFF --databases openIM_v3 openim_enterprise"
	gzipCommand    = "gzip"
	zstdCommand    = "zstd -q -3 | age -r $RECIPIENT"
	restoreCommand = "mysql -uroot < dump.sql"
)

// mysqlBench is the state of the MySQL part.
type mysqlBench struct {
	options
	tool           tool
	source, target *server
}

func benchMySQL(ctx context.Context, o options) ([]result, error) {
	return withMySQL(ctx, o, (*mysqlBench).run)
}

// withMySQL measures with a source that is seeded and a target that is empty.
func withMySQL(ctx context.Context, o options, measure func(*mysqlBench, context.Context) ([]result, error)) (_ []result, err error) {
	env, err := readEnv(o.env)
	if err != nil {
		return nil, err
	}
	image, label := env["MYSQL_IMAGE"], env["TESTBED_LABEL"]
	if image == "" || label == "" {
		return nil, fmt.Errorf("MYSQL_IMAGE: %w", errNotThere)
	}
	dir := filepath.Join(o.out, "mysql")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	b := &mysqlBench{options: o}
	for _, s := range []struct {
		into **server
		name string
	}{{&b.source, "source"}, {&b.target, "target"}} {
		server, err := startServer(ctx, image, label, filepath.Join(dir, s.name))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, server.stop(ctx)) }()
		*s.into = server
	}
	fmt.Printf("mysql: seed %d rows\n", o.size.Rows)
	if _, err := seed.MySQL(ctx, b.source.db, seed.Schemas{}, o.size); err != nil {
		return nil, err
	}
	if b.tool, err = mysqlTool(ctx, o.binary, filepath.Join(dir, "openim-dr"), b.source, b.target); err != nil {
		return nil, err
	}
	return measure(b, ctx)
}

func (b *mysqlBench) run(ctx context.Context) ([]result, error) {
	version, err := docker(ctx, nil, "exec", b.source.id, "mysqldump", "--version")
	if err != nil {
		return nil, err
	}
	backup, gzip, zstd, err := b.backups(ctx)
	if err != nil {
		return nil, err
	}
	restore, scratch, mysql, compare, err := b.restores(ctx)
	if err != nil {
		return nil, err
	}
	all := []result{
		against("mysql.backup/mysqldump-gzip", 0.24, backup, gzip),
		against("mysql.backup/mysqldump-zstd-age", 0.65, backup, zstd),
		against("mysql.restore/mysql", 0.32, restore, mysql),
		against("mysql.restore-scratch/mysql", 0.25, scratch, mysql),
		peak("mysql.memory", memoryLimit, backup, restore, scratch),
	}
	for i, peer := range []string{dumpCommand + " | " + gzipCommand, dumpCommand + " | " + zstdCommand, restoreCommand, restoreCommand} {
		all[i].PeerCommand, all[i].PeerVersion = peer, version
	}
	all[2].Note = fmt.Sprintf("of which the comparison took %.1f s", median(compare))
	wide, err := b.wideRows(ctx)
	if err != nil {
		return all, err
	}
	last, err := lastWorkers(ctx)
	return append(append(all, wide), last...), err
}

// backups takes backups in turn.
func (b *mysqlBench) backups(ctx context.Context) (ours, gzip, zstd []measurement, err error) {
	for round := range b.rounds {
		fmt.Printf("mysql: backups, round %d of %d\n", round+1, b.rounds)
		for _, run := range []struct {
			into *[]measurement
			do   func(context.Context) (measurement, error)
		}{
			{&ours, b.tool.backup},
			{&gzip, func(ctx context.Context) (measurement, error) { return b.dump(ctx, gzipCommand) }},
			{&zstd, func(ctx context.Context) (measurement, error) {
				return b.dump(ctx, strings.ReplaceAll(zstdCommand, "$RECIPIENT", b.tool.recipient))
			}},
		} {
			m, err := run.do(ctx)
			if err != nil {
				return nil, nil, nil, err
			}
			*run.into = append(*run.into, m)
		}
	}
	return ours, gzip, zstd, nil
}

// dump runs mysqldump through a filter into a file.
func (b *mysqlBench) dump(ctx context.Context, filter string) (measurement, error) {
	if err := settle(ctx); err != nil {
		return measurement{}, err
	}
	file, pipe := filepath.Join(b.source.dir, "dump"), filepath.Join(b.source.dir, "pipe")
	if _, err := shell(ctx, "rm -f "+file+" "+pipe+"; mkfifo -m 666 "+pipe); err != nil {
		return measurement{}, err
	}
	script := fmt.Sprintf("%s & cat_pid=$!; %s < %s > %s; wait $cat_pid", b.source.inside(dumpCommand+" > /shared/pipe"), first(filter), pipe, file)
	m, err := b.source.peer(ctx, script)
	if err != nil {
		return m, err
	}
	m.bytes, err = sizeOf(file)
	return m, err
}

// first sets the filter's first program apart, since it is what reads the pipe.
func first(filter string) string {
	program, rest, more := strings.Cut(filter, " | ")
	if !more {
		return filter
	}
	return "(" + program + " | " + rest + ")"
}

// restores brings everything back in turn, into a server that is empty.
func (b *mysqlBench) restores(ctx context.Context) (ours, scratch, mysql []measurement, compare []float64, err error) {
	if _, err := b.source.peer(ctx, b.source.inside(dumpCommand+" > /shared/dump.sql")); err != nil {
		return nil, nil, nil, nil, err
	}
	if _, err := shell(ctx, fmt.Sprintf("mv %s %s", filepath.Join(b.source.dir, "dump.sql"), b.target.dir)); err != nil {
		return nil, nil, nil, nil, err
	}
	for round := range b.rounds {
		fmt.Printf("mysql: restores, round %d of %d\n", round+1, b.rounds)
		for _, run := range []struct {
			into *[]measurement
			do   func(context.Context) (measurement, float64, error)
		}{
			{&ours, func(ctx context.Context) (measurement, float64, error) {
				return b.tool.restore(ctx, "--target", "target")
			}},
			{&scratch, func(ctx context.Context) (measurement, float64, error) {
				return b.tool.restore(ctx, "--target", "scratch")
			}},
			{&mysql, func(ctx context.Context) (measurement, float64, error) {
				m, err := b.target.peer(ctx, b.target.inside("cd /shared && "+restoreCommand))
				return m, 0, err
			}},
		} {
			if err := errors.Join(b.target.dropAll(ctx), settle(ctx)); err != nil {
				return nil, nil, nil, nil, err
			}
			m, compared, err := run.do(ctx)
			if err != nil {
				return nil, nil, nil, nil, err
			}
			*run.into = append(*run.into, m)
			if run.into == &ours {
				compare = append(compare, compared)
			}
		}
	}
	return ours, scratch, mysql, compare, nil
}

// mysqlTool backs the source up, and restores into the target.
func mysqlTool(ctx context.Context, program, dir string, source, target *server) (tool, error) {
	return newTool(ctx, program, dir, filepath.Join(dir, "repository"), fmt.Sprintf(`sources:
  - {name: main, kind: mysql, address: "%[1]s", user: root, password: "env:SOURCE_PASSWORD", tls: disabled, schemas: [%[3]s]}
targets:
  target:
    - {name: main, kind: mysql, address: "%[2]s", user: root, password: "env:TARGET_PASSWORD", tls: disabled, schemas: [%[3]s]}
  scratch:
    - {name: main, kind: mysql, address: "%[2]s", user: root, password: "env:TARGET_PASSWORD", tls: disabled, schemas: [%[3]s], disableRedoLog: true}
`, source.address, target.address, strings.Join(schemas, ", ")), "SOURCE_PASSWORD="+source.password, "TARGET_PASSWORD="+target.password)
}
