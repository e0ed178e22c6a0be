package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

const (
	wideCount = 12
	wideSize  = 64 << 20
	// wideLimit is that of every other table and four rows, in MiB.
	wideLimit = memoryLimit + 4*wideSize>>20
)

// benchMemory looks at memory alone, with ten times the rows of the other
// measurements.
func benchMemory(ctx context.Context, o options) ([]result, error) {
	o.size.Rows *= 10
	return withMySQL(ctx, o, func(b *mysqlBench, ctx context.Context) ([]result, error) {
		fmt.Println("mysql: backup and restore")
		backup, err := b.tool.backup(ctx)
		if err != nil {
			return nil, err
		}
		restore, _, err := b.tool.restore(ctx, "--target", "target")
		if err != nil {
			return nil, err
		}
		r := peak("mysql.memory-ten-times", memoryLimit, []measurement{backup, restore})
		r.Note = fmt.Sprintf("%d rows; backup %.0f s, restore %.0f s", o.size.Rows, backup.elapsed.Seconds(), restore.elapsed.Seconds())
		return []result{r}, nil
	})
}

// wideRows backs up and restores rows of 64 MB of random bytes.
func (b *mysqlBench) wideRows(ctx context.Context) (r result, err error) {
	fmt.Println("mysql: rows of 64 MB")
	if err := errors.Join(b.source.dropAll(ctx), b.target.dropAll(ctx)); err != nil {
		return r, err
	}
	statements := []string{"CREATE DATABASE openIM_v3", "CREATE DATABASE openim_enterprise", "CREATE TABLE openIM_v3.wide (id INT PRIMARY KEY, body LONGBLOB)"}
	for i := range wideCount {
		statements = append(statements, fmt.Sprintf("INSERT INTO openIM_v3.wide SELECT %d, REPEAT(RANDOM_BYTES(1024), %d)", i, wideSize>>10))
	}
	for _, statement := range statements {
		if _, err := b.source.db.ExecContext(ctx, statement); err != nil {
			return r, err
		}
	}
	backup, err := b.tool.backup(ctx)
	if err != nil {
		return r, err
	}
	restore, _, err := b.tool.restore(ctx, "--target", "target")
	if err != nil {
		return r, err
	}
	return peak("mysql.memory-wide-rows", wideLimit, []measurement{backup, restore}), nil
}

// lastWorkers are how much longer the last worker of a dump takes than the
// first, where rows are spread unevenly. It is measured inside the package,
// since a user has no use for the figure.
func lastWorkers(ctx context.Context) ([]result, error) {
	fmt.Println("mysql: the last worker against the first")
	const run = "go test ./internal/mysql -run ^$ -bench LastWorker -benchtime 3x"
	_, out, err := command(ctx, nil, "go", "test", "./internal/mysql", "-run", "^$", "-bench", "LastWorker", "-benchtime", "3x")
	if err != nil {
		return nil, err
	}
	var all []result
	for _, line := range lastWorkerLine.FindAllStringSubmatch(string(out), -1) {
		ratio, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			return nil, err
		}
		all = append(all, result{Name: "mysql.last-worker/" + line[1], Ours: ratio, Unit: "x", Limit: 1.1, Note: run})
	}
	if len(all) != 2 {
		return nil, fmt.Errorf("%s: no result in:\n%s", run, out)
	}
	return all, nil
}

// lastWorkerLine is a line of a Go benchmark: its name, and the metric.
var lastWorkerLine = regexp.MustCompile(`(?m)^BenchmarkLastWorker/(\S+?)(?:-\d+)?\s.*?([\d.]+) last/first`)
