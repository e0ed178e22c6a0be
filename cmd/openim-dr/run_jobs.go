package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/daemon"
)

// schedules are those of a configuration, as the daemon wants them.
func (a *app) schedules(c *config.Config) []daemon.Schedule {
	all := make([]daemon.Schedule, 0, len(c.Schedules))
	for _, s := range c.Schedules {
		all = append(all, daemon.Schedule{
			Name: s.Name, Timetable: s.Cron, Definition: definition(c, s), CatchUp: s.CatchUp != "none", Queue: s.Overrun == "queue",
			Jitter: s.Jitter.Duration(), RetryFor: s.RetryFor.Duration(), Job: a.job(c, s),
		})
	}
	return all
}

// definition changes whenever a run of the schedule would be another one. Jobs read
// all of the configuration, and so that is all of it.
func definition(c *config.Config, s config.Schedule) string {
	rest := *c
	rest.Schedules = nil
	data, err := json.Marshal([]any{rest, s, s.Cron.String()})
	if err != nil {
		panic(fmt.Sprintf("a configuration cannot be written as JSON: %v", err)) // a defect of this program
	}
	return string(data)
}

// job does what a schedule is for, by the verb of that name.
func (a *app) job(c *config.Config, s config.Schedule) daemon.Job {
	return func(ctx context.Context) error {
		w, job := a.worker(c, s.Name), a.activity.Begin(s.Name)
		w.log, w.also = w.log.With("run", daemon.RunID(ctx)), job
		err := orStopped(ctx, "run", w.do(ctx, s), "it counts as not done")
		job.End(daemon.ResultOf(err))
		if errors.Is(err, errIncomplete) {
			return daemon.Final(err) // there is a point, and another one would lack the same
		}
		return err
	}
}

func (a *app) do(ctx context.Context, s config.Schedule) error {
	switch {
	case s.Verify != "":
		return a.verify(ctx, nil, verifyFlags{unproven: s.Verify == "unproven", rotation: s.Verify == "rotation"})
	case s.Prune:
		return a.prune(ctx, pruneFlags{yes: true})
	case s.Copy != "":
		return a.copy(ctx, nil, copyFlags{to: s.Copy})
	case s.Check != "":
		return a.check(ctx, "", checkFlags{readData: strings.TrimPrefix(s.Check, "listing")})
	default:
		return a.backup(ctx, backupFlags{sources: s.Sources, stream: s.Name})
	}
}

// worker runs a verb beside others: what it finds goes to the log and into the
// repository, and not to the output.
func (a *app) worker(c *config.Config, schedule string) *app {
	return &app{
		common: a.common, stdin: strings.NewReader(""), out: newPrinter(io.Discard, io.Discard), console: a.console,
		log: a.log.With("schedule", schedule), wrap: a.wrap, given: c, background: true,
	}
}
