package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Result is what a restore brought back, and whether it is equal.
type Result struct {
	Restore string         `json:"restore"`
	Sources []SourceResult `json:"sources"`
	Equal   bool           `json:"equal"`
	// RTOSeconds is from the word to the end of the last comparison.
	RTOSeconds    float64 `json:"rtoSeconds"`
	RollbackPoint *string `json:"rollbackPoint"`
	// Resumable says that it has not come to its end, and that another process
	// can go on with it.
	Resumable bool `json:"resumable"`
	// Stopped says that what writes to the targets is stopped, and stays so.
	Stopped bool `json:"stopped"`
	// FellBack is what came from a copy since the repository lacks it; nil: nothing.
	FellBack *repository.FellBack `json:"fellBack"`
}

// SourceResult is what came back of one source.
type SourceResult struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Point string `json:"point"`
	repository.Summary
	LoadSeconds    float64             `json:"loadSeconds"`
	CompareSeconds float64             `json:"compareSeconds"`
	Items          []source.Compared   `json:"items"`
	Differences    []source.Difference `json:"differences"`
	// Deviations are differences that the settings of the target ask for.
	Deviations []source.Deviation `json:"deviations"`
	// Lost is what could not be brought back, since the point is damaged.
	Lost  []source.Lost `json:"lost"`
	Equal bool          `json:"equal"`
}

// Refused returns the error that keeps the plan from being carried out, or
// nil.
func (p *Plan) Refused() error {
	if len(p.Refusals) == 0 {
		return nil
	}
	first := p.Refusals[0]
	var tries, overwrite []string
	for _, r := range p.Refusals {
		switch {
		case r.Code == "occupied":
			overwrite = append(overwrite, "--overwrite "+r.Target)
		case !slices.Contains(tries, r.Try):
			tries = append(tries, r.Try)
		}
	}
	if i := slices.IndexFunc(p.Refusals, func(r Refusal) bool { return r.Code != "occupied" }); i > 0 {
		first = p.Refusals[i] // what cannot be had by naming it comes first
	}
	if len(overwrite) > 0 {
		tries = append(tries, "to go on, name the target again: "+strings.Join(overwrite, " "))
	}
	e := fault.New(fault.Refused, "restore", "%s", first.Why).On("into " + first.Target)
	if strings.HasPrefix(first.Target, "point ") {
		e = fault.New(fault.Refused, "restore", "%s", first.Why).On(first.Target)
	}
	return e.Hint("%s", strings.Join(tries, "; "))
}

// Carry carries the plan out: configuration, then databases and files side by
// side, then the comparison of everything. A difference is a fault.Corrupt
// error, with the result beside it. After any other error, and after a
// cancellation, another process can go on if there is a journal.
func (p *Plan) Carry(ctx context.Context) (*Result, error) {
	if err := p.Refused(); err != nil {
		return nil, err
	}
	c := &carrier{Plan: p, result: &Result{Restore: p.Restore, Sources: make([]SourceResult, len(p.parts))}, began: p.began}
	if p.request.Resumed != nil {
		c.began = p.request.Resumed.Began()
	}
	for i, member := range p.Set {
		c.result.Sources[i] = SourceResult{
			Name: member.Source, Kind: member.Kind, Point: member.Point,
			Items: []source.Compared{}, Differences: []source.Difference{}, Deviations: []source.Deviation{}, Lost: []source.Lost{},
		}
	}
	if err := c.begin(ctx); err != nil {
		return c.result, err
	}
	if c.result.Resumable = p.request.Journal != nil; c.result.Resumable {
		p.request.Log.Info("restore can be resumed from here on", "restore", p.Restore)
	}
	err := c.run(ctx)
	c.result.FellBack = p.repo.FellBack()
	return c.result, err
}

// carrier carries a plan out.
type carrier struct {
	*Plan
	result *Result
	began  time.Time
}

// note writes into the journal, where there is one.
func (c *carrier) note(ctx context.Context, r repository.RestoreRecord) error {
	if c.request.Journal == nil {
		return nil
	}
	return c.request.Journal.Note(ctx, r)
}

// begin makes the restore known, with all that it takes to resume it.
func (c *carrier) begin(ctx context.Context) error {
	if c.request.Resumed != nil {
		return c.note(ctx, repository.RestoreRecord{Step: repository.StepResume, State: repository.StateBegun})
	}
	if c.request.Journal == nil || len(c.parts) == 0 {
		return nil
	}
	sealed, err := c.parts[0].from.Seal(ctx, c.request.Remember)
	if err != nil {
		return err
	}
	first := repository.RestoreRecord{
		Step: repository.StepBegin, State: repository.StateBegun,
		Points: map[string]string{}, Servers: c.servers, Targets: c.targets(), Request: sealed,
	}
	for _, m := range c.Set {
		first.Points[m.Source] = m.Point
	}
	return c.note(ctx, first)
}

func (c *carrier) run(ctx context.Context) error {
	steps := []func(context.Context) error{c.stop, c.rollback, c.loadAll, c.purge}
	if c.request.ReleaseEarly {
		steps = append(steps, c.release)
	}
	for _, step := range append(steps, c.compareAll) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	if c.result.Equal {
		if err := c.release(ctx); err != nil {
			return err
		}
	}
	if err := c.note(ctx, repository.RestoreRecord{Step: repository.StepEnd, State: repository.StateDone, Equal: &c.result.Equal}); err != nil {
		return err
	}
	c.result.Resumable = false
	return c.result.requireEqual()
}

// order is what is done after what, and what side by side.
var order = [][]source.Phase{{source.Configuration}, {source.Databases, source.Files}}

func (c *carrier) loadAll(ctx context.Context) error {
	for i, phases := range order {
		if i > 0 && c.has(order[i-1]) {
			// A workload that has come back with the configuration runs.
			if err := c.stop(ctx); err != nil {
				return err
			}
		}
		if err := c.each(ctx, phases, c.load); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether anything of some phases is restored.
func (c *carrier) has(phases []source.Phase) bool {
	return slices.ContainsFunc(c.parts, func(p sourcePlan) bool { return slices.Contains(phases, p.source.Phase) })
}

func (c *carrier) compareAll(ctx context.Context) error {
	for _, phases := range order {
		if err := c.each(ctx, phases, c.compare); err != nil {
			return err
		}
	}
	c.result.Equal = len(c.result.Sources) > 0
	for _, s := range c.result.Sources {
		c.result.Equal = c.result.Equal && s.Equal
	}
	c.result.RTOSeconds = time.Since(c.began).Seconds()
	c.offer(ctx)
	return nil
}

// each does something for all sources of some phases at once.
func (c *carrier) each(ctx context.Context, phases []source.Phase, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range c.parts {
		if slices.Contains(phases, c.parts[i].source.Phase) {
			group.Go(func() error { return do(ctx, i) })
		}
	}
	return group.Wait()
}

// rollback keeps what will be overwritten.
func (c *carrier) rollback(ctx context.Context) error {
	if h := c.request.Resumed; h != nil && h.RollbackPoint() != "" {
		point := h.RollbackPoint()
		c.result.RollbackPoint = &point
		return nil
	}
	if len(c.lost) == 0 || c.request.Rollback == nil {
		return nil
	}
	if err := c.note(ctx, repository.RestoreRecord{Step: repository.StepRollback, State: repository.StateBegun}); err != nil {
		return err
	}
	point, err := c.request.Rollback(ctx, c.lost)
	if err != nil {
		return rollbackFailed(err)
	}
	c.result.RollbackPoint = &point
	c.request.Log.Info("rollback point taken", "point", point)
	return c.note(ctx, repository.RestoreRecord{Step: repository.StepRollback, State: repository.StateDone, Point: point})
}

// rollbackFailed says that nothing was overwritten yet, and what there is to do.
func rollbackFailed(err error) error {
	e := fault.New(fault.KindOf(err), "take a rollback point", "%w", err)
	hint := "nothing was overwritten; to go on without one, and lose for good what the target holds, add --no-rollback-point"
	if inner, ok := fault.Outermost(err); ok && inner.Try != "" {
		hint = inner.Try + "; " + hint
	}
	return e.Hint("%s", hint)
}

func (c *carrier) load(ctx context.Context, i int) error {
	part, member, into := &c.parts[i], c.Set[i], &c.result.Sources[i]
	if c.done(repository.StepLoad, member.Source) {
		into.Summary = part.from.Summary()
		return nil
	}
	record := repository.RestoreRecord{Step: repository.StepLoad, State: repository.StateBegun, Source: member.Source}
	if err := c.note(ctx, record); err != nil {
		return err
	}
	c.request.Log.Info("restore begun", "source", member.Source, "point", member.Point)
	began := time.Now()
	var err error
	into.Summary, err = part.source.Restore(ctx, part.from, part.plan, c.request.Show)
	into.LoadSeconds = time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("restore %s from point %s: %w", member.Source, member.Point, err)
	}
	record.State, record.Summary = repository.StateDone, &into.Summary
	if record.Lost, err = sealLost(ctx, part.from, part.damage.Lost()); err != nil {
		return err
	}
	return c.note(ctx, record)
}

func (c *carrier) compare(ctx context.Context, i int) error {
	part, member, into := &c.parts[i], c.Set[i], &c.result.Sources[i]
	c.request.Log.Info("comparison begun", "source", member.Source, "point", member.Point)
	began := time.Now()
	comparison, err := part.source.Compare(ctx, part.from, part.plan, c.request.Show)
	into.CompareSeconds = time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("compare %s with point %s: %w", member.Source, member.Point, err)
	}
	into.Lost = append(into.Lost, part.damage.Lost()...)
	into.Equal = comparison.Equal() && len(into.Lost) == 0
	into.Items = append(into.Items, comparison.Items...)
	into.Differences = append(into.Differences, comparison.Differences...)
	into.Deviations = append(into.Deviations, comparison.Deviations...)
	c.request.Log.Info("comparison ended", "source", member.Source, "point", member.Point, "equal", into.Equal, "items", len(into.Items))
	return c.note(ctx, repository.RestoreRecord{Step: repository.StepCompare, State: repository.StateDone, Source: member.Source, Equal: &into.Equal})
}

// finish removes from the targets what was kept there for being resumed.
func (c *carrier) finish(ctx context.Context) error {
	for _, part := range c.parts {
		finisher, ok := part.source.Restorer.(source.Finisher)
		if !ok {
			continue
		}
		if err := finisher.Finish(ctx, part.from, part.plan); err != nil {
			return fmt.Errorf("finish the restore of %s: %w", part.source.Name, err)
		}
	}
	return nil
}

// Deviations counts what differs as the settings ask for.
func (r *Result) Deviations() int {
	n := 0
	for _, s := range r.Sources {
		n += len(s.Deviations)
	}
	return n
}

// requireEqual is invariant 3: what was restored is equal, or the restore
// fails and says where.
func (r *Result) requireEqual() error {
	var where []string
	for _, s := range r.Sources {
		for _, l := range s.Lost {
			where = append(where, fmt.Sprintf("%s %s: %s is lost: %s", s.Name, l.Object, l.What, l.Why))
		}
		for _, d := range s.Differences {
			where = append(where, fmt.Sprintf("%s %s: %s: want %s, got %s", s.Name, d.Object, d.What, d.Want, d.Got))
		}
		if len(s.Differences)+len(s.Lost) == 0 && !s.Equal {
			where = append(where, s.Name+": nothing was there to compare")
		}
	}
	if r.Equal {
		return nil
	}
	shown := where[:min(5, len(where))]
	return fault.New(fault.Corrupt, "compare what was restored with the point", "%s: %s", quantity.Count(len(where), "difference", "differences"), strings.Join(shown, "; ")).
		Hint("do not put the target into service; -o json lists every difference")
}
