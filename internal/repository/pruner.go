package repository

import (
	"context"
	"errors"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Pruner carries out what was decided about points, in somebody's name. It alone
// deletes. Planning takes neither the signer nor the right to write.
type Pruner struct {
	Store    storage.Storage
	Repo     *Repository
	Signer   seal.Signer
	Instance string
	Tool, By string // for the records that it leaves
	// ObjectHolds: the files of held points are held in the storage, too.
	ObjectHolds bool
}

// PlanSweep says what sweeping some points would delete; see the function. needs is
// of a listing, or nil.
func (p *Pruner) PlanSweep(ctx context.Context, points []string, needs *Needs) (*SweepPlan, error) {
	o := p.sweepOptions(points, progress.Discard)
	o.Needs = needs
	return PlanSweep(ctx, p.Store, o)
}

// Sweep deletes some points, and what nothing needs; see the function.
func (p *Pruner) Sweep(ctx context.Context, points []string, show progress.Reporter) (*SweepResult, error) {
	return Sweep(ctx, p.Store, p.Signer, p.sweepOptions(points, show))
}

func (p *Pruner) sweepOptions(points []string, show progress.Reporter) SweepOptions {
	return SweepOptions{
		Options: Options{Trust: p.Repo.trust}, Instance: p.Instance, Tool: p.Tool, By: p.By, Points: points, ObjectHolds: p.ObjectHolds, Show: show,
	}
}

// Record writes a decision about a point and an entry in the log, and looks whether
// a sweeping has come before it.
func (p *Pruner) Record(ctx context.Context, s State) (*State, error) {
	doing := string(s.Change) + " point " + s.Point
	record, err := AppendState(ctx, p.Store, p.Repo, p.Signer, s)
	if errors.Is(err, storage.ErrExist) {
		return nil, fault.New(fault.Busy, doing, "somebody else has decided about it at the same moment: %w", err).Hint("run it again")
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), doing, "%w", err).On(p.Store.URL())
	}
	now, err := p.Repo.Point(ctx, s.Point)
	if err != nil {
		return nil, err
	}
	if now.Sweeping() && s.Change != Unhold {
		return nil, fault.New(fault.Refused, doing, "its sweeping has begun meanwhile, and parts of it may be gone")
	}
	return record, p.Log(ctx, record)
}

// Log leaves an entry in the log for what a state record has decided.
func (p *Pruner) Log(ctx context.Context, s *State) error {
	_, err := AppendLog(ctx, p.Store, p.Repo, p.Signer, LogEntry{
		Time: s.Time, By: s.By, Tool: p.Tool, Action: LogAction(s.Change), Reason: s.Reason, Points: []string{s.Point},
	})
	return err
}
