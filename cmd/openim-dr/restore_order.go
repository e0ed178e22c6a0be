package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
	"github.com/openim-dr/openim-dr/restore"
)

// restoreOrder is a restore as it was ordered, by flags or by an earlier process.
type restoreOrder struct {
	app        *app
	deployment *deployment
	repo       *repository.Repository
	store      storage.Storage // of the repository itself; nil where it cannot be reached
	flags      restoreFlags

	journalled *repository.Repository // whose restore it is, in the journal's words
	away       error                  // why store is nil
	falls      bool                   // back on another place where one lacks a file

	remembered remembered
	all        []config.Source // that the target consists of
	targets    []config.Source // that are restored
	request    restore.Request
	journal    *journal.Journal
}

// remembered is what is kept of an order, sealed, for whoever resumes it.
type remembered struct {
	Target     string                      `json:"target"`
	Sources    []string                    `json:"sources"`
	Select     map[string]source.Selection `json:"select"`
	Overwrite  []string                    `json:"overwrite"`
	Allow      []restore.Allowance         `json:"allow"`
	NoRollback bool                        `json:"noRollback"`
	KeepGoing  bool                        `json:"keepGoing"`
	Quiesce    bool                        `json:"quiesce"`
	Early      bool                        `json:"early"`
	Purge      bool                        `json:"purge"`
	Messages   bool                        `json:"messages"`
}

// read reads the command line and what it names.
func (o *restoreOrder) read(ctx context.Context, args []string) (err error) {
	o.request = restore.Request{Instance: o.deployment.instance(), Log: o.app.log}
	if o.flags.resume != "" {
		err = o.readResume(args)
	} else {
		err = o.readFlags(args)
	}
	if err != nil {
		return err
	}
	o.request.Identities, err = o.app.readIdentities(ctx, o.flags.identities)
	return err
}

// open opens the repository, reads the journal of an earlier process there, and
// makes of the order what the stage wants to know. The caller calls end.
func (o *restoreOrder) open(ctx context.Context) (end func(), err error) {
	if len(o.flags.from) > 0 {
		return o.openFrom(ctx)
	}
	if o.store, end, err = o.app.openStorage(ctx, o.deployment.url, mustExist); err != nil {
		return nil, err
	}
	if err := o.complete(ctx); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

func (o *restoreOrder) complete(ctx context.Context) (err error) {
	if o.repo, err = repository.Open(ctx, o.store, repository.Options{Trust: o.deployment.trust}); err != nil {
		return err
	}
	o.journalled = o.repo
	if o.flags.resume != "" {
		if err := o.readJournal(ctx); err != nil {
			return err
		}
	}
	if err := o.remember(); err != nil {
		return err
	}
	return o.openTargets()
}

// remember hands the order on, and what is kept of it for whoever resumes it.
func (o *restoreOrder) remember() (err error) {
	r, was := &o.request, &o.remembered
	r.Select, r.Overwrite, r.Allow, r.KeepGoing = was.Select, was.Overwrite, was.Allow, was.KeepGoing
	if r.Remember, err = json.Marshal(was); err != nil {
		return fmt.Errorf("keep what was ordered: %w", err)
	}
	return nil
}

// overwrite takes up that the operator agrees to what will be lost.
func (o *restoreOrder) overwrite(ctx context.Context, targets []string) error {
	o.remembered.Overwrite = targets
	if err := o.remember(); err != nil {
		return err
	}
	o.prepareRollback(ctx)
	return nil
}

// readFlags reads an order from the command line.
func (o *restoreOrder) readFlags(args []string) (err error) {
	flags, was := o.flags, &o.remembered
	was.Target, was.Overwrite, was.NoRollback = flags.target, flags.overwrite, flags.noRollback
	was.KeepGoing, was.Quiesce, was.Early, was.Purge, was.Messages = flags.keepGoing, flags.quiesce, flags.early, flags.purge || flags.messages, flags.messages
	if was.Early && !was.Quiesce {
		return usage("read flags", "--release-before-compare needs --quiesce")
	}
	if err := o.readChoice(args); err != nil {
		return err
	}
	for _, name := range flags.allow {
		allowance := restore.Allowance(name)
		if !slices.Contains(restore.Allowances, allowance) {
			return usage("read flags", "--allow knows no %q", name).Hint("--allow takes %s", allowances())
		}
		was.Allow = append(was.Allow, allowance)
	}
	if flags.versions && (flags.missing || flags.surplus) {
		return usage("read flags", "--versions goes with neither --missing-only nor --delete-surplus").
			Hint("older versions are restored into a bucket that is empty or new: --rename BUCKET=NEW")
	}
	targets, err := o.deployment.restoreTargets(flags.target)
	if err != nil {
		return err
	}
	if targets, err = chooseSources(targets, flags.sources); err != nil {
		return err
	}
	if was.Select, err = selections(targets, flags); err != nil {
		return err
	}
	if err := addObjects(was.Select, targets, flags.objects, o.app.stdin); err != nil {
		return err
	}
	some := len(flags.include) > 0 || flags.objects != ""
	for _, t := range targets {
		if some && len(was.Select[t.Name].Include)+len(was.Select[t.Name].Objects) == 0 {
			continue
		}
		was.Sources = append(was.Sources, t.Name)
	}
	o.request.ID = repository.NewRestoreID(time.Now())
	return nil
}

// readChoice reads which points are wanted.
func (o *restoreOrder) readChoice(args []string) error {
	c := &o.request.Choice
	if len(args) > 0 {
		c.Point = args[0]
	}
	if o.flags.at != "" {
		if c.Point != "" && c.Point != repository.Latest {
			return usage("read flags", "--at goes with no POINT: it chooses one itself")
		}
		var err error
		if c.At, err = parseTime(o.flags.at); err != nil {
			return err
		}
	}
	if o.flags.maxAge != "" {
		age, err := quantity.ParseDuration(o.flags.maxAge)
		if err != nil || age <= 0 {
			return usage("read flags", "--max-age %s is no duration", o.flags.maxAge).Hint("for instance 90m, 2h or 7d")
		}
		c.MaxAge = age.Duration()
	}
	return nil
}

// timeLayouts are how people write a time with its zone.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00"}

func parseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage("read flags", "--at %s is no time with a zone", text).
		Hint("for instance 2026-11-23T01:30+08:00 or 2026-11-22T17:30:00Z")
}

// openTargets opens what is restored to.
func (o *restoreOrder) openTargets() error {
	var err error
	if o.all, err = o.deployment.restoreTargets(o.remembered.Target); err != nil {
		return err
	}
	if o.targets, err = chooseSources(o.all, o.remembered.Sources); err != nil {
		return err
	}
	for _, t := range o.targets {
		s, err := openSource(t, sourceOptions{limits: o.deployment.limits()})
		if err != nil {
			return err
		}
		o.request.Sources = append(o.request.Sources, restore.Source{Name: s.name, Kind: s.kind.name, Phase: s.kind.phase, Restorer: s.Source})
	}
	return nil
}

// prepare adds what it takes to change anything.
func (o *restoreOrder) prepare(ctx context.Context, show progress.Reporter) error {
	o.request.Show = show
	if o.journal == nil {
		o.journal = journal.New(o.journalled, o.request.ID, "openim-dr "+version, o.app.log, o.beginIn()...)
	}
	o.request.Journal = o.journal
	if err := o.prepareAround(); err != nil {
		return err
	}
	o.prepareRollback(ctx)
	return nil
}

// prepareRollback adds what keeps what will be overwritten.
func (o *restoreOrder) prepareRollback(ctx context.Context) {
	switch {
	case o.remembered.NoRollback || len(o.remembered.Overwrite) == 0:
	case o.store == nil:
		o.request.NoRollback = fmt.Errorf("it goes into the repository itself, which cannot be used: %w", o.away)
	default:
		o.request.Rollback, o.request.NoRollback = o.app.rollback(ctx, o.deployment, o.store, o.targets, o.request.Show)
	}
}

// prepareAround adds what is done around the restore.
func (o *restoreOrder) prepareAround() error {
	was, c := &o.remembered, o.deployment.config
	if was.Quiesce {
		q, err := newQuiescer(c, o.all, was.Target != "")
		if err != nil {
			return err
		}
		o.request.Quiesce, o.request.ReleaseEarly = workloads{q}, was.Early
	}
	if was.Purge && was.Target != "" {
		return usage("find the caches", "those that are configured are not those of --target").
			Hint("delete there what is stale by hand, and leave --purge-caches out")
	}
	if was.Purge {
		made, err := newCaches(c, was.Messages)
		if err != nil {
			return err
		}
		o.request.Purge = caches(made)
	}
	for _, s := range o.request.Sources {
		if s.Phase == source.Databases && len(was.Select[s.Name].Include) == 0 {
			o.request.ByHand = stepsByHand()
		}
	}
	return nil
}

// places are where journals may be: in the repository, or on this machine.
func (o *restoreOrder) places() []journal.Place {
	if o.store == nil {
		return []journal.Place{onThisMachine("the repository cannot be used")}
	}
	inRepository := journal.Place{Open: func() (storage.ReadWriter, error) { return o.store, nil }}
	return []journal.Place{inRepository, onThisMachine("nothing may be written to the repository")}
}

// beginIn are the places for the journal of a restore that begins. One that may go on
// without the repository must not need it for its journal, and a journal that moved
// in between could be gone on with twice (invariant 8).
func (o *restoreOrder) beginIn() []journal.Place {
	if o.falls {
		return []journal.Place{onThisMachine("the restore may go on without the repository")}
	}
	return o.places()
}

func onThisMachine(why string) journal.Place {
	open := func() (storage.ReadWriter, error) {
		path, err := stateDir()
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("keep a journal on this machine: %w", err)
		}
		return dir.Open(path)
	}
	return journal.Place{Open: open, Local: true, Why: why}
}

// stateDir is where a program keeps what it must find again, as the XDG Base
// Directory Specification has it.
func stateDir() (string, error) {
	if base := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "openim-dr"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a place for what has to be kept: %w", err)
	}
	return filepath.Join(home, ".local", "state", "openim-dr"), nil
}

// goOn is the command that resumes the restore.
func (o *restoreOrder) goOn() string {
	words := []string{"--resume", o.request.ID}
	for _, from := range o.flags.from {
		words = append(words, "--from", shellQuote(from))
	}
	return o.again(words...)
}

// goBack is the command that brings back what a restore has overwritten.
func (o *restoreOrder) goBack(point string, plan *restore.Plan) string {
	words := []string{point}
	for _, target := range plan.Overwritten {
		words = append(words, "--overwrite", shellQuote(target.Target))
	}
	seen := map[string]bool{}
	for _, name := range plan.Losing() {
		if !seen[name] {
			seen[name] = true
			words = append(words, "--source", shellQuote(name))
		}
	}
	if target := o.remembered.Target; target != "" {
		words = append(words, "--target", shellQuote(target))
	}
	return o.again(words...)
}

// again is a restore over the same repository, with the same keys.
func (o *restoreOrder) again(words ...string) string {
	words = append([]string{"openim-dr", "restore"}, words...)
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, shellQuote(value))
		}
	}
	add("--config", o.app.common.config)
	add("--repository", o.app.common.repository)
	for _, key := range o.app.common.trust {
		add("--trust", key)
	}
	for _, file := range o.flags.identities {
		add("--identity", file)
	}
	if o.flags.resume != "" {
		add("--target", o.flags.target)
	}
	return strings.Join(words, " ")
}
