package main

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/cache"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// workloads are what a restore stops, as the stage wants it.
type workloads struct{ *kube.Quiescer }

// Plan implements restore.Quiescer.
func (w workloads) Plan(ctx context.Context) (*restore.Measure, error) {
	planned, err := w.Quiescer.Plan(ctx)
	if err != nil {
		return nil, err
	}
	m := &restore.Measure{Warnings: planned.Warnings, Checks: []string{"workloads may be stopped and brought back"}}
	for _, stage := range planned.Stages {
		for _, one := range stage.Workloads {
			m.Steps = append(m.Steps, source.Step{Action: fmt.Sprintf("stop, with %s", plural(one.Replicas, "replica")), Target: one.String()})
		}
	}
	return m, nil
}

// Stop implements restore.Quiescer.
func (w workloads) Stop(ctx context.Context, id string, note func(string) error) error {
	return w.Quiescer.Stop(ctx, id, note)
}

// Release implements restore.Quiescer.
func (w workloads) Release(ctx context.Context, id string, note func(string) error) error {
	return w.Quiescer.Release(ctx, id, note)
}

// caches are those that a restore empties of what is stale.
type caches []*cache.Cache

// Plan implements restore.Purger.
func (c caches) Plan(ctx context.Context) (*restore.Measure, error) {
	m := new(restore.Measure)
	for _, one := range c {
		counts, err := one.Plan(ctx)
		if err != nil {
			return nil, err
		}
		m.Steps = append(m.Steps, source.Step{Action: "delete stale keys", Target: "cache/" + one.Name(), Objects: keysOf(counts)})
		m.Checks = append(m.Checks, fmt.Sprintf("cache %s answers, and lets keys be deleted", one.Name()))
	}
	return m, nil
}

// Purge implements restore.Purger.
func (c caches) Purge(ctx context.Context, note func(string) error) error {
	for _, one := range c {
		if err := note("cache " + one.Name()); err != nil {
			return err
		}
		if _, err := one.Purge(ctx); err != nil {
			return err
		}
	}
	return nil
}

func keysOf(counts []cache.Count) int64 {
	total := int64(0)
	for _, c := range counts {
		total += c.Keys
	}
	return total
}

// stepsByHand are what a restore of databases leaves to people.
func stepsByHand() []string {
	var steps []string
	for _, s := range openim.StepsByHand() {
		steps = append(steps, fmt.Sprintf("%s: %s, since %s", s.When, s.Do, s.Why))
	}
	return steps
}

// release starts again what restores have stopped, and does nothing else.
func (a *app) release(ctx context.Context, d *deployment, flags restoreFlags) error {
	for name := range flags.given {
		if name != "release" && name != "resume" && name != "target" && name != "yes" {
			return usage("start again what was stopped", "--release does nothing else, and --%s asks for more", name)
		}
	}
	targets, err := d.restoreTargets(flags.target)
	if err != nil {
		return err
	}
	q, err := newQuiescer(d.config, targets, flags.target != "")
	if err != nil {
		return err
	}
	released := []string{}
	err = q.Release(ctx, flags.resume, func(what string) error {
		a.log.Info("release", "what", what)
		released = append(released, what)
		return nil
	})
	a.out.print(map[string][]string{"released": released}, func(p *page) {
		for _, what := range released {
			p.line("%s", what)
		}
		if len(released) == 0 {
			p.line("nothing was stopped")
		}
	})
	return err
}
