package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

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

func benchMySQL(ctx context.Context, o options) (_ []result, err error) {
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
	if b.tool, err = newTool(ctx, o.binary, filepath.Join(dir, "openim-dr"), b.source, b.target); err != nil {
		return nil, err
	}
	return b.run(ctx)
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
		peak("mysql.memory", 192, backup, restore, scratch),
	}
	for i, peer := range []string{dumpCommand + " | " + gzipCommand, dumpCommand + " | " + zstdCommand, restoreCommand, restoreCommand} {
		all[i].PeerCommand, all[i].PeerVersion = peer, version
	}
	all[2].Note = fmt.Sprintf("of which the comparison took %.1f s", median(compare))
	return all, nil
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
			{&ours, func(ctx context.Context) (measurement, float64, error) { return b.tool.restore(ctx, "target") }},
			{&scratch, func(ctx context.Context) (measurement, float64, error) { return b.tool.restore(ctx, "scratch") }},
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

// tool is openim-dr with a configuration of its own.
type tool struct {
	program, dir, config, recipient string
	env                             []string
}

func newTool(ctx context.Context, program, dir string, source, target *server) (tool, error) {
	t := tool{program: program, dir: dir, config: filepath.Join(dir, "config.yaml"), env: []string{"SOURCE_PASSWORD=" + source.password, "TARGET_PASSWORD=" + target.password}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t, err
	}
	public := map[string]string{}
	for _, kind := range []string{"operator", "catalog", "signing"} {
		_, out, err := command(ctx, nil, program, "keygen", kind, "--out", filepath.Join(dir, kind+".key"), "-o", "json")
		if err != nil {
			return t, err
		}
		var made struct{ Recipient, PublicKey string }
		if err := json.Unmarshal(out, &made); err != nil {
			return t, err
		}
		public[kind] = made.Recipient + made.PublicKey
	}
	t.recipient = public["operator"]
	text := fmt.Sprintf(`instance: bench
repository:
  url: %[1]s/repository
  recipients: [%[2]s]
  catalogIdentity: file:%[1]s/catalog.key
  signingKey: file:%[1]s/signing.key
  trustedSigners: [{key: %[3]s, roles: [writer, operator]}]
sources:
  - {name: main, kind: mysql, address: "%[4]s", user: root, password: "env:SOURCE_PASSWORD", tls: disabled, schemas: [%[6]s]}
targets:
  target:
    - {name: main, kind: mysql, address: "%[5]s", user: root, password: "env:TARGET_PASSWORD", tls: disabled, schemas: [%[6]s]}
  scratch:
    - {name: main, kind: mysql, address: "%[5]s", user: root, password: "env:TARGET_PASSWORD", tls: disabled, schemas: [%[6]s], disableRedoLog: true}
`, dir, public["operator"], public["signing"], source.address, target.address, strings.Join(schemas, ", "))
	return t, os.WriteFile(t.config, []byte(text), 0o600)
}

func (t tool) run(ctx context.Context, args ...string) (measurement, []byte, error) {
	return command(ctx, t.env, t.program, append(args, "--config", t.config, "--no-progress", "-o", "json")...)
}

// backup takes a point into a repository that is new.
func (t tool) backup(ctx context.Context) (measurement, error) {
	repository := filepath.Join(t.dir, "repository")
	if err := errors.Join(os.RemoveAll(repository), settle(ctx)); err != nil {
		return measurement{}, err
	}
	if _, _, err := t.run(ctx, "init"); err != nil {
		return measurement{}, err
	}
	m, _, err := t.run(ctx, "backup")
	if err != nil {
		return m, err
	}
	m.bytes, err = sizeOf(repository)
	return m, err
}

// restore brings the last point back, and returns how long the comparison took.
func (t tool) restore(ctx context.Context, target string) (m measurement, compared float64, err error) {
	m, out, err := t.run(ctx, "restore", "--target", target, "--identity", filepath.Join(t.dir, "operator.key"), "--yes")
	if err != nil {
		return m, 0, err
	}
	// The plan comes first, then the result.
	var result struct {
		Equal   bool
		Sources []struct{ CompareSeconds float64 }
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		if err := decoder.Decode(&result); err != nil {
			break
		}
	}
	if !result.Equal || len(result.Sources) == 0 {
		return m, 0, errors.New("the restore is not equal, or says nothing about it")
	}
	return m, result.Sources[0].CompareSeconds, nil
}
