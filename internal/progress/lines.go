package progress

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Lines reports through a log: one line per task under way and interval. It
// is what is shown where there is no terminal.
type Lines struct {
	log  *slog.Logger
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	tasks []*lineTask
}

// NewLines begins to report. The caller calls Close.
func NewLines(log *slog.Logger, interval time.Duration) *Lines {
	l := &Lines{log: log, stop: make(chan struct{}), done: make(chan struct{})}
	go l.run(interval)
	return l
}

func (l *Lines) run(interval time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			l.report(now)
		}
	}
}

func (l *Lines) report(now time.Time) {
	l.mu.Lock()
	tasks := slices.Clone(l.tasks)
	l.mu.Unlock()
	for _, t := range tasks {
		t.report(now)
	}
}

// Close ends reporting and waits until it has ended.
func (l *Lines) Close() {
	close(l.stop)
	<-l.done
}

// Task implements Reporter.
func (l *Lines) Task(name string, unit Unit, total int64) Task {
	t := &lineTask{counter: newCounter(unit, total, time.Now()), lines: l, name: name}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
	return t
}

type lineTask struct {
	*counter
	lines *Lines
	name  string
}

func (t *lineTask) report(now time.Time) {
	attrs := []any{"task", t.name, "done", t.counted(), "rate", t.speed(now)}
	if left, ok := t.remaining(now); ok {
		attrs = append(attrs, "remaining", left.String())
	}
	t.lines.log.Info("progress", attrs...)
}

func (t *lineTask) Add(n int64)          { t.done.Add(n) }
func (t *lineTask) SetTotal(total int64) { t.total.Store(total) }

func (t *lineTask) Done() {
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	t.lines.tasks = slices.DeleteFunc(t.lines.tasks, func(other *lineTask) bool { return other == t })
}
