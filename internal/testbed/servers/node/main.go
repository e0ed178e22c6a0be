// Command node is the first process of the testbed's Kubernetes node. It is
// started in mount, network and process namespaces of its own, and so all that the
// node leaves behind (processes, mounts, bridges, packet filter rules) is gone when
// it ends.
//
//	node PLAN
//
// The plan says what to mount and what to run, as JSON. A process that ends is
// started again after a second: what needs another one goes on trying by that.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// plan is written by the testbed's starter.
type plan struct {
	Mounts    []mount
	Settings  map[string]string // of the kernel, by their path
	Logs      string            // directory
	Processes []process
}

// mount puts a directory where programs look for it. Without a source it is empty
// and in memory.
type mount struct{ Source, Target string }

type process struct {
	Name string
	Path string
	Args []string
}

// again is how long after its end a process is started again.
const again = time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "node: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: node PLAN")
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read %s: %w", os.Args[1], err)
	}
	if err := p.setUp(); err != nil {
		return err
	}
	return p.supervise()
}

// setUp gives the node a view of its own of the host's file system.
func (p *plan) setUp() error {
	// Nothing that is mounted here is seen outside; within, volumes that the kubelet
	// mounts are to be seen by containers.
	for _, propagation := range []uintptr{syscall.MS_PRIVATE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("set the propagation of mounts: %w", err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, m := range p.Mounts {
		var err error
		if m.Source == "" {
			err = syscall.Mount("tmpfs", m.Target, "tmpfs", 0, "mode=0755")
		} else {
			err = syscall.Mount(m.Source, m.Target, "", syscall.MS_BIND|syscall.MS_REC, "")
		}
		if err != nil {
			return fmt.Errorf("mount %q at %s: %w", m.Source, m.Target, err)
		}
	}
	for path, value := range p.Settings {
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// supervise runs the processes until the node is told to end. As the first process
// of its namespace it is also the parent of whoever lost theirs.
func (p *plan) supervise() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)

	due, running := make(chan int, len(p.Processes)), map[int]int{} // process by its id
	for i := range p.Processes {
		due <- i
	}
	for {
		select {
		case <-stop:
			return nil // the kernel kills the rest of the namespace
		case i := <-due:
			id, err := p.start(p.Processes[i])
			if err != nil {
				return err
			}
			running[id] = i
		case <-children:
			for _, id := range ended() {
				if i, ours := running[id]; ours {
					delete(running, id)
					time.AfterFunc(again, func() { due <- i })
				}
			}
		}
	}
}

// start starts a process, whose output is appended to its log.
func (p *plan) start(s process) (id int, err error) {
	log, err := os.OpenFile(filepath.Join(p.Logs, s.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	id, err = syscall.ForkExec(s.Path, slices.Concat([]string{s.Path}, s.Args), &syscall.ProcAttr{
		Dir: "/",
		// Not the environment of this process: by that the starter knows it.
		Env:   []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"},
		Files: []uintptr{0, log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return id, nil
}

// ended returns the ids of all children that have ended.
func ended() (ids []int) {
	for {
		id, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err != nil || id <= 0 {
			return ids
		}
		ids = append(ids, id)
	}
}
