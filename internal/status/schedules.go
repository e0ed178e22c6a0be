package status

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// schedules judges the last run of each schedule, and whether anybody runs it.
func (j *judging) schedules() {
	j.status.Schedules = []Schedule{}
	for _, s := range j.config.Schedules {
		status := Schedule{Schedule: s.Name, Cron: s.Cron.String(), Next: s.Cron.Next(j.now)}
		switch run := j.places[0].Runs[s.Name]; {
		case run == nil || run.Due.IsZero():
			j.say(Warning, ScheduleUnseen, s.Name, "no daemon has ever seen schedule %s: openim-dr run", s.Name)
		case run.Result == repository.ScheduleNew:
			j.overdue(s, run.Due)
		default:
			status.Due, status.Ended, status.Attempts, status.Result = &run.Due, &run.Ended, run.Attempts, run.Result
			if run.Result != repository.ScheduleOK {
				j.say(Warning, ScheduleFailed, s.Name, "the last run of schedule %s, due at %s, has failed (%s)", s.Name, quantity.UTC(run.Due), run.Result)
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
		j.say(Warning, ScheduleMissed, s.Name, "schedule %s has had no run since it was due at %s", s.Name, quantity.UTC(first))
	}
}
