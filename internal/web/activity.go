package web

import (
	"slices"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
)

// Activity is what runs now. It is safe for concurrent use.
type Activity struct {
	tell func(event)

	mu   sync.Mutex
	jobs []*Job
}

// Job is one job at work. What it reports is shown.
type Job struct {
	progress.Tracker

	activity *Activity
	schedule string
	since    time.Time
}

// Begin notes that a job of a schedule has begun. Whoever calls it calls End.
func (a *Activity) Begin(schedule string) *Job {
	j := &Job{activity: a, schedule: schedule, since: time.Now().UTC().Truncate(time.Second)}
	a.mu.Lock()
	a.jobs = append(a.jobs, j)
	a.mu.Unlock()
	a.tell(newEvent("run", RunEvent{Event: "begin", Schedule: schedule, Since: j.since}))
	return j
}

// End notes that it has ended: ok, or the code of the failure.
func (j *Job) End(result string) {
	a := j.activity
	a.mu.Lock()
	a.jobs = slices.DeleteFunc(a.jobs, func(other *Job) bool { return other == j })
	a.mu.Unlock()
	a.tell(newEvent("run", RunEvent{Event: "end", Schedule: j.schedule, Since: j.since, Result: result}))
}

// running lists the jobs in the order in which they began.
func (a *Activity) running(now time.Time) []Running {
	a.mu.Lock()
	jobs := slices.Clone(a.jobs)
	a.mu.Unlock()
	all := make([]Running, 0, len(jobs))
	for _, j := range jobs {
		all = append(all, Running{j.schedule, j.since, j.Standings(now)})
	}
	return all
}
