// Package restore plans a restore, then carries the plan out, and ends with
// the comparison that shows whether what came back is what was saved.
package restore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/spelling"
)

// Source is a target for what one source of a point holds.
type Source struct {
	Name  string
	Kind  string
	Phase source.Phase
	source.Restorer
}

// Allowance names a refusal that the operator overrules.
type Allowance string

// What can be overruled.
const (
	Unsigned  Allowance = "unsigned"       // no trusted signature
	Instance  Allowance = "instance"       // a point of another instance
	Downgrade Allowance = source.Downgrade // into an older server
	Clock     Allowance = source.Clock     // a quarantined point, or a target whose clock is wrong
	Replica   Allowance = source.Replica   // into a server that follows another
)

// Allowances lists all of them.
var Allowances = []Allowance{Unsigned, Instance, Downgrade, Clock, Replica}

// Request is what the operator asks for.
type Request struct {
	Choice
	Instance   string // whose points are one's own; empty: whatever the point says
	Sources    []Source
	Identities []seal.Identity
	Select     map[string]source.Selection // by source name
	Overwrite  []string                    // targets, spelled as the plan prints them
	Allow      []Allowance
	// Rollback takes a point of what will be overwritten; nil where none is
	// wanted. NoRollback says why none can be taken that is wanted.
	Rollback   Rollback
	NoRollback error
	// KeepGoing brings back all that is not damaged.
	KeepGoing bool
	// Quiesce and Purge are what is done around the restore; nil: nothing.
	// ReleaseEarly starts again what was stopped before the comparison.
	Quiesce      Quiescer
	Purge        Purger
	ReleaseEarly bool
	// ByHand are steps that nobody but an operator can take.
	ByHand []string
	// Journal, where there is one, makes a restore that can be resumed; Resumed is
	// what an earlier process has done of it.
	Journal Journal
	Resumed *journal.History
	// Remember is what whoever resumes it wants to know again. It is sealed.
	Remember []byte
	ID       string // of the restore
	Show     progress.Reporter
	Log      *slog.Logger
}

// Journal notes what a restore does.
type Journal interface {
	Note(ctx context.Context, r repository.RestoreRecord) error
}

// Rollback takes a point of what a restore is about to overwrite, and returns
// its id.
type Rollback func(ctx context.Context, lost []Overwritten) (point string, err error)

// Overwritten is what a restore destroys, as agreed.
type Overwritten struct {
	Source string
	source.Occupied
}

// Plan is what a restore would do, in the order of execution, and why it
// would not.
type Plan struct {
	Restore  string   `json:"restore"` // id of the restore
	Set      []Member `json:"set"`
	Steps    []Step   `json:"steps"`
	Checks   []Check  `json:"checks"`
	Warnings []string `json:"warnings"`
	// Estimate is how long it will take from now on, as drills have measured it;
	// null where no drill has measured one of the sources, which Unmeasured names.
	Estimate   *float64  `json:"estimateSeconds"`
	Unmeasured []string  `json:"unmeasured"`
	Refusals   []Refusal `json:"refusals"`
	// Deviations are what will not come back as it was, as the settings allow.
	Deviations []Deviation `json:"deviations"`
	// ByHand are steps that are left to people.
	ByHand []string `json:"byHand"`
	// Overwritten are the targets whose data is given up, by name.
	Overwritten []source.Occupied `json:"overwritten"`
	// FellBack is what came from a copy so far; null: nothing. Content is read later.
	FellBack *repository.FellBack `json:"fellBack"`

	parts   []sourcePlan      // parallel to Set
	servers map[string]string // at whose addresses the targets are, by source; see identify
	lost    []Overwritten
	request Request
	repo    *repository.Repository
	listing *repository.Listing
	began   time.Time
}

// Member is the point that one source is restored from.
type Member struct {
	Source     string    `json:"source"`
	Kind       string    `json:"kind"`
	Point      string    `json:"point"`
	Time       time.Time `json:"time"`
	AgeSeconds float64   `json:"ageSeconds"`
	// Proven says when this very state was last shown to come back; null: never.
	Proven *time.Time `json:"provenAt"`
	// NewestProven is the newest state that was, where this one was not. The plan
	// never takes it by itself.
	NewestProven *Alternative `json:"newestProven"`
	repository.Summary
}

// Alternative is a point that could be restored instead.
type Alternative struct {
	Point  string    `json:"point"`
	Time   time.Time `json:"time"`
	Proven time.Time `json:"provenAt"`
	// OlderSeconds is how much older it is than the point that is planned; less
	// than 0 where it is newer.
	OlderSeconds float64 `json:"olderSeconds"`
}

// Deviation is what one source will not bring back as it was.
type Deviation struct {
	Source string `json:"source"`
	source.Deviation
}

// Step is one line of the plan.
type Step struct {
	Source string `json:"source"`
	source.Step
}

// Check is something that was looked at before anything is touched.
type Check struct {
	Check  string `json:"check"`
	Source string `json:"source"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Refusal is a reason not to begin, with the words that overrule it.
type Refusal struct {
	Code   string `json:"code"` // "occupied", an Allowance, or what a source calls it
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

// sourcePlan is what is needed to carry one member out.
type sourcePlan struct {
	source Source
	from   *repository.SourceReader
	plan   *source.Plan
	damage *source.Damage // nil: it does not keep going
}

// MakePlan chooses the restore set, looks at points and targets, and changes
// nothing. It fails where the restore could not even begin: no such point, no
// key that opens it, a server that does not answer.
func MakePlan(ctx context.Context, repo *repository.Repository, r Request) (*Plan, error) {
	p := &Plan{
		Restore: r.ID, Set: []Member{}, Steps: []Step{}, Checks: []Check{}, Warnings: []string{}, Refusals: []Refusal{}, Deviations: []Deviation{}, Unmeasured: []string{},
		ByHand: append([]string{}, r.ByHand...), request: r, repo: repo, began: time.Now(),
		servers: map[string]string{},
	}
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, err
	}
	p.listing = listing
	for _, b := range listing.Broken {
		p.warn("point %s cannot be read and is left aside: %v", b.ID, b.Err)
	}
	for _, s := range inOrder(r.Sources) {
		point, err := r.For(listing, r.Instance, s.Name)
		if err != nil {
			return nil, err
		}
		if err := p.add(ctx, repo, point, s); err != nil {
			return nil, fmt.Errorf("plan the restore of %s: %w", s.Name, err)
		}
	}
	p.planRollback()
	if err := p.planAround(ctx); err != nil {
		return nil, err
	}
	p.compareAges()
	p.estimate()
	p.FellBack = repo.FellBack()
	if r.Resumed != nil {
		return p, p.checkResumed()
	}
	return p, p.checkOverwrite()
}

// add plans one source.
func (p *Plan) add(ctx context.Context, repo *repository.Repository, point *repository.Point, s Source) error {
	p.judge(point, s.Name)
	from, _ := repository.SourceOf(repo.Unlock(point, p.request.Identities), s.Name)
	if from.Kind() != s.Kind {
		return fault.New(fault.Usage, "restore source "+s.Name, "point %s holds it as %s, and the target is %s", point.Point, from.Kind(), s.Kind)
	}
	if err := from.CheckKeys(ctx); err != nil {
		return err
	}
	p.check("keys", s.Name, "every key of the point opens")
	damage, err := p.damageOf(ctx, from)
	if err != nil {
		return err
	}
	part := sourcePlan{source: s, from: from, damage: damage}
	want := p.request.Select[s.Name]
	if err := p.checkFiles(ctx, part, want); err != nil {
		return err
	}
	if err := p.identify(ctx, s); err != nil {
		return err
	}
	want.Damage = damage
	if want.Attempt, err = p.request.attempt(ctx, from); err != nil {
		return err
	}
	planned, err := s.Plan(ctx, from, want)
	if err != nil {
		return err
	}
	part.plan = planned
	p.take(point, part)
	return nil
}

// checkFiles looks whether what is wanted of a source is there.
func (p *Plan) checkFiles(ctx context.Context, part sourcePlan, want source.Selection) (err error) {
	name, files := part.source.Name, part.from.Files()
	if chooser, ok := part.source.Restorer.(source.Chooser); ok {
		if files, err = chooser.Needs(part.from, want); err != nil {
			return err
		}
	}
	count, err := part.from.CheckPresent(ctx, files)
	switch {
	case part.damage.Tolerates(err):
		p.Checks = append(p.Checks, Check{"files", name, false, err.Error()})
		p.warn("%v: --keep-going brings back the rest", err)
		return nil
	case err != nil:
		return err
	}
	p.check("files", name, "every file is there with its size: "+quantity.Count(count, "file", "files"))
	return nil
}

// take enters what a source has planned.
func (p *Plan) take(point *repository.Point, part sourcePlan) {
	s, planned := part.source, part.plan
	member := Member{
		Source: s.Name, Kind: s.Kind, Point: point.Point, Time: point.Started,
		AgeSeconds: time.Since(point.Started).Seconds(), Summary: part.from.Summary(),
	}
	p.addProof(point, &member)
	p.Set = append(p.Set, member)
	p.parts = append(p.parts, part)
	for _, step := range planned.Steps {
		p.Steps = append(p.Steps, Step{s.Name, step})
	}
	p.Warnings = append(p.Warnings, planned.Warnings...)
	for _, d := range planned.Deviations {
		p.Deviations = append(p.Deviations, Deviation{s.Name, d})
	}
	for _, c := range planned.Checks {
		p.Checks = append(p.Checks, Check{c.Check, s.Name, c.OK, c.Detail})
	}
	for _, refusal := range planned.Refusals {
		p.heed(refusal)
	}
	for _, o := range planned.Occupied {
		if slices.Contains(p.request.Overwrite, o.Target) {
			if p.request.Rollback != nil {
				p.warn("%s holds %s: it will be replaced, and kept as a rollback point", o.Target, o.Holds)
			} else {
				p.warn("%s holds %s: it will be lost", o.Target, o.Holds)
			}
			p.lost = append(p.lost, Overwritten{s.Name, o})
			p.Overwritten = append(p.Overwritten, o)
			continue
		}
		// Invariant 5: only the target's own name, typed again, opens the way.
		p.Refusals = append(p.Refusals, Refusal{"occupied", o.Target, "it holds " + o.Holds + ", which would be lost",
			"to go on, name the target again: --overwrite " + o.Target})
	}
}

// heed refuses what a source refuses, unless that is allowed.
func (p *Plan) heed(r source.Refusal) {
	if slices.Contains(p.request.Allow, Allowance(r.Code)) {
		p.warn("%s: %s; allowed by --allow %s", r.Target, r.Why, r.Code)
		return
	}
	p.Refusals = append(p.Refusals, Refusal(r))
}

// judge refuses a point that cannot be trusted, unless that is allowed.
func (p *Plan) judge(point *repository.Point, name string) {
	p.doubt(Unsigned, point, name, point.Untrusted != nil, "signed by "+point.Signer, func() string { return "it is " + point.Untrusted.Error() })
	p.doubt(Clock, point, name, point.Quarantined != "", "its times agree with the storage's clock", func() string { return point.Quarantined })
	foreign := p.request.Instance != "" && point.Instance != p.request.Instance
	p.doubt(Instance, point, name, foreign, "of instance "+point.Instance, func() string { return "it is of instance " + point.Instance + ", not of " + p.request.Instance })
	if !point.Complete {
		p.warn("point %s is incomplete: %v", point.Point, point.Missing)
	}
	if point.Forgotten != nil {
		p.warn("point %s is forgotten (%s) and will be swept", point.Point, point.Forgotten.Reason)
	}
}

func (p *Plan) doubt(a Allowance, point *repository.Point, name string, bad bool, good string, why func() string) {
	switch {
	case !bad:
		p.check(string(a), name, good)
	case slices.Contains(p.request.Allow, a):
		p.warn("point %s: %s; allowed by --allow %s", point.Point, why(), a)
	default:
		p.Checks = append(p.Checks, Check{string(a), name, false, why()})
		p.Refusals = append(p.Refusals, Refusal{string(a), "point " + point.Point, why(), "if you know why that is so: --allow " + string(a)})
	}
}

// checkOverwrite refuses to take a permission for something that is not
// there: it was meant for another target.
func (p *Plan) checkOverwrite() error {
	var occupied []string
	for _, part := range p.parts {
		for _, o := range part.plan.Occupied {
			occupied = append(occupied, o.Target)
		}
	}
	for _, target := range p.request.Overwrite {
		if slices.Contains(occupied, target) {
			continue
		}
		e := fault.New(fault.Usage, "plan the restore", "--overwrite %s names nothing that this restore would overwrite", target)
		if len(occupied) == 0 {
			return e.Hint("no target holds data that would be lost: leave --overwrite out")
		}
		return e.Hint("the nearest of what would be: --overwrite %s; openim-dr restore --plan prints all of them", spelling.Nearest(target, occupied))
	}
	return nil
}

// Losing names the sources whose targets are overwritten.
func (p *Plan) Losing() []string {
	var names []string
	for _, o := range p.lost {
		names = append(names, o.Source)
	}
	return names
}

func (p *Plan) check(name, source, detail string) {
	p.Checks = append(p.Checks, Check{name, source, true, detail})
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// inOrder puts the configuration first: servers need their secrets.
func inOrder(sources []Source) []Source {
	rank := func(s Source) int {
		if s.Phase == source.Configuration {
			return -1
		}
		return int(s.Phase)
	}
	return slices.SortedStableFunc(slices.Values(sources), func(a, b Source) int { return cmp.Compare(rank(a), rank(b)) })
}

// Of returns what one source has planned, and what it reads from; nil where the
// plan has no such source.
func (p *Plan) Of(name string) (*repository.SourceReader, *source.Plan) {
	for _, part := range p.parts {
		if part.source.Name == name {
			return part.from, part.plan
		}
	}
	return nil, nil
}

// Phase returns the phase of one member of the set.
func (p *Plan) Phase(member int) source.Phase { return p.parts[member].source.Phase }
