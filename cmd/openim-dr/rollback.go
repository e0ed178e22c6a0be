package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/restore"
)

// rollback returns what takes a point of what is about to be overwritten, or why
// that cannot be had.
func (a *app) rollback(ctx context.Context, d *deployment, store storage.ReadWriter, targets []config.Source, show progress.Reporter) (restore.Rollback, error) {
	if d.config == nil {
		return nil, usage("take a rollback point", "there is no configuration, which names the keys to seal and to sign it with").
			Hint("give --config FILE")
	}
	options, err := d.writerOptions()
	if err != nil {
		return nil, err
	}
	writer, err := repository.OpenWriter(ctx, store, options)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, lost []restore.Overwritten) (string, error) {
		sources, err := d.rollbackSources(targets, lost)
		if err != nil {
			return "", err
		}
		result, err := backup.Run(ctx, writer, backup.Options{
			Instance: d.config.Instance, Stream: repository.RollbackStream, Sources: sources, Show: show, Log: a.log,
		})
		if err != nil {
			return "", err
		}
		if !result.Complete {
			return "", fault.New(fault.Failed, "keep what will be overwritten", "rollback point %s lacks what could not be read there", result.Point).
				Hint("openim-dr show %s says how much", result.Point)
		}
		return result.Point, nil
	}, nil
}

// rollbackSources are the targets as sources of just what will be lost.
func (d *deployment) rollbackSources(targets []config.Source, lost []restore.Overwritten) ([]backup.Source, error) {
	parts := map[string][]string{}
	for _, o := range lost {
		parts[o.Source] = append(parts[o.Source], o.Parts...)
	}
	var sources []backup.Source
	for _, t := range targets {
		if len(parts[t.Name]) == 0 {
			continue
		}
		at := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == t.Kind })
		t.Settings = kinds()[at].only(t.Settings, parts[t.Name])
		if err := t.Settings.Validate(); err != nil {
			return nil, fmt.Errorf("capture what %s will lose: %w", t.Name, err)
		}
		o, err := openSource(t, sourceOptions{limits: d.limits(), acceptShrink: true})
		if err != nil {
			return nil, err
		}
		sources = append(sources, backup.Source{Name: o.name, Kind: o.kind.name, FormatVersion: o.kind.formatVersion, Phase: o.kind.phase, Capturer: o})
	}
	return sources, nil
}
