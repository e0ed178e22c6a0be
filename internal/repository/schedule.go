package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// schedulesDir: how runs of schedules ended; the highest number is the last one.
const schedulesDir = "schedules/"

// keptScheduleRuns is how many records of each schedule a sweep leaves.
const keptScheduleRuns = 100

// ScheduleRun is how one run of a schedule ended: a numbered series, by which a
// daemon that was away knows what it has missed. It is not signed. Whoever could
// forge one could make a daemon believe that it was on time; how old points are is
// told by the points alone.
type ScheduleRun struct {
	Kind       string `json:"kind"`
	Format     int    `json:"format"`
	Repository string `json:"repository"`
	Instance   string `json:"instance"`
	Schedule   string `json:"schedule"`
	Number     int    `json:"number"`
	// Due is what the timetable says.
	Due     time.Time `json:"due"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Attempts are those that it took, the last one included.
	Attempts int `json:"attempts"`
	// Missed are due times before this one at which nobody was there, and Overrun
	// those at which the run before was still going on.
	Missed  int `json:"missed,omitempty"`
	Overrun int `json:"overrun,omitempty"`
	// Result is "ok", or the code of the failure as in the output of the verbs, or,
	// in the first record, "new": that is no run, and says since when due times count.
	Result string `json:"result"`
}

// Results of ScheduleRun that are no codes of failures.
const (
	ScheduleOK = "ok"
	// ScheduleNew is that of the first record of a schedule, which is no run: it says
	// since when due times count.
	ScheduleNew = "new"
)

// ScheduleLog is where the runs of one instance's schedules are noted. It is safe for
// concurrent use.
type ScheduleLog struct {
	Store    storage.ReadWriter
	Repo     *Repository
	Instance string
}

// scheduleName is that of a series: no escaped name holds an "@".
func scheduleName(instance, schedule string) string {
	return FileName(instance) + "@" + FileName(schedule)
}

func schedulePath(name string, n int) string {
	return schedulesDir + name + "/" + strconv.Itoa(n) + ".json"
}

// Last returns the newest record of a schedule. One that is damaged has a Number and
// nothing else; where there is none it is nil.
func (l *ScheduleLog) Last(ctx context.Context, schedule string) (*ScheduleRun, error) {
	numbers, err := l.numbers(ctx, schedule)
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	return l.read(ctx, schedule, numbers[len(numbers)-1])
}

// Recent returns the newest records of a schedule, at most n of them, the newest first,
// without those that are damaged. What stands in known, newest first, is not read again.
func (l *ScheduleLog) Recent(ctx context.Context, schedule string, n int, known []ScheduleRun) ([]ScheduleRun, error) {
	numbers, err := l.numbers(ctx, schedule)
	if err != nil {
		return nil, err
	}
	var runs []ScheduleRun
	for _, number := range slices.Backward(numbers[max(0, len(numbers)-n):]) {
		if at := slices.IndexFunc(known, func(r ScheduleRun) bool { return r.Number == number }); at >= 0 {
			runs = append(runs, known[at])
			continue
		}
		run, err := l.read(ctx, schedule, number)
		switch {
		case errors.Is(err, storage.ErrNotExist): // swept since it was listed
		case err != nil:
			return nil, err
		case !run.Due.IsZero():
			runs = append(runs, *run)
		}
	}
	return runs, nil
}

// numbers of the records of a schedule, ascending.
func (l *ScheduleLog) numbers(ctx context.Context, schedule string) ([]int, error) {
	numbers, err := series(ctx, l.Store, schedulesDir+scheduleName(l.Instance, schedule)+"/")
	if err != nil {
		return nil, fmt.Errorf("list runs of schedule %s: %w", schedule, err)
	}
	return numbers, nil
}

// read reads one record. One that is damaged has a Number and nothing else.
func (l *ScheduleLog) read(ctx context.Context, schedule string, number int) (*ScheduleRun, error) {
	data, err := storage.Get(ctx, l.Store, schedulePath(scheduleName(l.Instance, schedule), number), maxPlain)
	if err != nil {
		return nil, fmt.Errorf("read run %d of schedule %s: %w", number, schedule, err)
	}
	var run ScheduleRun
	if json.Unmarshal(data, &run) != nil || run.Kind != kindSchedule || run.Repository != l.Repo.record.Repository || run.Schedule != schedule {
		run = ScheduleRun{}
	}
	run.Number = number
	return &run, nil
}

// Append notes a run as the one of its Number. Of two that take the same number one
// gets storage.ErrExist.
func (l *ScheduleLog) Append(ctx context.Context, run ScheduleRun) error {
	run.Kind, run.Format, run.Repository, run.Instance = kindSchedule, Format, l.Repo.record.Repository, l.Instance
	_, err := putPlain(ctx, l.Store, schedulePath(scheduleName(l.Instance, run.Schedule), run.Number), run)
	return err
}

// DaemonLease names the lease of who runs the schedules of an instance. No stream
// has it: an escaped name holds no "@".
func DaemonLease(instance string) string { return FileName(instance) + "@@daemon" }

func findSchedule(rest string) located {
	name, number, _ := strings.Cut(rest, "/")
	n, ok := seriesNumber(number)
	if !ok || !strings.Contains(name, "@") {
		return located{}
	}
	return located{place: placeSchedule, owner: name, number: int64(n)}
}
