package restore

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Quiescer stops what writes to the targets, and starts it again. Stop and
// Release may be repeated, by another process too; before each thing that they
// change they tell note what it is.
type Quiescer interface {
	Plan(ctx context.Context) (*Measure, error)
	Stop(ctx context.Context, restore string, note func(what string) error) error
	Release(ctx context.Context, restore string, note func(what string) error) error
}

// Purger empties caches of what derives from the databases that went back in
// time. It may be repeated.
type Purger interface {
	Plan(ctx context.Context) (*Measure, error)
	Purge(ctx context.Context, note func(what string) error) error
}

// Measure is what a plan says of something around the restore.
type Measure struct {
	Steps    []source.Step
	Checks   []string
	Warnings []string
}

// planAround plans what is done before and after the restore of the sources.
func (p *Plan) planAround(ctx context.Context) error {
	if q := p.request.Quiesce; q != nil {
		m, err := q.Plan(ctx)
		if err != nil {
			return fmt.Errorf("plan to stop what writes: %w", err)
		}
		p.addMeasure("workloads", m)
		p.Steps = append(namedSteps(m.Steps), p.Steps...)
	}
	if c := p.request.Purge; c != nil {
		m, err := c.Plan(ctx)
		if err != nil {
			return fmt.Errorf("plan to purge caches: %w", err)
		}
		p.addMeasure("caches", m)
		p.Steps = append(p.Steps, namedSteps(m.Steps)...)
	}
	return nil
}

func (p *Plan) addMeasure(name string, m *Measure) {
	for _, detail := range m.Checks {
		p.check(name, "", detail)
	}
	p.Warnings = append(p.Warnings, m.Warnings...)
}

func namedSteps(steps []source.Step) []Step {
	all := make([]Step, 0, len(steps))
	for _, s := range steps {
		all = append(all, Step{Step: s})
	}
	return all
}

// noted returns what notes the parts of a step.
func (c *carrier) noted(ctx context.Context, step repository.RestoreStep) func(what string) error {
	return func(what string) error {
		c.request.Log.Info(string(step), "what", what, "restore", c.Restore)
		return c.note(ctx, repository.RestoreRecord{Step: step, State: repository.StateBegun, Detail: what})
	}
}

// stop stops what writes to the targets. What was stopped stays so until the
// comparison has shown everything to be equal.
func (c *carrier) stop(ctx context.Context) error {
	if c.request.Quiesce == nil || c.done(repository.StepRelease, "") {
		return nil
	}
	c.result.Stopped = true // some of it, at least, whatever happens
	if err := c.request.Quiesce.Stop(ctx, c.Restore, c.noted(ctx, repository.StepStop)); err != nil {
		return fmt.Errorf("stop what writes to the targets: %w", err)
	}
	return c.note(ctx, repository.RestoreRecord{Step: repository.StepStop, State: repository.StateDone})
}

func (c *carrier) release(ctx context.Context) error {
	if c.request.Quiesce == nil || !c.result.Stopped {
		return nil
	}
	if err := c.request.Quiesce.Release(ctx, c.Restore, c.noted(ctx, repository.StepRelease)); err != nil {
		return fmt.Errorf("start again what was stopped: %w", err)
	}
	c.result.Stopped = false
	return c.note(ctx, repository.RestoreRecord{Step: repository.StepRelease, State: repository.StateDone})
}

func (c *carrier) purge(ctx context.Context) error {
	if c.request.Purge == nil || c.done(repository.StepPurge, "") {
		return nil
	}
	if err := c.request.Purge.Purge(ctx, c.noted(ctx, repository.StepPurge)); err != nil {
		return fmt.Errorf("purge caches: %w", err)
	}
	return c.note(ctx, repository.RestoreRecord{Step: repository.StepPurge, State: repository.StateDone})
}
