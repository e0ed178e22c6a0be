package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/retention"
)

type pruneFlags struct {
	stateFlags

	plan      bool
	sweepOnly bool
	yes       bool
	allow     []string
	maxShare  string
}

// allowClock overrules the refusal of a clock that looks wrong.
const allowClock = "clock"

// pruned is the result of prune, planned or done.
type pruned struct {
	Decisions []retention.Decision `json:"decisions"`
	Forget    []string             `json:"forget"`
	Share     retention.Share      `json:"share"`
	// Sweep is what is deleted of what was forgotten before; null where that is not
	// known.
	Sweep *repository.SweepPlan `json:"sweep"`
	// Freed is what is not paid for any more once that is deleted; without prices
	// there is none.
	Freed *quantity.Monthly `json:"freed,omitempty"`
	// Outside is what goes with points and stands outside the repository, by source.
	Outside []*retention.Outside `json:"outside,omitempty"`
}

func newPrune(a *app) *cobra.Command {
	var flags pruneFlags
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Forget the recovery points that no rule keeps, and delete what nothing needs",
		Long: `Forget the recovery points of this instance that no rule of the configuration's
retention keeps. Each source is judged by itself, and a point stays if any of its
sources keeps it. Of each source the newest point and the newest proven one are
kept whatever the rules, and so are points that are held.

A point that is forgotten can be restored by its id, and undelete takes the
forgetting back, until retention.grace (72h) has passed. The first prune after that
sweeps it: it deletes the point, and whatever no point and no live run needs, be it
of that point or left by a run that failed. What a bucket's own retention keeps is
deleted by a later prune. That takes the right to delete, which nothing else of
openim-dr needs: let prune run with another identity than backup, and elsewhere.

Snapshots of volumes, which stand in the cluster, go after the points that refer to
them, once these are swept, and so do those that a run has left which can never commit.
Where the cluster cannot be asked they wait for a later prune, with a warning.

--plan says of every point whether it stays, and why, and changes nothing. Where the
configuration has prices, it says what that saves in a month, too.
--sweep-only forgets nothing, and deletes what is due.

Refused (exit code 4) by a clock that looks wrong, and where more than
retention.maxDeleteShare of the points, or of the bytes of their own files, would
go. --allow clock overrules the first; --max-delete-share takes another share for
this once.

` + whoSigns + "\n\n" + exitCodes,
		Example: `  openim-dr prune --plan
  openim-dr prune --yes
  openim-dr prune --max-delete-share 60%`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.plan, "plan", false, "say what would be done, and why, and do nothing")
	cmd.Flags().BoolVar(&flags.sweepOnly, "sweep-only", false, "forget nothing, only delete what was forgotten before and what nothing needs")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	cmd.Flags().StringSliceVar(&flags.allow, "allow", nil, "overrule refusals: `LIST` of "+allowClock)
	cmd.Flags().StringVar(&flags.maxShare, "max-delete-share", "", "`SHARE` of the points that may go, instead of retention.maxDeleteShare")
	flags.addSigner(cmd)
	return cmd
}

// softLimit is where collecting garbage becomes eager, in bytes: a plan holds the
// names of all files, and what it reads besides is garbage at once.
const softLimit = 208 << 20

func (a *app) prune(ctx context.Context, flags pruneFlags) error {
	if os.Getenv("GOMEMLIMIT") == "" && !a.background {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(softLimit))
	}
	d, err := a.configured("prune")
	if err != nil {
		return err
	}
	order, err := d.order(flags)
	if err != nil {
		return err
	}
	if order.Outsiders, err = d.outsiders(); err != nil {
		return err
	}
	if flags.plan {
		return a.planOnly(ctx, d, order, flags)
	}
	p, end, err := a.openPruner(ctx, d, flags.stateFlags)
	if err != nil {
		return err
	}
	defer end()
	if err := p.Repo.RequireInstance(p.Instance); err != nil {
		return err
	}
	ctx, lease, err := repository.AcquireLease(ctx, p.Store, p.Instance, repository.PruneLease(p.Instance), d.config.Repository.LeaseLength.Duration())
	if err != nil {
		return err
	}
	defer lease.Release()
	err = a.pruneUnderLease(ctx, p, order, d.pricing(), flags.yes)
	if err != nil && errors.Is(context.Cause(ctx), repository.ErrLeaseLost) {
		return fault.New(fault.Busy, "prune", "%w", repository.ErrLeaseLost).Hint("run it again")
	}
	return err
}

// planOnly says what a prune would do now. It needs no key that signs.
func (a *app) planOnly(ctx context.Context, d *deployment, order retention.Order, flags pruneFlags) error {
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return err
	}
	defer end()
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust, Cache: manifestCache(d.url)})
	if err != nil {
		return err
	}
	if err := repo.RequireInstance(d.instance()); err != nil {
		return err
	}
	_, err = a.showPrune(ctx, d.pruner(store, repo, flags.who()), order, d.pricing())
	return err
}

// showPrune plans, and shows what was decided and what would be deleted. What is
// refused is shown all the same.
func (a *app) showPrune(ctx context.Context, p *repository.Pruner, order retention.Order, prices *quantity.Pricing) (*retention.Pruning, error) {
	todo, err := retention.PlanPrune(ctx, p, order)
	if todo != nil {
		a.printPlan(todo, p.Instance, prices)
	}
	return todo, err
}

// pruneUnderLease shows a plan, and carries out the very one that was shown.
func (a *app) pruneUnderLease(ctx context.Context, p *repository.Pruner, order retention.Order, prices *quantity.Pricing, yes bool) error {
	todo, err := a.showPrune(ctx, p, order, prices)
	if err != nil || todo.Nothing() {
		return err
	}
	if !yes {
		if err := a.confirm(ctx, pruneQuestion(todo)); err != nil {
			return err
		}
	}
	show, shown := a.progress()
	done, err := todo.CarryOut(ctx, p, show)
	shown()
	if done.Forgotten > 0 {
		a.log.Info("points were forgotten, and can be restored until they are swept", "points", done.Forgotten)
	}
	if swept := done.Swept; swept != nil && (err == nil || swept.Files > 0) {
		a.log.Info("what nothing needs was deleted", "points", len(swept.Points), "files", swept.Files, "bytes", swept.Bytes, "protected", swept.Protected)
	}
	a.logOutside(done.Outside)
	return err
}

func pruneQuestion(p *retention.Pruning) string {
	var parts []string
	if len(p.Forget) > 0 {
		parts = append(parts, "forget "+plural(int64(len(p.Forget)), "point"))
	}
	if p.Deletes.Files > 0 {
		parts = append(parts, "delete "+plural(p.Deletes.Files, "file")+" ("+size(p.Deletes.Bytes)+")")
	}
	if things := p.Outlying(); things > 0 {
		parts = append(parts, "delete "+plural(int64(things), "snapshot")+" of volumes")
	}
	return strings.Join(parts, ", and ") + "?"
}

// order is the configured policy, with what the flags put in its place.
func (d *deployment) order(flags pruneFlags) (retention.Order, error) {
	o := retention.Order{SweepOnly: flags.sweepOnly, AnyClock: len(flags.allow) > 0}
	if d.retention() == nil {
		return o, usage("prune", "the configuration has no retention, and so nothing is ever forgotten").
			Hint("say what to keep, for instance retention: {last: 3, daily: 30, monthly: 12}; `openim-dr config example` shows every key")
	}
	var err error
	if o.Policy, err = policyOf(d.retention()); err != nil {
		return o, err
	}
	for _, name := range flags.allow {
		if name != allowClock {
			return o, usage("read flags", "--allow knows no %q", name).Hint("--allow takes %s", allowClock)
		}
	}
	if flags.maxShare != "" {
		share, err := quantity.ParsePercent(flags.maxShare)
		if err != nil {
			return o, usage("read flags", "--max-delete-share: %w", err)
		}
		o.Policy.MaxDeleteShare = share.Share()
	}
	return o, nil
}

// retention is that of the place that is pruned: a copy may have its own.
func (d *deployment) retention() *config.Retention {
	for _, c := range d.config.Copies {
		if c.URL == d.url && c.Retention != nil {
			return c.Retention
		}
	}
	return d.config.Retention
}

// policyOf translates the configuration.
func policyOf(r *config.Retention) (retention.Policy, error) {
	p := retention.Policy{
		Last: r.Last, Hourly: r.Hourly, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly, Within: r.Within.Duration(),
		Grace: retention.DefaultGrace, MaxDeleteShare: retention.DefaultMaxDeleteShare,
	}
	if r.Grace != nil {
		p.Grace = r.Grace.Duration()
	}
	if r.MaxDeleteShare != nil {
		p.MaxDeleteShare = r.MaxDeleteShare.Share()
	}
	var err error
	if p.Zone, err = r.Location(); err == nil {
		err = p.Validate()
	}
	if err != nil {
		return p, usage("read retention", "%w", err)
	}
	return p, nil
}
