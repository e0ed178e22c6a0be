// Package restore plans a restore, then carries the plan out, and ends with
// the comparison that shows whether what came back is what was saved.
package restore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
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
	Unsigned Allowance = "unsigned" // no trusted signature
	Instance Allowance = "instance" // a point of another instance
	Clock    Allowance = "clock"    // a quarantined point
)

// Allowances lists all of them.
var Allowances = []Allowance{Unsigned, Instance, Clock}

// Request is what the operator asks for.
type Request struct {
	Point      string // id, unique prefix or latest
	Instance   string // whose points are one's own; empty: whatever the point says
	Sources    []Source
	Identities []seal.Identity
	Select     map[string]source.Selection // by source name
	Overwrite  []string                    // targets, spelled as the plan prints them
	Allow      []Allowance
	Show       progress.Reporter
	Log        *slog.Logger
}

// Plan is what a restore would do, in the order of execution, and why it
// would not.
type Plan struct {
	Set      []Member  `json:"set"`
	Steps    []Step    `json:"steps"`
	Checks   []Check   `json:"checks"`
	Warnings []string  `json:"warnings"`
	Estimate *float64  `json:"estimateSeconds"` // null: no proof yet
	Refusals []Refusal `json:"refusals"`
	// Deviations are what will not come back as it was, as the settings allow.
	Deviations []Deviation `json:"deviations"`
	// Overwritten are the targets whose data is given up, by name.
	Overwritten []source.Occupied `json:"overwritten"`

	parts   []sourcePlan // parallel to Set
	request Request
}

// Member is the point that one source is restored from.
type Member struct {
	Source     string    `json:"source"`
	Kind       string    `json:"kind"`
	Point      string    `json:"point"`
	Time       time.Time `json:"time"`
	AgeSeconds float64   `json:"ageSeconds"`
	repository.Summary
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
	Code   string `json:"code"` // "occupied", or an Allowance
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

// sourcePlan is what is needed to carry one member out.
type sourcePlan struct {
	source Source
	from   *repository.SourceReader
	plan   *source.Plan
}

// MakePlan chooses the restore set, looks at points and targets, and changes
// nothing. It fails where the restore could not even begin: no such point, no
// key that opens it, a server that does not answer.
func MakePlan(ctx context.Context, repo *repository.Repository, r Request) (*Plan, error) {
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{Set: []Member{}, Steps: []Step{}, Checks: []Check{}, Warnings: []string{}, Refusals: []Refusal{}, Deviations: []Deviation{}, Overwritten: []source.Occupied{}, request: r}
	for _, b := range listing.Broken {
		p.warn("point %s cannot be read and is left aside: %v", b.ID, b.Err)
	}
	for _, s := range inOrder(r.Sources) {
		point, err := choose(listing, r, s.Name)
		if err != nil {
			return nil, err
		}
		if err := p.add(ctx, repo, point, s); err != nil {
			return nil, fmt.Errorf("plan the restore of %s: %w", s.Name, err)
		}
	}
	return p, p.checkOverwrite()
}

// choose returns the point that one source is restored from: the one that is
// named, or the newest eligible one that holds the source.
func choose(listing *repository.Listing, r Request, name string) (*repository.Point, error) {
	if r.Point == "" || r.Point == repository.Latest {
		latest, err := listing.Find(repository.Latest)
		if err != nil {
			return nil, err
		}
		instance := cmp.Or(r.Instance, latest.Instance)
		if point := listing.Newest(instance, name); point != nil {
			return point, nil
		}
		return nil, fault.New(fault.Usage, "choose a point for source "+name, "no complete point of instance %q holds it", instance).
			Hint("openim-dr list --all shows what each point holds; --source NAME restores only some sources")
	}
	point, err := listing.Find(r.Point)
	if err != nil {
		return nil, err
	}
	if _, ok := point.SourceNamed(name); !ok {
		return nil, fault.New(fault.Usage, "restore source "+name, "point %s does not hold it; it holds %s", point.Point, strings.Join(sourceNames(point), ", ")).
			Hint("leave the source out with --source, or choose another point")
	}
	return point, nil
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
	count, err := from.CheckPresent(ctx)
	if err != nil {
		return err
	}
	p.check("files", s.Name, fmt.Sprintf("all %d files are there with their size", count))
	planned, err := s.Plan(ctx, from, p.request.Select[s.Name])
	if err != nil {
		return err
	}
	p.take(point, s, from, planned)
	return nil
}

// take enters what a source has planned.
func (p *Plan) take(point *repository.Point, s Source, from *repository.SourceReader, planned *source.Plan) {
	p.Set = append(p.Set, Member{
		Source: s.Name, Kind: s.Kind, Point: point.Point, Time: point.Started,
		AgeSeconds: time.Since(point.Started).Seconds(), Summary: from.Summary(),
	})
	p.parts = append(p.parts, sourcePlan{s, from, planned})
	for _, step := range planned.Steps {
		p.Steps = append(p.Steps, Step{s.Name, step})
	}
	p.Warnings = append(p.Warnings, planned.Warnings...)
	for _, d := range planned.Deviations {
		p.Deviations = append(p.Deviations, Deviation{s.Name, d})
	}
	for _, o := range planned.Occupied {
		if slices.Contains(p.request.Overwrite, o.Target) {
			p.warn("%s holds %s: it will be lost", o.Target, o.Holds)
			p.Overwritten = append(p.Overwritten, o)
			continue
		}
		// Invariant 5: only the target's own name, typed again, opens the way.
		p.Refusals = append(p.Refusals, Refusal{"occupied", o.Target, "it holds " + o.Holds + ", which would be lost",
			"to go on, name the target again: --overwrite " + o.Target})
	}
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
	for _, target := range p.request.Overwrite {
		known := slices.ContainsFunc(p.parts, func(part sourcePlan) bool {
			return slices.ContainsFunc(part.plan.Occupied, func(o source.Occupied) bool { return o.Target == target })
		})
		if !known {
			return fault.New(fault.Usage, "plan the restore", "--overwrite %s names nothing that this restore would overwrite", target).
				Hint("openim-dr restore --plan prints the targets that hold data")
		}
	}
	return nil
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

func sourceNames(p *repository.Point) []string {
	var names []string
	for _, s := range p.Sources {
		names = append(names, s.Name)
	}
	return names
}
