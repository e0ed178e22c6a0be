package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// attempt says to a source which restore it is, and what was done of it. Without
// a journal nobody could resume it, and nothing is kept for that.
func (r *Request) attempt(ctx context.Context, from *repository.SourceReader) (a source.Attempt, err error) {
	if r.Journal == nil {
		return a, nil
	}
	name := from.Name()
	a = source.Attempt{ID: r.ID, Resumed: r.Resumed != nil}
	if r.Resumed != nil {
		a.Begun, a.Agreed, a.Loaded = r.Resumed.Begun(), r.Overwrite, r.Resumed.Done(repository.StepLoad, name)
		if kept := r.Resumed.Kept(name); kept != nil {
			if a.Kept, err = from.Unseal(ctx, kept); err != nil {
				return a, err
			}
		}
	}
	note := func(ctx context.Context, more repository.RestoreRecord) error {
		more.Step, more.State, more.Source = repository.StepLoad, repository.StateGoingOn, name
		return r.Journal.Note(ctx, more)
	}
	a.Fence = func(ctx context.Context) error { return note(ctx, repository.RestoreRecord{}) }
	a.Note = func(ctx context.Context, target string) error {
		return note(ctx, repository.RestoreRecord{Targets: []string{target}})
	}
	a.Keep = func(ctx context.Context, data []byte) error {
		sealed, err := from.Seal(ctx, data)
		if err != nil {
			return err
		}
		return note(ctx, repository.RestoreRecord{Kept: sealed})
	}
	return a, nil
}

// done reports whether an earlier process has brought a step to its end.
func (p *Plan) done(step repository.RestoreStep, source string) bool {
	return p.request.Resumed != nil && p.request.Resumed.Done(step, source)
}

// targets are all that the plan writes to.
func (p *Plan) targets() []string {
	var all []string
	for _, part := range p.parts {
		all = append(all, part.targets()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *sourcePlan) targets() []string {
	var all []string
	for _, step := range s.plan.Steps {
		all = append(all, step.Target)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkResumed refuses to go on where the settings lead elsewhere by now.
func (p *Plan) checkResumed() error {
	was, is := p.request.Resumed.Targets(), p.targets()
	if slices.Equal(was, is) {
		return nil
	}
	return fault.New(fault.Refused, "resume restore "+p.Restore, "it has begun to write to %s, and the settings now lead to %s", strings.Join(was, ", "), strings.Join(is, ", ")).
		Hint("give the same --config and --target as before; or begin a new restore")
}

// identify finds out which server is at the address of a target. A restore is not
// gone on with at another one: what is there nobody has agreed to lose.
func (p *Plan) identify(ctx context.Context, s Source) error {
	target, tells := s.Restorer.(source.Recognizable)
	if !tells || p.request.Journal == nil {
		return nil
	}
	is, err := target.ServerID(ctx)
	if err != nil {
		return fmt.Errorf("ask which server it is: %w", err)
	}
	if is != "" {
		p.servers[s.Name] = is
	}
	was := ""
	if p.request.Resumed != nil {
		was = p.request.Resumed.Servers()[s.Name]
	}
	switch {
	case was == "" || was == is:
		return nil
	case is == "":
		p.warn("the server of %s did say which one it is when the restore began, and does not say it any more: make sure that it is still that one", s.Name)
		return nil
	default:
		return fault.New(fault.Refused, "resume restore "+p.Restore, "the server of %s is another one than that which it has begun with: it is %s, and that was %s", s.Name, is, was).
			Hint("see that the address leads to the server of then; if that one is gone for good, begin a new restore into this one: openim-dr restore --plan")
	}
}

// planRollback plans to keep what will be overwritten.
func (p *Plan) planRollback() {
	switch {
	case len(p.lost) == 0 || p.done(repository.StepRollback, ""):
	case p.request.NoRollback != nil:
		for _, o := range p.lost {
			p.Refusals = append(p.Refusals, Refusal{
				Code: "rollback", Target: o.Target, Why: "no rollback point can be taken of what it holds: " + p.request.NoRollback.Error(),
				Try: "to lose it for good: --no-rollback-point",
			})
		}
	case p.request.Rollback == nil:
		p.warn("no rollback point is taken: what is overwritten is lost for good")
	default:
		steps := make([]Step, 0, len(p.lost)+len(p.Steps))
		for _, o := range p.lost {
			steps = append(steps, Step{o.Source, source.Step{Action: "take a rollback point", Target: o.Target}})
		}
		p.Steps = append(steps, p.Steps...)
	}
}
