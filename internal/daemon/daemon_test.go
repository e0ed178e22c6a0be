package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// world is a repository that daemons of one instance share, and what their jobs did.
// Its clock begins at midnight, 1 January 2000.
type world struct {
	t      *testing.T
	memory *repotest.Memory
	ledger *repository.ScheduleLog

	mu   sync.Mutex
	runs []string // "day hour:minute what"
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, memory: repotest.NewMemory()}
	w.ledger = &repository.ScheduleLog{Store: w.memory, Repo: repotest.Over(t, w.memory).Open(t), Instance: repotest.Instance}
	return w
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = append(w.runs, time.Now().UTC().Format("2 15:04 ")+fmt.Sprintf(format, args...))
}

// daemon makes one that runs schedules and elects by the repository.
func (w *world) daemon(schedules ...daemon.Schedule) *daemon.Daemon {
	elector := daemon.LeaseElector{Store: w.memory, Instance: repotest.Instance, Length: time.Minute}
	d := daemon.New(elector, w.ledger, slog.New(slog.DiscardHandler), daemon.NewMetrics(prometheus.NewRegistry()), new(daemon.Health))
	d.Schedule(schedules)
	return d
}

// start runs a daemon until stop is called, which waits for its end.
func start(t *testing.T, d *daemon.Daemon) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// require compares what was done.
func (w *world) require(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.runs, want) {
		w.t.Errorf("done %q\nwant %q", w.runs, want)
	}
}

// last is the newest record of a schedule.
func (w *world) last(schedule string) *repository.ScheduleRun {
	w.t.Helper()
	run, err := w.ledger.Last(w.t.Context(), schedule)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// schedule is one whose job takes a while.
func (w *world) schedule(name, cron string, takes time.Duration) daemon.Schedule {
	w.t.Helper()
	table, err := timetable.Parse(cron)
	if err != nil {
		w.t.Fatal(err)
	}
	return daemon.Schedule{Name: name, Timetable: table, Definition: cron, Job: func(ctx context.Context) error {
		w.note("%s", name)
		select {
		case <-ctx.Done():
			w.note("%s stopped", name)
			return context.Cause(ctx)
		case <-time.After(takes):
			return nil
		}
	}}
}

func TestRunsWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := start(t, w.daemon(w.schedule("nightly", "CRON_TZ=Asia/Shanghai 0 2 * * *", time.Hour), w.schedule("weekly", "0 5 * * 0", time.Hour)))
		time.Sleep(48 * time.Hour)
		stop()
		w.require("1 18:00 nightly", "2 05:00 weekly", "2 18:00 nightly")
		due := time.Date(2000, 1, 2, 18, 0, 0, 0, time.UTC)
		want := &repository.ScheduleRun{Schedule: "nightly", Number: 3, Due: due, Started: due, Ended: due.Add(time.Hour), Attempts: 1, Result: "ok"}
		if diff := cmp.Diff(want, w.last("nightly"), cmpopts.IgnoreFields(repository.ScheduleRun{}, "Kind", "Format", "Repository", "Instance")); diff != "" {
			t.Errorf("noted (-want +got):\n%s", diff)
		}
	})
}

// What was due while no daemon was there is made up for, once, where that is wanted.
func TestCatchUp(t *testing.T) {
	for name, tt := range map[string]struct {
		catchUp bool
		want    []string
		missed  int
	}{
		"once": {true, []string{"1 01:00 a", "1 09:30 a", "1 10:00 a"}, 7},
		"none": {false, []string{"1 01:00 a", "1 10:00 a"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.schedule("a", "@hourly", time.Minute)
				s.CatchUp = tt.catchUp
				stop := start(t, w.daemon(s))
				time.Sleep(90 * time.Minute)
				stop()
				time.Sleep(8 * time.Hour)
				stop = start(t, w.daemon(s))
				time.Sleep(10 * time.Minute)
				missed := 0
				if run := w.last("a"); run.Number == 3 {
					missed = run.Missed
				}
				time.Sleep(25 * time.Minute)
				stop()
				w.require(tt.want...)
				if !tt.catchUp {
					missed = w.last("a").Missed
				}
				if missed != tt.missed {
					t.Errorf("%d are noted as missed, want %d", missed, tt.missed)
				}
			})
		})
	}
}

// What comes due while the run before is going on is left out, or done right after it.
func TestOverrun(t *testing.T) {
	for name, tt := range map[string]struct {
		queue        bool
		want         []string
		late, passed int // in seven hours
	}{
		"skip":  {false, []string{"1 01:00 a", "1 04:00 a"}, 0, 4},
		"queue": {true, []string{"1 01:00 a", "1 03:30 a"}, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.schedule("a", "@hourly", 150*time.Minute)
				s.Queue = tt.queue
				d, registry := w.daemon(s), prometheus.NewRegistry()
				d.Metrics = daemon.NewMetrics(registry)
				stop := start(t, d)
				time.Sleep(7 * time.Hour)
				_, metrics := get(t, daemon.Handler(d.Health, registry), "/metrics", "")
				for _, want := range []string{
					fmt.Sprintf(`openim_dr_schedule_late_total{schedule="a",why="overrun"} %d`+"\n", tt.late), `openim_dr_schedule_late_total{schedule="a",why="missed"} 0`,
					fmt.Sprintf(`openim_dr_schedule_passed_total{schedule="a",why="overrun"} %d`+"\n", tt.passed),
				} {
					if !strings.Contains(metrics, want) {
						t.Errorf("there is no %s in\n%s", want, metrics)
					}
				}
				stop()
				w.mu.Lock()
				w.runs = w.runs[:2]
				w.mu.Unlock()
				w.require(tt.want...)
				if run := w.last("a"); run.Overrun == 0 || run.Missed != 0 {
					t.Errorf("noted %+v", run)
				}
			})
		})
	}
}

// A run begins somewhat later than it is due, by chance, and never earlier or too late.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.schedule("a", "@hourly", 0)
		s.Jitter = 10 * time.Minute
		late := map[time.Duration]bool{}
		s.Job = func(context.Context) error {
			after := time.Since(time.Now().Truncate(time.Hour))
			if late[after] = true; after >= s.Jitter {
				t.Errorf("a run begins %s after it is due", after)
			}
			return nil
		}
		stop := start(t, w.daemon(s))
		time.Sleep(24 * time.Hour)
		stop()
		if run := w.last("a"); len(late) < 20 || !run.Due.Equal(run.Due.Truncate(time.Hour)) {
			t.Errorf("23 runs began at %d different times, and the last is noted as due at %s", len(late), run.Due)
		}
	})
}

// Every line of a run, and its job, know which run it is.
func TestRunsHaveIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log bytes.Buffer
		var ids []string
		s := w.schedule("a", "@hourly", 0)
		s.RetryFor = 30 * time.Minute
		s.Job = func(ctx context.Context) error {
			if ids = append(ids, daemon.RunID(ctx)); len(ids) == 1 {
				return fault.New(fault.Failed, "ask", "no answer")
			}
			return nil
		}
		d := w.daemon(s)
		d.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		stop := start(t, d)
		time.Sleep(150 * time.Minute)
		stop()
		if len(ids) != 3 || len(ids[0]) != 8 || ids[1] != ids[0] || ids[2] == ids[0] {
			t.Errorf("an attempt, another one and another run are called %q", ids)
		}
		said := map[string][]string{}
		for decoder := json.NewDecoder(&log); ; {
			var line struct{ Msg, Schedule, Run string }
			if decoder.Decode(&line) != nil {
				break
			}
			if line.Schedule != "" {
				said[line.Run] = append(said[line.Run], strings.TrimPrefix(line.Msg, "schedule: "))
			}
		}
		want := map[string][]string{
			ids[0]: {"run begins", "run failed, and is tried again", "run begins", "run ended well", "run is noted"}, ids[2]: {"run begins", "run ended well", "run is noted"},
		}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("lines by the run (-want +got):\n%s", diff)
		}
	})
}

// A run that failed is tried again, later each time, for as long as that may help and
// the next one is not due.
func TestRetry(t *testing.T) {
	unreachable := fault.New(fault.Failed, "ask", "no answer")
	tests := map[string]struct {
		failures []error
		window   time.Duration
		want     []string
		result   string
		attempts int
	}{
		"succeeds in the end":   {[]error{unreachable, fault.New(fault.Busy, "wait", "x"), unreachable, nil}, time.Hour, []string{"1 01:00 a", "1 01:01 a", "1 01:03 a", "1 01:07 a"}, "ok", 4},
		"fails for too long":    {[]error{unreachable, unreachable, unreachable}, 5 * time.Minute, []string{"1 01:00 a", "1 01:01 a", "1 01:03 a"}, "failed", 3},
		"no retries":            {[]error{unreachable}, 0, []string{"1 01:00 a"}, "failed", 1},
		"until the next is due": {[]error{unreachable, unreachable, unreachable, unreachable, unreachable, unreachable, unreachable}, 5 * time.Hour, []string{"1 01:00 a", "1 01:01 a", "1 01:03 a", "1 01:07 a", "1 01:15 a", "1 01:30 a", "1 01:45 a"}, "failed", 7},
		"wrong configuration":   {[]error{fault.New(fault.Usage, "log in", "x")}, time.Hour, []string{"1 01:00 a"}, "usage", 1},
		"refused":               {[]error{fault.New(fault.Refused, "mirror", "x")}, time.Hour, []string{"1 01:00 a"}, "refused", 1},
		"damaged":               {[]error{errors.Join(unreachable, fault.New(fault.Corrupt, "read", "x"))}, time.Hour, []string{"1 01:00 a"}, "corrupt", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.schedule("a", "0 1,2 * * *", 0)
				s.RetryFor = tt.window
				attempt := 0
				s.Job = func(context.Context) error {
					w.note("a")
					attempt++
					return tt.failures[attempt-1]
				}
				stop := start(t, w.daemon(s))
				time.Sleep(2*time.Hour - time.Second)
				stop()
				w.require(tt.want...)
				if run := w.last("a"); run.Result != tt.result || run.Attempts != tt.attempts {
					t.Errorf("noted %+v, want %s after %d attempts", run, tt.result, tt.attempts)
				}
			})
		})
	}
}

// A daemon that is stopped stops its jobs and waits for them. What it did not end
// counts as not done.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.schedule("a", "@hourly", 30*time.Minute)
		s.CatchUp, s.RetryFor = true, time.Hour
		var log bytes.Buffer
		d := w.daemon(s)
		d.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		stop := start(t, d)
		time.Sleep(70 * time.Minute)
		stop()
		w.require("1 01:00 a", "1 01:10 a stopped")
		if said := log.String(); !strings.Contains(said, "schedule: run was stopped") || strings.Contains(said, "ERROR") {
			t.Errorf("a stop is no failure; it was logged as\n%s", said)
		}
		if run := w.last("a"); run.Result != repository.ScheduleNew {
			t.Errorf("noted %+v", run)
		}
	})
}

// Two daemons never run the same thing twice: one leads, and the other one takes over
// where that one has ended, well or not.
func TestOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		schedule := func(daemon string) daemon.Schedule {
			s := w.schedule("a", "@hourly", 10*time.Minute)
			job := s.Job
			s.Job = func(ctx context.Context) error {
				w.note("by %s", daemon)
				return job(ctx)
			}
			return s
		}
		stopFirst := start(t, w.daemon(schedule("first")))
		time.Sleep(time.Second)
		stopSecond := start(t, w.daemon(schedule("second")))
		time.Sleep(90 * time.Minute)
		w.require("1 01:00 by first", "1 01:00 a")
		stopFirst()
		time.Sleep(time.Hour)
		stopSecond()
		w.require("1 01:00 by first", "1 01:00 a", "1 02:00 by second", "1 02:00 a")
	})
}

// lost is an elector whose lead is lost at some time.
type lost struct{ after time.Duration }

func (l lost) Lead(ctx context.Context, work func(context.Context)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.after, repository.ErrLeaseLost)
	defer cancel()
	work(ctx)
	return context.Cause(ctx)
}

// Who loses the lead stops what it was doing before it asks to lead again.
func TestLostLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.schedule("a", "0 * * * *", 30*time.Minute)
		s.CatchUp = true
		d := w.daemon(s)
		d.Elector = lost{70 * time.Minute}
		stop := start(t, d)
		time.Sleep(2*time.Hour - time.Second)
		stop()
		w.require("1 01:00 a", "1 01:10 a stopped", "1 01:10 a")
		if problems := d.Health.Problems(); len(problems) != 0 {
			t.Errorf("it leads again, and says %q", problems)
		}
	})
}

// A change of schedules leaves the others alone, and lets end what is running.
func TestScheduleChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.daemon(w.schedule("a", "0 * * * *", 40*time.Minute), w.schedule("b", "0 * * * *", 40*time.Minute), w.schedule("c", "0 * * * *", 40*time.Minute))
		stop := start(t, d)
		time.Sleep(70 * time.Minute)
		d.Schedule([]daemon.Schedule{w.schedule("a", "0 * * * *", 40*time.Minute), w.schedule("b", "30 * * * *", time.Minute)})
		time.Sleep(70 * time.Minute) // 02:20
		d.Schedule([]daemon.Schedule{w.schedule("a", "0 * * * *", 40*time.Minute), w.schedule("b", "30 * * * *", time.Minute), w.schedule("c", "0 * * * *", time.Minute)})
		time.Sleep(50 * time.Minute)
		stop()
		slices.Sort(w.runs)
		w.require("1 01:00 a", "1 01:00 b", "1 01:00 c", "1 02:00 a", "1 02:30 b", "1 03:00 a", "1 03:00 c", "1 03:10 a stopped")
		for _, name := range []string{"b", "c"} {
			if run := w.last(name); run.Result != "ok" {
				t.Errorf("noted of %s: %+v", name, run)
			}
		}
	})
}

// Draining begins nothing more, and ends nothing early.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.daemon(w.schedule("a", "0 * * * *", 90*time.Minute), w.schedule("b", "30 * * * *", time.Minute))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.Run(t.Context())
		}()
		time.Sleep(70 * time.Minute)
		d.Drain()
		<-ended
		w.note("ended")
		w.require("1 00:30 b", "1 01:00 a", "1 02:30 ended")
		if run := w.last("a"); run == nil || run.Result != "ok" {
			t.Errorf("noted %+v", run)
		}
	})
}

// A record from the future is one of a clock that was wrong, and keeps nobody from
// working.
func TestRecordFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.ledger.Append(t.Context(), repository.ScheduleRun{Schedule: "a", Number: 4, Due: time.Now().AddDate(50, 0, 0), Result: "ok"}); err != nil {
			t.Fatal(err)
		}
		s := w.schedule("a", "@hourly", time.Minute)
		s.CatchUp = true
		stop := start(t, w.daemon(s))
		time.Sleep(90 * time.Minute)
		stop()
		w.require("1 01:00 a")
		if run := w.last("a"); run.Number != 5 {
			t.Errorf("noted %+v", run)
		}
	})
}
