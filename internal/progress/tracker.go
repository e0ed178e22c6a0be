package progress

import (
	"slices"
	"sync"
	"time"
)

// Tracker remembers the tasks that are under way, for whoever asks. The zero Tracker is
// ready. It is safe for concurrent use.
type Tracker struct {
	mu    sync.Mutex
	tasks []*trackedTask
}

// Standing is how far a task has come.
type Standing struct {
	Task  string `json:"task"`
	Unit  string `json:"unit"` // bytes, rows or objects
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // 0: not known
	// RemainingSeconds is estimated by the pace so far; null where it is not known.
	RemainingSeconds *float64 `json:"remainingSeconds"`
	// Text is done of total, for people.
	Text string `json:"text"`
}

// Standings are those of the tasks under way, in the order in which they began.
func (t *Tracker) Standings(now time.Time) []Standing {
	t.mu.Lock()
	tasks := slices.Clone(t.tasks)
	t.mu.Unlock()
	standings := make([]Standing, 0, len(tasks))
	for _, task := range tasks {
		standings = append(standings, task.standing(now))
	}
	return standings
}

// Task implements Reporter.
func (t *Tracker) Task(name string, unit Unit, total int64) Task {
	task := &trackedTask{counter: newCounter(unit, total, time.Now()), tracker: t, name: name}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tasks = append(t.tasks, task)
	return task
}

type trackedTask struct {
	*counter
	tracker *Tracker
	name    string
}

func (t *trackedTask) standing(now time.Time) Standing {
	s := Standing{Task: t.name, Unit: t.unit.name(), Done: t.done.Load(), Total: t.total.Load(), Text: t.counted()}
	if left, ok := t.remaining(now); ok {
		seconds := left.Seconds()
		s.RemainingSeconds = &seconds
	}
	return s
}

func (t *trackedTask) Add(n int64)          { t.done.Add(n) }
func (t *trackedTask) SetTotal(total int64) { t.total.Store(total) }

func (t *trackedTask) Done() {
	t.tracker.mu.Lock()
	defer t.tracker.mu.Unlock()
	t.tracker.tasks = slices.DeleteFunc(t.tracker.tasks, func(other *trackedTask) bool { return other == t })
}

// Both reports to two at once.
func Both(a, b Reporter) Reporter { return both{a, b} }

type both struct{ a, b Reporter }

func (r both) Task(name string, unit Unit, total int64) Task {
	return bothTasks{r.a.Task(name, unit, total), r.b.Task(name, unit, total)}
}

type bothTasks struct{ a, b Task }

func (t bothTasks) Add(n int64)          { t.a.Add(n); t.b.Add(n) }
func (t bothTasks) SetTotal(total int64) { t.a.SetTotal(total); t.b.SetTotal(total) }
func (t bothTasks) Done()                { t.a.Done(); t.b.Done() }
