package starter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// heartbeat is how often a step that still runs says so.
const heartbeat = 15 * time.Second

// console prints what the starter does, a line per step and event.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "testbed: "+format+"\n", args...)
}

// step is one thing that may take long.
type step struct {
	doing string // "build seaweedfs"
	usual string // how long it takes as a rule, where that is worth saying
	log   string // file that the step's output goes to
	try   string // what to do when it fails
}

// run carries the step out, its output going to the step's log, and says when it
// begins, every heartbeat and when it ends.
func (c *console) run(ctx context.Context, s step, do func(ctx context.Context, log io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(s.log), 0o755); err != nil {
		return err
	}
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()

	begin := time.Now()
	if s.usual != "" {
		c.printf("%s (usually %s)", s.doing, s.usual)
	} else {
		c.printf("%s", s.doing)
	}
	stop := c.beat(s, begin)
	err = do(ctx, log)
	stop()
	took := time.Since(begin).Round(100 * time.Millisecond)
	if err != nil {
		return &fault.Error{
			Doing: s.doing,
			Why:   fmt.Sprintf("%v after %s; %s ends with:\n%s", err, took, s.log, tail(s.log, 8)),
			Try:   s.try,
			Err:   err,
		}
	}
	c.printf("%s: done in %s", s.doing, took)
	return nil
}

// beat prints a line each heartbeat until the returned function is called.
func (c *console) beat(s step, begin time.Time) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				c.printf("%s: %s so far; %s", s.doing, time.Since(begin).Round(time.Second), strings.TrimSpace(tail(s.log, 1)))
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

// tail returns the last lines of a file, or nothing where it cannot be read.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
