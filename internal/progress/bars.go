package progress

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bars draws one bar per task on a terminal.
type Bars struct {
	bars *mpb.Progress

	mu   sync.Mutex
	open map[*barTask]struct{}
}

// NewBars begins to draw on the terminal behind out. The caller calls Close.
func NewBars(out io.Writer) *Bars {
	return &Bars{
		bars: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithRefreshRate(200*time.Millisecond)),
		open: map[*barTask]struct{}{},
	}
}

// Write prints above the bars, so that log lines do not break them.
func (b *Bars) Write(p []byte) (int, error) { return b.bars.Write(p) }

// Close ends the tasks that are still open and waits for the last drawing.
func (b *Bars) Close() {
	b.mu.Lock()
	left := make([]*barTask, 0, len(b.open))
	for t := range b.open {
		left = append(left, t)
	}
	b.mu.Unlock()
	for _, t := range left {
		t.Done()
	}
	b.bars.Wait()
}

// Task implements Reporter.
func (b *Bars) Task(name string, unit Unit, total int64) Task {
	t := &barTask{counter: newCounter(unit, total, time.Now()), owner: b}
	t.bar = b.bars.AddBar(0, // 0, or the bar would end by itself when it reaches its first total
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.Any(t.state, decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(t.pace, decor.WCSyncSpace)),
	)
	t.SetTotal(total)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[t] = struct{}{}
	return t
}

type barTask struct {
	*counter
	owner *Bars
	bar   *mpb.Bar
}

func (t *barTask) state(decor.Statistics) string { return t.counted() }

func (t *barTask) pace(decor.Statistics) string {
	now := time.Now()
	if left, ok := t.remaining(now); ok {
		return t.speed(now) + ", " + left.String() + " left"
	}
	return t.speed(now)
}

func (t *barTask) Add(n int64) {
	t.done.Add(n)
	t.bar.IncrInt64(n)
}

func (t *barTask) SetTotal(total int64) {
	t.total.Store(total)
	if total > 0 {
		t.bar.SetTotal(total, false)
	}
}

func (t *barTask) Done() {
	t.owner.mu.Lock()
	delete(t.owner.open, t)
	t.owner.mu.Unlock()
	t.bar.SetTotal(-1, true)
}
