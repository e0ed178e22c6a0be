package starter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// docker runs the docker client and returns what it printed.
func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (tb *Testbed) engineAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := docker(ctx, "version", "--format", "{{.Server.Version}}")
	return err == nil
}

// startEngine starts the installed Docker engine and waits until it answers. The
// engine is the machine's, not the testbed's: Down leaves it alone.
func (tb *Testbed) startEngine(ctx context.Context) error {
	unlock, err := lockFile(ctx, filepath.Join(tb.cache.dir, "locks", "engine"))
	if err != nil {
		return err
	}
	defer unlock()
	if tb.engineAnswers(ctx) {
		return nil // another checkout's starter was faster
	}
	log := tb.cache.log("dockerd")
	s := step{doing: "start the Docker engine", log: log, try: "start dockerd by hand (as root), then again"}
	return tb.console.run(ctx, s, func(ctx context.Context, _ io.Writer) error {
		if os.Geteuid() != 0 {
			return errors.New("no engine answers and only root can start one")
		}
		if _, err := os.Stat("/run/systemd/system"); err == nil {
			return run(ctx, io.Discard, "systemctl", "start", "docker")
		}
		if err := removeStalePID("/var/run/docker.pid"); err != nil {
			return err
		}
		return tb.launchEngine(ctx, log)
	})
}

// removeStalePID removes the pid file of an engine that was killed. The engine
// refuses to start while a process has that id, even one that is something else.
func removeStalePID(path string) error {
	pid, err := os.ReadFile(path)
	if err != nil {
		return nil // no file is what is wanted
	}
	name, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/comm")
	if err == nil && strings.TrimSpace(string(name)) == "dockerd" {
		return nil
	}
	return remove(path)
}

func (tb *Testbed) launchEngine(ctx context.Context, log string) error {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.Command("dockerd")
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // that it ended is what counts
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 200*time.Millisecond, func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("dockerd ended")
		default:
			return tb.engineAnswers(ctx), nil
		}
	})
}

// removeContainers removes every container of the checkout with its volumes.
func (tb *Testbed) removeContainers(ctx context.Context) error {
	if !installed("docker") || !tb.engineAnswers(ctx) {
		return nil // no engine, no containers
	}
	ids, err := docker(ctx, "ps", "-aq", "--filter", "label="+Label+"="+tb.id)
	if err != nil || ids == "" {
		return err
	}
	_, err = docker(ctx, append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
	return err
}
