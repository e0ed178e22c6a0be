package retention

import (
	"context"
	"errors"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Order says what a prune may do.
type Order struct {
	Policy    Policy
	SweepOnly bool // it forgets nothing
	AnyClock  bool // it believes a clock that looks wrong
	// Outsiders are the sources, by name, that keep something outside the repository.
	Outsiders map[string]source.Outsider
}

// Pruning is what a prune does, or would do.
type Pruning struct {
	*Plan
	// Listing is a brief one.
	Listing *repository.Listing
	// Deletes are the files that go; nil where that is not known.
	Deletes *repository.SweepPlan
	// Outside is what goes that stands outside the repository, by source.
	Outside []*Outside

	outsiders map[string]source.Outsider
}

// Nothing reports whether there is nothing to do.
func (todo *Pruning) Nothing() bool {
	return len(todo.Forget)+todo.Outlying() == 0 && todo.Deletes.Files == 0
}

// Outlying counts what goes that stands outside the repository.
func (todo *Pruning) Outlying() int {
	things := 0
	for _, o := range todo.Outside {
		things += o.Objects
	}
	return things
}

// PlanPrune decides, and says what would be deleted. What it refuses is planned all
// the same, and returned beside the error.
func PlanPrune(ctx context.Context, p *repository.Pruner, o Order) (*Pruning, error) {
	listing, needs, err := p.Repo.ListBriefly(ctx)
	if err != nil {
		return nil, err
	}
	plan, refused := decideSafely(FromListing(listing), p.Instance, o, time.Now())
	deletes, err := p.PlanSweep(ctx, plan.Sweep, needs)
	if err != nil {
		return &Pruning{Plan: plan, Listing: listing}, errors.Join(refused, err)
	}
	outside := planOutside(ctx, p, o.Outsiders, deletes.Points)
	return &Pruning{plan, listing, deletes, outside, o.Outsiders}, refused
}

// decideSafely decides, and refuses what is not safe beside the plan.
func decideSafely(points []Point, instance string, o Order, now time.Time) (*Plan, error) {
	plan := Decide(points, instance, o.Policy, now)
	if o.SweepOnly {
		plan.Forget, plan.Share = []string{}, Share{}
	}
	if len(plan.Forget)+len(plan.Sweep) == 0 {
		return plan, nil
	}
	var clock error
	if !o.AnyClock {
		clock = CheckClock(points, instance, now)
	}
	share := plan.Share.Check(o.Policy.MaxDeleteShare)
	if share != nil && makesUp(points, instance, o.Policy, now) {
		share = nil
	}
	return plan, errors.Join(clock, share)
}

// Pruned is what a prune has done.
type Pruned struct {
	Forgotten int
	Swept     *repository.SweepResult // nil where nothing was to be deleted
	Outside   []*Outside              // by source
}

// CarryOut does what was planned, and neither more nor anything else. The caller
// holds the lease of pruning, and ctx is that lease's.
func (todo *Pruning) CarryOut(ctx context.Context, p *repository.Pruner, show progress.Reporter) (done Pruned, err error) {
	decisions := todo.ByPoint()
	for _, id := range todo.Forget {
		s := repository.State{
			Point: id, Change: repository.Forget, By: p.By, Reason: byPolicy + Why(decisions[id]), Time: time.Now().UTC().Truncate(time.Second),
		}
		if _, err := p.Record(ctx, s); err != nil {
			return done, err
		}
		done.Forgotten++
	}
	if todo.Deletes.Files > 0 {
		if done.Swept, err = p.Sweep(ctx, todo.Plan.Sweep, show); err != nil {
			return done, err
		}
	}
	done.Outside = removeOutside(ctx, p, todo.outsiders, todo.Outside)
	return done, nil
}
