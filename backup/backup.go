// Package backup takes one recovery point from the configured sources.
package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Source is a configured source as a backup needs it.
type Source struct {
	Name          string
	Kind          string
	FormatVersion int
	Phase         source.Phase
	source.Capturer
}

// Options are what a run is made of.
type Options struct {
	Instance string
	Stream   string
	Sources  []Source
	Show     progress.Reporter
	Log      *slog.Logger
}

// Result is what a run took.
type Result struct {
	Point    string             `json:"point"`
	Stream   string             `json:"stream"`
	Complete bool               `json:"complete"`
	Sources  []SourceResult     `json:"sources"`
	Stored   int64              `json:"stored"` // bytes added to the repository
	Seconds  float64            `json:"seconds"`
	Warnings []repository.Count `json:"warnings"`
	Missing  []repository.Count `json:"missing"`
}

// SourceResult is what a run took of one source.
type SourceResult struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	repository.Summary
	Stored   int64   `json:"stored"`
	Seconds  float64 `json:"seconds"`
	Complete bool    `json:"complete"`
}

// Run takes one recovery point. The point exists once Commit has written the
// manifest; whatever fails before that leaves no point (invariant 1).
func Run(ctx context.Context, w *repository.Writer, o Options) (*Result, error) {
	began := time.Now()
	ctx, lease, err := w.Acquire(ctx, repository.StreamLease(o.Instance, o.Stream))
	if err != nil {
		return nil, err
	}
	defer lease.Release()

	draft, err := w.Begin(ctx, o.Stream, names(o.Sources))
	if err != nil {
		return nil, lost(ctx, err)
	}
	defer draft.Abandon()
	o.Log.Info("point begun", "point", draft.Point(), "stream", o.Stream)

	for _, s := range inOrder(o.Sources) {
		if err := capture(ctx, draft, s, o); err != nil {
			return nil, lost(ctx, fmt.Errorf("capture %s: %w", s.Name, err))
		}
	}
	manifest, err := draft.Commit(ctx)
	if err != nil {
		return nil, lost(ctx, err)
	}
	o.Log.Info("point committed", "point", manifest.Point, "stream", manifest.Stream, "seq", manifest.Seq,
		"complete", manifest.Complete, "stored", manifest.Stored)
	return resultOf(manifest, time.Since(began)), nil
}

func capture(ctx context.Context, draft *repository.Draft, s Source, o Options) error {
	part := draft.Source(s.Name, s.Kind, s.FormatVersion)
	o.Log.Info("source begun", "point", draft.Point(), "source", s.Name, "kind", s.Kind)
	if err := s.Capture(ctx, part, o.Show); err != nil {
		return err
	}
	o.Log.Info("source captured", "point", draft.Point(), "source", s.Name, "stored", part.Stored())
	return nil
}

// inOrder puts databases before files.
func inOrder(sources []Source) []Source {
	return slices.SortedStableFunc(slices.Values(sources), func(a, b Source) int { return cmp.Compare(a.Phase, b.Phase) })
}

func names(sources []Source) []string {
	all := make([]string, len(sources))
	for i, s := range sources {
		all[i] = s.Name
	}
	return all
}

// lost says why the work ended where the reason is that the lease was lost.
func lost(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), repository.ErrLeaseLost) {
		return err
	}
	return fault.New(fault.Busy, "take a point", "%w (%w)", repository.ErrLeaseLost, err).
		Hint("nothing is lost: no point was left behind; see what else writes this stream, and run it again")
}

func resultOf(m *repository.Manifest, took time.Duration) *Result {
	r := &Result{
		Point: m.Point, Stream: m.Stream, Complete: m.Complete, Stored: m.Stored, Seconds: took.Seconds(),
		Sources: []SourceResult{}, Warnings: []repository.Count{}, Missing: []repository.Count{},
	}
	r.Missing = append(r.Missing, m.Missing...)
	for _, s := range m.Sources {
		r.Warnings = append(r.Warnings, s.Warnings...)
		r.Sources = append(r.Sources, SourceResult{
			Name: s.Name, Kind: s.Kind, Summary: s.Summary, Stored: s.Stored,
			Seconds: s.Ended.Sub(s.Started).Seconds(), Complete: s.Complete,
		})
	}
	return r
}
