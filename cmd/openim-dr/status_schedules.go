package main

import (
	"context"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// scheduleStatus is how a schedule of the configuration fares.
type scheduleStatus struct {
	Schedule string     `json:"schedule"`
	Cron     string     `json:"cron"`
	Next     time.Time  `json:"next"` // when it is due next, by now
	Due      *time.Time `json:"due"`  // when the last run was due; null: there was none
	Ended    *time.Time `json:"ended"`
	Attempts int        `json:"attempts"`
	Result   string     `json:"result"` // of the last run: ok, or the code of the failure
}

// scheduleRuns reads how the schedules of a configuration were run last.
func scheduleRuns(ctx context.Context, c *config.Config, store storage.Storage, repo *repository.Repository) (map[string]*repository.ScheduleRun, error) {
	log := &repository.ScheduleLog{Store: store, Repo: repo, Instance: c.Instance}
	runs := make(map[string]*repository.ScheduleRun, len(c.Schedules))
	for _, s := range c.Schedules {
		run, err := log.Last(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		runs[s.Name] = run
	}
	return runs, nil
}

// schedules judges the last run of each schedule, and whether anybody runs it.
func (j *judging) schedules() {
	j.status.Schedules = []scheduleStatus{}
	for _, s := range j.config.Schedules {
		status := scheduleStatus{Schedule: s.Name, Cron: s.Cron.String(), Next: s.Cron.Next(j.now)}
		switch run := j.places[0].runs[s.Name]; {
		case run == nil || run.Due.IsZero():
			j.say(stateWarning, "no daemon has ever seen schedule %s: openim-dr run", s.Name)
		case run.Result == repository.ScheduleNew:
			j.overdue(s, run.Due)
		default:
			status.Due, status.Ended, status.Attempts, status.Result = &run.Due, &run.Ended, run.Attempts, run.Result
			if run.Result != repository.ScheduleOK {
				j.say(stateWarning, "the last run of schedule %s, due at %s, has failed (%s)", s.Name, utc(run.Due), run.Result)
			}
			j.overdue(s, run.Due)
		}
		j.status.Schedules = append(j.status.Schedules, status)
	}
}

// overdue says so where a schedule has been due twice since its last run. Once may be
// a run that goes on: it is noted when it has ended.
func (j *judging) overdue(s config.Schedule, last time.Time) {
	first := s.Cron.Next(last)
	if second := s.Cron.Next(first); !second.IsZero() && second.Add(s.Jitter.Duration()).Before(j.now) {
		j.say(stateWarning, "schedule %s has had no run since it was due at %s", s.Name, utc(first))
	}
}

func writeSchedules(p *page, s *statusReport) {
	if len(s.Schedules) == 0 {
		return
	}
	rows := make([][]any, 0, len(s.Schedules))
	for _, one := range s.Schedules {
		row := []any{one.Schedule, utc(one.Next), "never", ""}
		if one.Due != nil {
			row[2], row[3] = utc(*one.Ended), one.Result
		}
		rows = append(rows, row)
	}
	p.table([]column{left("schedule"), left("next"), left("last run ended"), left("result")}, rows)
	p.line("")
}
