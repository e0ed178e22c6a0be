package main

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// scheduleRuns reads how the schedules of a configuration were run last.
func scheduleRuns(ctx context.Context, c *config.Config, log *repository.ScheduleLog) (map[string]*repository.ScheduleRun, error) {
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
