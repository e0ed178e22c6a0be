package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/runbook"
	"github.com/openim-dr/openim-dr/internal/source"
)

// kind is a kind of source: what it is configured with, and how it is made.
type kind struct {
	name          string
	formatVersion int
	phase         source.Phase
	settings      func() config.Settings
	open          func(name string, settings config.Settings, o sourceOptions) (source.Source, error)
	// only returns settings with which just these parts are captured, as they
	// stand in source.Occupied.
	only func(settings config.Settings, parts []string) config.Settings
	// parts says what the settings kept out of a point, and what of it stands
	// elsewhere; nil where a kind's manifest shows all by itself.
	parts func(captured json.RawMessage) []string
	// byHand writes the part of a page about restoring with stock tools;
	// settings are nil where nothing is known of the target.
	byHand func(s runbook.Source, settings config.Settings) (*runbook.Part, error)
}

// kinds is the table of all kinds: a new one is one line here.
func kinds() []kind {
	return []kind{
		{"mysql", 1, source.Databases, func() config.Settings { return new(mysql.Settings) }, openMySQL, onlyOf[*mysql.Settings], mysql.Parts, mysqlByHand},
		{"buckets", 1, source.Files, func() config.Settings { return new(bucket.Settings) }, openBuckets, onlyOf[*bucket.Settings], nil, bucketsByHand},
		{"kubernetes", 1, source.Configuration, func() config.Settings { return new(kube.Settings) }, openKubernetes, onlyOf[*kube.Settings], kube.Parts, kubernetesByHand},
	}
}

// sourceOptions are what flags and limits say to a source.
type sourceOptions struct {
	limits       config.Limits
	acceptShrink bool
	fullCheck    bool
	scratch      bool         // a server that is thrown away
	log          *slog.Logger // of what commands print; nil: nowhere
}

func openMySQL(name string, settings config.Settings, o sourceOptions) (source.Source, error) {
	return mysql.New(name, settings.(*mysql.Settings), mysql.Options{Workers: o.limits.Workers, Scratch: o.scratch, Recognise: openim.Recognise})
}

func openBuckets(name string, settings config.Settings, o sourceOptions) (source.Source, error) {
	return bucket.New(name, settings.(*bucket.Settings), bucket.Options{
		Workers: o.limits.Workers, Memory: int64(o.limits.Memory), AcceptShrink: o.acceptShrink, FullCheck: o.fullCheck,
		Bandwidth: int64(o.limits.Bandwidth), Requests: float64(o.limits.Requests),
	})
}

func openKubernetes(name string, settings config.Settings, o sourceOptions) (source.Source, error) {
	cluster, err := kube.New(name, settings.(*kube.Settings))
	if err == nil {
		cluster.LogTo(o.log)
	}
	return cluster, err
}

// onlyOf calls the method of a kind's own settings.
func onlyOf[S interface {
	config.Settings
	Only(parts []string) S
}](settings config.Settings, parts []string) config.Settings {
	return settings.(S).Only(parts) // the table keeps kinds and settings together
}

func mysqlByHand(s runbook.Source, settings config.Settings) (*runbook.Part, error) {
	known, _ := settings.(*mysql.Settings)
	return mysql.ByHand(s, known)
}

func bucketsByHand(s runbook.Source, settings config.Settings) (*runbook.Part, error) {
	known, _ := settings.(*bucket.Settings)
	return bucket.ByHand(s, known)
}

func kubernetesByHand(s runbook.Source, settings config.Settings) (*runbook.Part, error) {
	known, _ := settings.(*kube.Settings)
	return kube.ByHand(s, known)
}

// byHand returns what writes a kind's part of a runbook. A point may hold what
// this version does not know.
func byHand(kind string) func(runbook.Source, config.Settings) (*runbook.Part, error) {
	for _, k := range kinds() {
		if k.name == kind {
			return k.byHand
		}
	}
	return func(s runbook.Source, _ config.Settings) (*runbook.Part, error) { return runbook.Unknown(s, kind), nil }
}

// partsOf says what of a source the point itself does not hold.
func partsOf(s repository.Source) []string {
	for _, k := range kinds() {
		if k.name == s.Kind && k.parts != nil {
			return k.parts(s.Captured)
		}
	}
	return nil
}

// settingsOfKinds is the table as the configuration wants it.
func settingsOfKinds() config.Kinds {
	table := config.Kinds{}
	for _, k := range kinds() {
		table[k.name] = k.settings
	}
	return table
}

// opened is a source that is ready.
type opened struct {
	name string
	kind kind
	source.Source
}

// openSource makes one source.
func openSource(s config.Source, o sourceOptions) (opened, error) {
	for _, k := range kinds() {
		if k.name != s.Kind {
			continue
		}
		made, err := k.open(s.Name, s.Settings, o)
		if err != nil {
			return opened{}, fmt.Errorf("open source %s: %w", s.Name, err)
		}
		return opened{s.Name, k, made}, nil
	}
	return opened{}, usage("open source "+s.Name, "there is no kind %q", s.Kind) // config has refused it before
}

// chooseSources returns those that are named, or all where none is.
func chooseSources(all []config.Source, names []string) ([]config.Source, error) {
	if len(names) == 0 {
		return all, nil
	}
	chosen := make([]config.Source, 0, len(names))
	for i, name := range names {
		at := slices.IndexFunc(all, func(s config.Source) bool { return s.Name == name })
		if at < 0 {
			return nil, usage("choose sources", "there is no source %q", name).Hint("sources: %s", strings.Join(namesOf(all), ", "))
		}
		if !slices.Contains(names[:i], name) {
			chosen = append(chosen, all[at])
		}
	}
	return chosen, nil
}
