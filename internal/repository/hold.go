package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// HoldLease names the lease of who holds files in the storage, or lets go of them. It
// is one for all instances, which share some files.
const HoldLease = "@@hold"

// requestsPerHold is what the hold of one file takes: a look, and a change.
const requestsPerHold = 2

// ObjectHolds are the files of a point that are held in the storage itself, or let go
// of: then neither this program nor anybody else can delete them there.
type ObjectHolds struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	// Needed files stay held, since another point needs them that is held.
	Needed   int64 `json:"needed"`
	Requests int64 `json:"requests"`
	// Changed are those of Files whose hold was set or ended. The others had one
	// already, or none, or one that somebody else has set.
	Changed int64 `json:"changed"`
}

// PlanObjectHolds says what SetObjectHolds would do, and changes nothing.
func (p *Pruner) PlanObjectHolds(ctx context.Context, point string, held bool) (*ObjectHolds, error) {
	if _, err := p.holder(); err != nil {
		return nil, err
	}
	_, plan, err := p.holdsOf(ctx, point, held)
	return plan, err
}

// SetObjectHolds holds every file in the storage that a point needs, or lets go of
// those that no other held point needs. The record of the decision has been written
// before: so of two that decide at once, whoever comes second finds the other's. It may
// be repeated.
func (p *Pruner) SetObjectHolds(ctx context.Context, point string, held bool, show progress.Reporter) (*ObjectHolds, error) {
	holder, err := p.holder()
	if err != nil {
		return nil, err
	}
	ctx, lease, err := AcquireLease(ctx, p.Store, p.Instance, HoldLease, DefaultLeaseLength)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	names, result, err := p.holdsOf(ctx, point, held)
	if err != nil {
		return nil, err
	}
	doing := "let go of files"
	if held {
		doing = "hold files"
	}
	task := show.Task(doing, progress.Objects, int64(len(names)))
	defer task.Done()
	var changes atomic.Int64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(parallelDeletes)
	for _, name := range names {
		group.Go(func() error {
			defer task.Add(1)
			changed, err := holder.SetHold(within, name, held)
			if changed {
				changes.Add(1)
			}
			if !held && errors.Is(err, storage.ErrNotExist) {
				return nil // it was swept, which it could be since nothing held it
			}
			return err
		})
	}
	err = errors.Join(group.Wait(), context.Cause(ctx))
	result.Changed = changes.Load()
	if err != nil {
		return result, p.holdFailed(doing+" of point "+point, err)
	}
	return result, nil
}

func (p *Pruner) holder() (storage.Holder, error) {
	if h, ok := p.Store.(storage.Holder); ok {
		return h, nil
	}
	return nil, fault.New(fault.Usage, "hold files in the storage", "this kind of storage holds no objects").On(p.Store.URL()).
		Hint("take repository.objectHolds out of the configuration; the records of holds keep points from being pruned all the same")
}

func (p *Pruner) holdFailed(doing string, err error) error {
	switch {
	case errors.Is(err, storage.ErrDenied):
		return fault.New(fault.Usage, doing, "%w", err).On(p.Store.URL()).
			Hint("what was decided is recorded, and prune goes by that; for the files themselves run it again with credentials that have storage.objects.update")
	case errors.Is(err, storage.ErrChanged):
		return fault.New(fault.Busy, doing, "somebody else changes them at the same moment: %w", err).On(p.Store.URL()).Hint("run it again")
	default:
		return fault.New(fault.KindOf(err), doing, "%w", err).On(p.Store.URL()).Hint("what was decided is recorded; run it again for the files themselves")
	}
}

// holdsOf names the files that are to be held, or let go of.
func (p *Pruner) holdsOf(ctx context.Context, point string, held bool) ([]string, *ObjectHolds, error) {
	inv, err := takeInventory(ctx, p.Store, func(int64) {})
	if err != nil {
		return nil, nil, err
	}
	mine, err := p.needs(ctx, inv, []string{point})
	if err != nil {
		return nil, nil, err
	}
	others := make([]uint32, len(mine))
	if !held {
		if others, err = p.needsOfHeld(ctx, inv, point); err != nil {
			return nil, nil, err
		}
	}
	var names []string
	result := new(ObjectHolds)
	_ = inv.each(0, inv.len(), func(i int, name string) error { // fn fails never
		bit := uint32(1) << (i % 32)
		switch {
		case mine[i/32]&bit == 0:
		case others[i/32]&bit != 0:
			result.Needed++
		default:
			names = append(names, name)
			result.Files, result.Bytes = result.Files+1, result.Bytes+inv.sizes[i]
		}
		return nil
	})
	result.Requests = requestsPerHold * result.Files
	return names, result, nil
}

// needsOfHeld marks what the held points need, but for one.
func (p *Pruner) needsOfHeld(ctx context.Context, inv *inventory, but string) ([]uint32, error) {
	listing, err := p.Repo.List(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, other := range listing.Points {
		if other.Held != nil && other.Point != but {
			ids = append(ids, other.Point)
		}
	}
	if len(ids) == 0 {
		return make([]uint32, len(inv.marks)), nil
	}
	return p.needs(ctx, inv, ids)
}

// needs marks the files without which some points cannot be restored.
func (p *Pruner) needs(ctx context.Context, inv *inventory, ids []string) ([]uint32, error) {
	inv.marks = make([]uint32, len(inv.marks))
	r := newReach(p.Store, inv, nil)
	if err := r.points(ctx, ids); err != nil {
		return nil, err
	}
	if len(r.unknown) > 0 {
		slices.Sort(r.unknown)
		return nil, fault.New(fault.Refused, "find the files that held points need", "%d files are damaged or gone that say so: %s",
			len(r.unknown), strings.Join(r.unknown[:min(len(r.unknown), mostNamed)], ", ")).On(p.Store.URL()).
			Hint("openim-dr check says which points they belong to; bring the files back from a copy")
	}
	own := []string{repositoryDir}
	for _, id := range ids {
		own = append(own, pointDir(id))
	}
	for _, dir := range own {
		for from, to := inv.below(dir); from < to; from++ {
			inv.mark(from)
		}
	}
	return inv.marks, nil
}

// letGo ends this program's hold of a file that nothing needs any more: the hold of its
// point has ended by its date. It is false where the file is kept by something else.
func (s *sweeping) letGo(ctx context.Context, name string) (bool, error) {
	holder, ok := s.store.(storage.Holder)
	if !ok || !s.options.ObjectHolds {
		return false, nil
	}
	changed, err := holder.SetHold(ctx, name, false)
	if errors.Is(err, storage.ErrDenied) || errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrChanged) {
		return false, nil // it stays protected, and is reported as that
	}
	if err != nil {
		return false, fmt.Errorf("let go of %s: %w", name, err)
	}
	return changed, nil
}
