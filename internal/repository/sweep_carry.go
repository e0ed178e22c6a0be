package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// parallelDeletes bounds the files that are deleted at once.
const parallelDeletes = 32

// Sweep deletes points that were forgotten, and whatever nothing needs. The caller
// holds the lease of pruning, and ctx is that lease's.
//
// Of each point it is recorded first that it is being swept; its manifest goes before
// anything that it needs, so that what is left by a crash belongs to nobody, and the
// next sweep takes it. A point on which a live run builds waits. Runs of this
// instance that are dead are fenced off before what they have left is deleted, so
// that one which was suspended and wakes can do no harm (invariant 8).
func Sweep(ctx context.Context, store storage.Storage, signer seal.Signer, o SweepOptions) (*SweepResult, error) {
	s := &sweeping{reader: store, store: store, signer: signer, options: o, result: SweepResult{Points: []string{}}}
	err := s.carryOut(ctx)
	if err == nil || len(s.result.Points) > 0 {
		err = errors.Join(err, s.log(ctx))
	}
	return &s.result, err
}

func (s *sweeping) carryOut(ctx context.Context) error {
	if err := s.mayDelete(ctx); err != nil {
		return err
	}
	if err := s.announce(ctx); err != nil {
		return err
	}
	if err := s.survey(ctx, s.observe); err != nil {
		return err
	}
	if err := s.fenceDead(ctx); err != nil {
		return err
	}
	if err := s.certain(ctx); err != nil {
		return err
	}
	for _, id := range s.options.Points {
		if s.pinned[id] {
			continue
		}
		gone, err := s.removePoint(ctx, id)
		if err != nil {
			return err
		}
		if gone {
			s.result.Points = append(s.result.Points, id)
		}
	}
	useless, err := s.useless(ctx, s.result.Points)
	if err != nil {
		return err
	}
	return s.removeAll(ctx, useless)
}

// mayDelete fails where the storage says that nothing may be deleted, before anything
// is recorded that nobody can take back. It tries with what is not there: some judge
// the right first, and of the others it shows later.
func (s *sweeping) mayDelete(ctx context.Context) error {
	err := s.store.Delete(ctx, storage.Info{Name: ProbeDir + "none", Generation: "1"})
	if errors.Is(err, storage.ErrDenied) {
		return s.denied(err)
	}
	if errors.Is(err, storage.ErrProtected) || errors.Is(err, storage.ErrChanged) {
		return nil
	}
	return err
}

func (s *sweeping) denied(err error) error {
	return fault.New(fault.Usage, "sweep", "%w", err).On(s.reader.URL()).Hint("run it with credentials that may delete; those that back up should not")
}

// certain makes sure, before the first manifest goes, that it will be known what is
// of no use then.
func (s *sweeping) certain(ctx context.Context) error {
	_, err := s.useless(ctx, slices.DeleteFunc(slices.Clone(s.options.Points), func(id string) bool { return s.pinned[id] }))
	s.inv.marks = make([]uint32, len(s.inv.marks))
	return err
}

// announce records of every point that it is being swept, which nobody can take
// back. A run that begins from here on finds it, and does not build on the point;
// one that has begun before is found by the survey.
func (s *sweeping) announce(ctx context.Context) error {
	repo, err := Open(ctx, s.reader, s.options.Options)
	if err != nil {
		return err
	}
	for _, id := range s.options.Points {
		p, err := repo.Point(ctx, id)
		switch {
		case errors.Is(err, errNoPoint):
			continue
		case err != nil:
			return err
		case p.Instance != s.options.Instance:
			return fault.New(fault.Refused, "sweep point "+id, "it belongs to instance %q", p.Instance).On(s.reader.URL())
		case p.Held != nil:
			return fault.New(fault.Refused, "sweep point "+id, "it is held by %s: %s", p.Held.By, p.Held.Reason).On(s.reader.URL())
		case p.Forgotten == nil:
			return fault.New(fault.Refused, "sweep point "+id, "it is not forgotten").On(s.reader.URL())
		case p.Sweeping():
			continue
		}
		_, err = AppendState(ctx, s.store, repo, s.signer, State{
			Point: id, Change: Sweeping, By: s.options.By, Reason: "it was forgotten, and its grace has ended", Time: repo.now().UTC(),
		})
		if errors.Is(err, errNoPoint) {
			continue // another sweep has taken it
		}
		if errors.Is(err, storage.ErrExist) {
			return fault.New(fault.Busy, "sweep point "+id, "somebody else has decided about it at the same moment").On(s.reader.URL()).Hint("run it again")
		}
		if err != nil {
			return fmt.Errorf("record the sweeping of point %s: %w", id, err)
		}
		if held, err := repo.Point(ctx, id); err != nil && !errors.Is(err, errNoPoint) || err == nil && held.Held != nil {
			return errors.Join(err, fault.New(fault.Busy, "sweep point "+id, "it was held at the same moment").On(s.reader.URL()))
		}
	}
	return nil
}

// observe watches the lease of a run's stream, on this process's own clock. A run of
// another instance is alive: that one's own next run fences it off.
func (s *sweeping) observe(ctx context.Context, _ *sweeping, start *Start) (bool, error) {
	if start == nil || start.Instance != s.options.Instance {
		return start != nil, nil
	}
	name := StreamLease(start.Instance, start.Stream)
	lease := &Lease{store: s.store, name: name, length: DefaultLeaseLength}
	term, err := lease.current(ctx)
	if err != nil || term == nil || term.Released {
		return false, err
	}
	if alive, known := s.observed[name]; known {
		return alive, nil
	}
	err = lease.outlast(ctx, *term)
	alive := fault.KindOf(err) == fault.Busy && err != nil
	if alive || errors.Is(err, errLeaseFreed) {
		err = nil
	}
	if s.observed == nil {
		s.observed = map[string]bool{}
	}
	s.observed[name] = alive
	return alive, err
}

// fenceDead gives up the runs of this instance that are dead. Where the create
// loses, the run has committed meanwhile: it is alive as far as anybody knows.
func (s *sweeping) fenceDead(ctx context.Context) error {
	for run, u := range s.runs {
		if u.alive {
			continue
		}
		if _, err := PointTime(run); err != nil {
			continue // nobody can commit a point of that name
		}
		err := abandon(ctx, s.store, s.repo, s.signer, run, s.options.Instance)
		if errors.Is(err, storage.ErrExist) {
			return fault.New(fault.Busy, "sweep", "run %s has committed meanwhile", run).On(s.reader.URL()).Hint("run it again")
		}
		if err != nil {
			return fmt.Errorf("fence run %s off: %w", run, err)
		}
		delete(s.runs, run)
	}
	s.pinned = map[string]bool{}
	for _, u := range s.runs {
		for _, base := range u.bases {
			s.pinned[base] = true
		}
	}
	return nil
}

// removePoint deletes what makes a point one: what its run has noted, and then its
// manifest. It is false where the storage does not let the manifest go yet.
func (s *sweeping) removePoint(ctx context.Context, id string) (bool, error) {
	var notes []int
	from, to := s.inv.below(runsDir + id + "/")
	for i := from; i < to; i++ {
		notes = append(notes, i)
	}
	s.latestFirst(notes)
	for _, i := range notes {
		if _, err := s.remove(ctx, i); err != nil {
			return false, err
		}
	}
	manifest, signature := ManifestFiles(id)
	for _, path := range []string{manifest, signature} {
		i, listed := s.inv.find(path)
		if !listed {
			continue
		}
		if gone, err := s.remove(ctx, i); err != nil || !gone {
			return false, err
		}
	}
	return true, nil
}

// latestFirst orders files so that of a numbered series the later members go before
// the earlier ones: a crash in between leaves no hole.
func (s *sweeping) latestFirst(files []int) {
	number := func(i int) int64 { return locate(s.inv.names.at(i)).number }
	slices.SortFunc(files, func(a, b int) int { return int(number(b) - number(a)) }) // fewer than 2^31
}

// removeAll deletes files, many at once, but the notes of runs one after the other.
func (s *sweeping) removeAll(ctx context.Context, files []int) error {
	task := s.options.Show.Task("delete files", progress.Objects, int64(len(files)))
	defer task.Done()
	var notes []int
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(parallelDeletes)
	for _, i := range files {
		if within.Err() != nil {
			break
		}
		if strings.HasPrefix(s.inv.names.at(i), runsDir) {
			notes = append(notes, i)
			continue
		}
		group.Go(func() error {
			defer task.Add(1)
			_, err := s.remove(within, i)
			return err
		})
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	s.latestFirst(notes)
	for _, i := range notes {
		if _, err := s.remove(ctx, i); err != nil {
			return err
		}
		task.Add(1)
	}
	return nil
}

// remove deletes the very file that was listed, if it is still that. It is false
// where the storage's own retention keeps it.
func (s *sweeping) remove(ctx context.Context, i int) (gone bool, err error) {
	name := s.inv.names.at(i)
	info, err := s.reader.Stat(ctx, name)
	if errors.Is(err, storage.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", name, err)
	}
	if info.Size != s.inv.sizes[i] || uint32(max(info.Created.Unix(), 0)) != s.inv.created[i] { // until the year 2106
		return false, nil // another file of that name has come since
	}
	err = s.store.Delete(ctx, info)
	if errors.Is(err, storage.ErrProtected) {
		free, failed := s.letGo(ctx, name)
		if failed != nil {
			return false, failed
		}
		if free {
			err = s.store.Delete(ctx, info)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, storage.ErrChanged):
		return false, nil
	case errors.Is(err, storage.ErrProtected):
		s.result.Protected++
		return false, nil
	case errors.Is(err, storage.ErrDenied):
		return false, s.denied(err)
	case err != nil:
		return false, fmt.Errorf("delete %s: %w", name, err)
	}
	s.result.Files, s.result.Bytes = s.result.Files+1, s.result.Bytes+info.Size
	return true, nil
}

// log leaves the entry of what was done, if anything was.
func (s *sweeping) log(ctx context.Context) error {
	if s.result.Files == 0 && len(s.result.Points) == 0 {
		return nil
	}
	_, err := AppendLog(ctx, s.store, s.repo, s.signer, LogEntry{
		Time: time.Now(), By: s.options.By, Tool: s.options.Tool, Action: LogSweep, Points: s.result.Points,
		Reason: "what was forgotten, and what nothing needs", Files: s.result.Files, Bytes: s.result.Bytes,
	})
	return err
}
