package main

import (
	"context"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
)

// account is what a run tells the configured hooks about itself.
type account struct {
	app   *app
	hooks *hook.Runner
	facts hook.Facts
	began time.Time
	// quiet keeps the hooks from being called: nothing is at stake.
	quiet bool
}

// openAccount begins a run of a verb.
func (a *app) openAccount(verb hook.Verb, d *deployment) *account {
	c := &account{app: a, began: time.Now(), facts: hook.Facts{Verb: verb, Instance: d.instance()}}
	var hooks []config.Hook
	if d.config != nil {
		hooks = d.config.Hooks
	}
	c.hooks = hook.New(hooksOf(hooks), a.log)
	return c
}

// before calls the hooks that may forbid the run.
func (c *account) before(ctx context.Context) error {
	c.facts.Seconds = time.Since(c.began).Seconds()
	return c.hooks.Before(ctx, c.facts)
}

// after calls the hooks that learn how the run ended. It returns err, or that
// the run was stopped.
func (c *account) after(ctx context.Context, err error) error {
	err = orStopped(ctx, string(c.facts.Verb), err, c.app.goOn)
	if c.quiet {
		return err
	}
	event, code := hook.Success, 0
	c.facts.Result = "ok"
	if err != nil {
		event, code = hook.Failure, fault.KindOf(err).ExitCode()
		failed := failureOf(err)
		c.facts.Result, c.facts.Error, c.facts.Hint = failed.Code, fault.OneLine(err.Error()), failed.Try
		if wasStopped(ctx, err) {
			c.facts.Result = "stopped"
		}
	}
	c.facts.ExitCode, c.facts.Seconds = &code, time.Since(c.began).Seconds()
	c.hooks.After(ctx, event, c.facts)
	return err
}

// hooksOf translates the configuration.
func hooksOf(configured []config.Hook) []hook.Hook {
	hooks := make([]hook.Hook, 0, len(configured))
	for _, h := range configured {
		hooks = append(hooks, hook.Hook{
			On: h.On, For: h.For, Command: h.Command, URL: h.URL, Headers: h.Headers, Timeout: h.Timeout.Duration(),
		})
	}
	return hooks
}
