package main

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/openim-dr/openim-dr/internal/progress"
)

// lineInterval is how often progress is logged where there is no terminal.
const lineInterval = 10 * time.Second

// console is stderr, shared by log lines and progress bars.
type console struct {
	stderr   io.Writer
	terminal bool

	mu   sync.Mutex
	bars *progress.Bars // nil while none are drawn
}

func newConsole(stderr io.Writer) *console {
	return &console{stderr: stderr, terminal: isTerminal(stderr)}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Write prints a log line, above the bars where there are some.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bars != nil {
		return c.bars.Write(p)
	}
	return c.stderr.Write(p)
}

// logger logs for people on a terminal and for machines elsewhere.
func (c *console) logger(level slog.Level) *slog.Logger {
	if c.terminal {
		return slog.New(tint.NewTextHandler(c, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewJSONHandler(c, &slog.HandlerOptions{Level: level}))
}

// progress returns where to report, and what to call at the end.
func (a *app) progress() (show progress.Reporter, end func()) {
	show, end = a.shown()
	if a.also != nil {
		show = progress.Both(show, a.also)
	}
	return show, end
}

func (a *app) shown() (show progress.Reporter, end func()) {
	c := a.console
	switch {
	case a.common.noProgress:
		return progress.Discard, func() {}
	case !c.terminal || a.background:
		lines := progress.NewLines(a.log, lineInterval)
		return lines, lines.Close
	}
	return c.draw()
}

// draw begins to draw bars. Log lines wait while the last is drawn.
func (c *console) draw() (show progress.Reporter, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bars := progress.NewBars(c.stderr)
	c.bars = bars
	return bars, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		bars.Close()
		c.bars = nil
	}
}
