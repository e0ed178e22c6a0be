package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/report"
	"github.com/openim-dr/openim-dr/restore"
)

// restoreAccount is what a restore tells about itself: to hooks, and in the
// report. Whatever is known by then is told, however the restore ends.
type restoreAccount struct {
	*account
	path   string // of the report; empty where none is wanted
	report report.Report
}

// openRestoreAccount begins a restore. It fails where the report could not be
// written.
func (a *app) openRestoreAccount(d *deployment, flags restoreFlags) (*restoreAccount, error) {
	c := &restoreAccount{account: a.openAccount(hook.Restore, d)}
	c.quiet = flags.plan || a.common.output == rawOutput
	c.report = report.Report{
		Verb: string(hook.Restore), Instance: d.instance(), Repository: d.url, Target: flags.target,
		Tool: "openim-dr " + version, Began: c.began, Objectives: objectivesOf(d.config),
	}
	if flags.plan {
		c.report.Outcome = report.Planned
	}
	if flags.report == "" {
		return c, nil
	}
	if a.common.output == rawOutput {
		return nil, usage("read flags", "--report does not go with --output -, which restores nothing").Hint("leave one of them out")
	}
	if err := report.Prepare(flags.report); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(flags.report) // a hook may run elsewhere
	c.path, c.facts.Report = path, path
	return c, err
}

// planned takes up what was planned.
func (c *restoreAccount) planned(plan *restore.Plan) {
	fillPlan(&c.report, plan)
	for _, m := range plan.Set {
		c.facts.Points = append(c.facts.Points, m.Point)
	}
	slices.Sort(c.facts.Points) // ids sort by time
	c.facts.Points = slices.Compact(c.facts.Points)
}

// declined takes up that the operator said no, or nothing: there is nothing to
// tell.
func (c *restoreAccount) declined(err error) error {
	c.quiet, c.path = true, ""
	return err
}

// begin calls the hooks that may forbid the restore. After it targets change.
func (c *restoreAccount) begin(ctx context.Context) error {
	if err := c.before(ctx); err != nil {
		return err
	}
	c.report.Touched = true
	return nil
}

// carried takes up what was brought back, be it all or not.
func (c *restoreAccount) carried(result *restore.Result) {
	fillResult(&c.report, result)
	c.facts.Restore = result.Restore
	c.facts.Equal, c.facts.RTOSeconds = equality(c.report.Sources), c.report.RTOSeconds
}

// close writes the report and calls the hooks. It returns err, with what went
// wrong with the report.
func (c *restoreAccount) close(ctx context.Context, err error) error {
	err = orStopped(ctx, string(hook.Restore), err, c.app.goOn)
	if c.path != "" {
		c.conclude(ctx, err)
		if failed := report.Write(c.path, &c.report); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return c.after(ctx, err)
}

// conclude says how the restore ended.
func (c *restoreAccount) conclude(ctx context.Context, err error) {
	r := &c.report
	r.Ended = time.Now()
	if err == nil {
		if r.Outcome == "" {
			r.Outcome = report.Equal
		}
		return
	}
	failed := failureOf(err)
	r.Failure = &report.Failure{Code: failed.Code, Doing: failed.Doing, Target: failed.Target, Why: failed.Why, Try: failed.Try}
	r.ExitCode = fault.KindOf(err).ExitCode()
	equal := equality(r.Sources)
	switch {
	case wasStopped(ctx, err):
		r.Outcome = report.Stopped
	case fault.KindOf(err) == fault.Refused && !r.Touched:
		r.Outcome = report.Refused
	case equal != nil && !*equal:
		r.Outcome = report.Different
	default:
		r.Outcome = report.Failed
	}
}

// equality returns whether all sources are equal: nil before all were compared.
func equality(sources []report.Source) *bool {
	if len(sources) == 0 {
		return nil
	}
	equal := true
	for _, s := range sources {
		if s.Equal == nil {
			return nil
		}
		equal = equal && *s.Equal
	}
	return &equal
}

func objectivesOf(c *config.Config) report.Objectives {
	if c == nil {
		return report.Objectives{}
	}
	promised := func(d time.Duration) *float64 {
		if d == 0 {
			return nil
		}
		s := d.Seconds()
		return &s
	}
	return report.Objectives{RPOSeconds: promised(c.Objectives.RPO.Duration()), RTOSeconds: promised(c.Objectives.RTO.Duration())}
}
