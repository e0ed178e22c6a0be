package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// idleTime holds two looks at everything, and what else a daemon does again and again.
	idleTime = 11 * time.Minute

	idleCPU    = 0.5 // per cent of one core
	idleMemory = 40  // MiB

	// clockTicks is how Linux counts the time of processors for everybody, whatever it
	// does inside (proc(5), USER_HZ).
	clockTicks = 100
)

const idleConfig = `sources:
- {name: main, kind: mysql, address: "%s", user: %s, password: "env:MYSQL_PASSWORD", schemas: ["*"]}
- {name: media, kind: buckets, endpoint: "%s", accessKey: "env:S3_ACCESS_KEY", secretKey: "env:S3_SECRET_KEY", buckets: [%s]}
- {name: cluster, kind: kubernetes, kubeconfig: %s, namespaces: [default]}
objectives: {rpo: 1h, rto: 30m}
schedules:
- {name: nightly, cron: "0 2 29 2 *", sources: [main, media, cluster]}
- {name: hourly, cron: "7 * 29 2 *", sources: [main]}
- {name: check, cron: "0 7 29 2 *", check: 1/30}
`

// benchIdle leaves a daemon alone that has a source of each kind and nothing to do.
func benchIdle(ctx context.Context, o options) (_ []result, err error) {
	env, err := readEnv(o.env)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.out, "idle")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	secrets := []string{"MYSQL_PASSWORD=" + env["MYSQL_PASSWORD"], "S3_ACCESS_KEY=" + env["S3_ACCESS_KEY"], "S3_SECRET_KEY=" + env["S3_SECRET_KEY"]}
	config := fmt.Sprintf(idleConfig, env["MYSQL_ADDRESS"], env["MYSQL_USER"], env["S3_ENDPOINT"], env["S3_BUCKET"], env["KUBECONFIG"])
	t, err := newTool(ctx, o.binary, dir, filepath.Join(dir, "repository"), config, secrets...)
	if err != nil {
		return nil, err
	}
	if _, _, err := t.run(ctx, "init"); err != nil {
		return nil, err
	}
	daemon := exec.CommandContext(ctx, t.program, "run", "--config", t.config, "--http", "127.0.0.1:0")
	daemon.Env = append(os.Environ(), t.env...)
	log, err := daemon.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := daemon.Start(); err != nil {
		return nil, err
	}
	cpu, resident, watched := watchIdle(ctx, daemon.Process.Pid, log)
	if err := errors.Join(watched, daemon.Process.Signal(syscall.SIGTERM), daemon.Wait()); err != nil {
		return nil, err
	}
	return []result{
		{Name: "daemon.idle.cpu", Unit: "%", Ours: cpu, Limit: idleCPU, Note: fmt.Sprintf("of one core, over %s", idleTime)},
		{Name: "daemon.idle.memory", Unit: "MiB", Ours: resident, Limit: idleMemory, Note: "in the end"},
	}, nil
}

// watchIdle waits until a daemon has come up, and then for as long as it is watched. It
// returns how much of a core it took meanwhile, in per cent, and how many MiB it has in
// memory in the end.
func watchIdle(ctx context.Context, pid int, log io.Reader) (cpu, resident float64, err error) {
	lines, up := bufio.NewScanner(log), false
	for !up && lines.Scan() {
		up = strings.Contains(lines.Text(), "how things stand has changed")
	}
	if !up {
		return 0, 0, errors.New("the daemon has not come up: " + lines.Text())
	}
	before, err := cpuOf(pid)
	if err != nil {
		return 0, 0, err
	}
	fmt.Printf("idle: a daemon is watched for %s\n", idleTime)
	began := time.Now()
	select {
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	case <-time.After(idleTime):
	}
	after, err := cpuOf(pid)
	if err != nil {
		return 0, 0, err
	}
	resident, err = residentOf(pid)
	return 100 * (after - before) / time.Since(began).Seconds(), resident, err
}

// cpuOf is how long a process has had a processor, in seconds.
func cpuOf(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name of the program, in parentheses, may hold anything. Fields 14 and 15 of
	// all are the 12th and 13th after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("the kernel does not say how long the daemon has run")
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTicks, errors.Join(err1, err2)
}

// residentOf is how much a process has in memory, in MiB.
func residentOf(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the kernel does not say what the daemon has in memory")
}
