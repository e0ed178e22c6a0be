package starter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// marker is the environment variable by which a server's process is found again:
// its value is the checkout's id, the server's name and a hash of its command.
// A record of process ids would outlive a killed starter, a reboot or both.
const marker = "OPENIM_DR_TESTBED"

// process is a server that runs on the host, apart from the starter.
type process struct {
	name string
	path string
	args []string
	env  []string // NAME=value, for what must not stand in its arguments
	dir  string   // working directory
	log  string
	// namespaces are flags of clone(2): those that it has of its own.
	namespaces uintptr
}

func (tb *Testbed) mark(p process) string {
	return strings.Join([]string{tb.id, p.name, recipe(append([]string{p.path}, p.args...)...)}, ":")
}

// launch starts a process in a session of its own, so that it outlives the
// starter and whatever ends the starter's process group.
func (tb *Testbed) launch(p process) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	// The log of the run before is kept: it may tell why that ended.
	if err := os.Rename(p.log, p.log+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: p.namespaces}
	// Servers get nothing of the caller's environment that could change what
	// they do: proxies, credentials, certificate bundles.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, marker + "=" + tb.mark(p)}, p.env...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // only reaps the process, should it end before the starter does
	return nil
}

// running returns the ids of the checkout's processes: of one server, or of all
// where name is empty.
// marks are the values of their markers.
func (tb *Testbed) running(name string) (pids []int, marks []string) {
	want := []byte(marker + "=" + tb.id + ":")
	if name != "" {
		want = append(want, name+":"...)
	}
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, nil
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile, or another user's
		}
		for _, variable := range bytes.Split(data, []byte{0}) {
			if !bytes.HasPrefix(variable, want) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil {
				pids = append(pids, pid)
				marks = append(marks, string(variable[len(marker)+1:]))
			}
		}
	}
	return pids, marks
}

// runs says whether exactly this process runs: this command and no second one.
func (tb *Testbed) runs(p process) bool {
	_, marks := tb.running(p.name)
	return len(marks) == 1 && marks[0] == tb.mark(p)
}

// service is a process together with what it needs from the starter.
type service struct {
	ports   []string // purposes of the ports that its command names
	command func() process
	ready   func(ctx context.Context) error
}

// serve sees to it that a service runs by its command and can be used.
func (tb *Testbed) serve(ctx context.Context, s service) error {
	if p := s.command(); tb.runs(p) && tb.await(ctx, p, s.ready, 10*time.Second) == nil {
		return nil
	}
	const attempts = 3 // another process may take a port between choice and use
	var err error
	for range attempts {
		if err := tb.stop(ctx, s.command().name); err != nil {
			return err
		}
		tb.forgetPorts(s.ports...)
		p := s.command()
		if err := tb.save(); err != nil {
			return err
		}
		if err := tb.launch(p); err != nil {
			return err
		}
		if err = tb.await(ctx, p, s.ready, time.Minute); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// await waits until a process can be used.
func (tb *Testbed) await(ctx context.Context, p process, ready func(ctx context.Context) error, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	err := poll(ctx, 100*time.Millisecond, func() (bool, error) {
		if !tb.runs(p) {
			return false, fmt.Errorf("%s ended: %s", p.name, tail(p.log, 3))
		}
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		last = ready(attempt)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait for %s: %w", p.name, err), last)
	}
	return nil
}

// stop ends a server's processes, or all of the checkout's where name is empty:
// politely first, then not.
func (tb *Testbed) stop(ctx context.Context, name string) error {
	gone := func() (bool, error) {
		pids, _ := tb.running(name)
		return len(pids) == 0, nil
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pids, _ := tb.running(name)
		for _, pid := range pids {
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop process %d: %w", pid, err)
			}
		}
		wait, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := poll(wait, 50*time.Millisecond, gone)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("stop %q of testbed %s: processes are still there", name, tb.id)
}
