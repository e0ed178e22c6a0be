package restore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
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
	Equal      bool               `json:"equal"`
}

// Refused returns the error that keeps the plan from being carried out, or
// nil.
func (p *Plan) Refused() error {
	if len(p.Refusals) == 0 {
		return nil
	}
	first := p.Refusals[0]
	e := fault.New(fault.Refused, "restore", "%s", first.Why).On("into " + first.Target)
	if first.Code != "occupied" {
		e = fault.New(fault.Refused, "restore", "%s", first.Why).On(first.Target)
	}
	hint := first.Try
	if more := len(p.Refusals) - 1; more > 0 {
		targets := make([]string, 0, more)
		for _, r := range p.Refusals[1:] {
			targets = append(targets, r.Target)
		}
		hint += fmt.Sprintf(" (and %d more: %s; --plan shows all)", more, strings.Join(targets, ", "))
	}
	return e.Hint("%s", hint)
}

// Carry carries the plan out: configuration, then databases, then files, then
// the comparison of everything. A difference is a fault.Corrupt error, with
// the result beside it.
func (p *Plan) Carry(ctx context.Context) (*Result, error) {
	if err := p.Refused(); err != nil {
		return nil, err
	}
	began := time.Now()
	result := &Result{Restore: repository.NewRestoreID(began), Sources: make([]SourceResult, len(p.parts))}
	for i := range p.parts {
		if err := p.load(ctx, i, &result.Sources[i]); err != nil {
			return result, err
		}
	}
	result.Equal = len(p.parts) > 0
	for i := range p.parts {
		if err := p.compare(ctx, i, &result.Sources[i]); err != nil {
			return result, err
		}
		result.Equal = result.Equal && result.Sources[i].Equal
	}
	result.RTOSeconds = time.Since(began).Seconds()
	return result, result.requireEqual()
}

func (p *Plan) load(ctx context.Context, i int, into *SourceResult) error {
	part, member := p.parts[i], p.Set[i]
	*into = SourceResult{Name: member.Source, Kind: member.Kind, Point: member.Point, Items: []source.Compared{}, Differences: []source.Difference{}, Deviations: []source.Deviation{}}
	p.request.Log.Info("restore begun", "source", member.Source, "point", member.Point)
	began := time.Now()
	var err error
	into.Summary, err = part.source.Restore(ctx, part.from, part.plan, p.request.Show)
	into.LoadSeconds = time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("restore %s from point %s: %w", member.Source, member.Point, err)
	}
	return nil
}

func (p *Plan) compare(ctx context.Context, i int, into *SourceResult) error {
	part, member := p.parts[i], p.Set[i]
	p.request.Log.Info("comparison begun", "source", member.Source, "point", member.Point)
	began := time.Now()
	comparison, err := part.source.Compare(ctx, part.from, part.plan, p.request.Show)
	into.CompareSeconds = time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("compare %s with point %s: %w", member.Source, member.Point, err)
	}
	into.Equal = comparison.Equal()
	into.Items = append(into.Items, comparison.Items...)
	into.Differences = append(into.Differences, comparison.Differences...)
	into.Deviations = append(into.Deviations, comparison.Deviations...)
	p.request.Log.Info("comparison ended", "source", member.Source, "point", member.Point, "equal", into.Equal, "items", len(into.Items))
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
		for _, d := range s.Differences {
			where = append(where, fmt.Sprintf("%s %s: %s: want %s, got %s", s.Name, d.Object, d.What, d.Want, d.Got))
		}
		if len(s.Differences) == 0 && !s.Equal {
			where = append(where, s.Name+": nothing was there to compare")
		}
	}
	if r.Equal {
		return nil
	}
	shown := where[:min(5, len(where))]
	return fault.New(fault.Corrupt, "compare what was restored with the point", "%d differences: %s", len(where), strings.Join(shown, "; ")).
		Hint("do not put the target into service; -o json lists every difference")
}
