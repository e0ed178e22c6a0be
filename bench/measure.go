package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// measurement is one run of one command.
type measurement struct {
	elapsed time.Duration
	memory  int64 // most that a process of ours had resident, bytes
	bytes   int64 // written
}

// command runs a program and returns how long it took, and what it printed.
func command(ctx context.Context, env []string, program string, args ...string) (m measurement, stdout []byte, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err = cmd.Run()
	m.elapsed = time.Since(began)
	if err != nil {
		return m, nil, fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(program), strings.Join(args, " "), err, &out, &errs)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.memory = usage.Maxrss << 10 // Linux counts in KiB
	}
	return m, out.Bytes(), nil
}

// shell runs a script with the host's sh.
func shell(ctx context.Context, script string) (measurement, error) {
	m, _, err := command(ctx, nil, "bash", "-o", "pipefail", "-euc", script)
	return m, err
}

// docker runs the docker client.
func docker(ctx context.Context, env []string, args ...string) (string, error) {
	_, out, err := command(ctx, env, "docker", args...)
	return strings.TrimSpace(string(out)), err
}

// sizeOf adds up the files below a path.
func sizeOf(path string) (size int64, err error) {
	err = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// settle writes what earlier runs have left in the page cache, so that it does
// not count for the next one.
func settle(ctx context.Context) error {
	_, err := shell(ctx, "sync")
	return err
}

var errNotThere = errors.New("is not in the testbed's environment")

// readEnv reads NAME=value lines.
func readEnv(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the testbed is not running (make testbed): %w", err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = value
		}
	}
	return values, nil
}
