package repository

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// SweepOptions say what is swept, and by whom.
type SweepOptions struct {
	Options
	Instance string
	Tool     string
	By       string
	// Points were forgotten, and their grace has ended: see package retention.
	Points []string
	// Needs is what a listing has found points to need. A plan relies on it; a sweep
	// looks for itself.
	Needs *Needs
	// ObjectHolds: what held points have needed may still be held in the storage.
	ObjectHolds bool
	Show        progress.Reporter
}

// SweepPlan says what a sweep deletes.
type SweepPlan struct {
	Points []string `json:"points"` // that are swept
	// Waiting are points that a live run builds on; a later sweep takes them.
	Waiting []string `json:"waiting"`
	Files   int64    `json:"files"`
	Bytes   int64    `json:"bytes"`
	// OfBytes is what the repository holds now.
	OfBytes int64 `json:"ofBytes"`
}

// SweepResult is what a sweep did.
type SweepResult struct {
	Points []string `json:"points"` // whose manifests are gone
	Files  int64    `json:"files"`
	Bytes  int64    `json:"bytes"`
	// Protected files are kept by the storage until its own retention ends.
	Protected int64 `json:"protected"`
}

// PlanSweep says what Sweep would delete now, and changes nothing. Runs whose lease
// has not been given back are taken to be alive.
func PlanSweep(ctx context.Context, store storage.Reader, o SweepOptions) (*SweepPlan, error) {
	s := &sweeping{reader: store, options: o, known: o.Needs}
	if err := s.survey(ctx, assumeAlive); err != nil {
		return nil, err
	}
	plan := &SweepPlan{Points: []string{}, Waiting: []string{}, OfBytes: s.inv.bytes}
	for _, id := range o.Points {
		if s.pinned[id] {
			plan.Waiting = append(plan.Waiting, id)
		} else {
			plan.Points = append(plan.Points, id)
		}
	}
	useless, err := s.useless(ctx, plan.Points)
	for _, i := range useless {
		plan.Files, plan.Bytes = plan.Files+1, plan.Bytes+s.inv.sizes[i]
	}
	return plan, err
}

// sweeping is one sweep, or the plan of one.
type sweeping struct {
	reader  storage.Reader
	store   storage.Storage // nil while planning
	signer  seal.Signer
	result  SweepResult
	mu      sync.Mutex // guards result while files are deleted
	repo    *Repository
	options SweepOptions
	known   *Needs // or nil

	inv    *inventory
	runs   map[string]*unfinished // that have begun and are no points
	pinned map[string]bool        // points that live runs build on
	// liveSince is when, by the storage's clock, the oldest live run began; 0: none.
	liveSince uint32
	observed  map[string]bool // leases: whether somebody alive holds them
}

// unfinished is a run that has neither committed nor been given up.
type unfinished struct {
	alive bool
	bases []string
}

// aliveness finds out whether the run may be alive that has begun so; a start that
// nobody can read is nil.
type aliveness func(context.Context, *sweeping, *Start) (bool, error)

// survey lists everything, and finds out which runs may be alive. Names are listed
// in byte order, and "runs/" comes after all that a run writes, which it does after
// its start: so what has been listed of a run is never listed without its start.
func (s *sweeping) survey(ctx context.Context, judge aliveness) error {
	repo, err := Open(ctx, s.reader, s.options.Options)
	if err != nil {
		return err
	}
	s.repo = repo
	if s.inv, err = takeInventory(ctx, s.reader, func(int64) {}); err != nil {
		return err
	}
	s.runs, s.pinned, s.liveSince = map[string]*unfinished{}, map[string]bool{}, 0
	from, to := s.inv.below(runsDir)
	return s.inv.each(from, to, func(i int, path string) error {
		at := locate(path)
		if at.place != placeStart || s.inv.has(manifestPath(at.owner)) {
			return nil
		}
		if committed, err := s.exists(ctx, manifestPath(at.owner)); err != nil || committed {
			s.live(i) // since the listing has passed its manifest
			return err
		}
		start, err := repo.readStart(ctx, at.owner)
		if err != nil {
			return err
		}
		alive, err := judge(ctx, s, start)
		if err != nil {
			return err
		}
		run := &unfinished{alive: alive}
		if s.runs[at.owner] = run; start != nil {
			run.bases = start.Bases
		}
		// Whoever is dead may yet wake, until it is fenced off.
		for _, base := range run.bases {
			s.pinned[base] = true
		}
		if alive {
			s.live(i)
		}
		return nil
	})
}

func (s *sweeping) live(start int) {
	if since := max(s.inv.created[start], 1); s.liveSince == 0 || since < s.liveSince {
		s.liveSince = since
	}
}

func (s *sweeping) exists(ctx context.Context, path string) (bool, error) {
	_, err := s.reader.Stat(ctx, path)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	return true, nil
}

// assumeAlive takes a run to be alive unless the lease of its stream was given
// back.
func assumeAlive(ctx context.Context, s *sweeping, start *Start) (bool, error) {
	if start == nil {
		return true, nil
	}
	term, err := currentTerm(ctx, s.reader, StreamLease(start.Instance, start.Stream), DefaultLeaseLength)
	return err != nil || term != nil && !term.Released, err
}
