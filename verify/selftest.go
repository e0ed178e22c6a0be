package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// selfTest damages something, and sees whether the drill's own checks find it.
type selfTest struct {
	damage string
	do     func(ctx context.Context) (found bool, detail string, err error)
}

// errNothingToDamage: the point has nothing of the kind.
var errNothingToDamage = errors.New("there is nothing to damage")

// testItself damages private copies of small parts of the points, and the
// scratch servers, and sees that each damage is found (invariant 11). It comes
// last: what it disturbs is of no further use.
func (r *run) testItself(ctx context.Context) error {
	var tests []selfTest
	var points []string
	for _, m := range r.Set.Members {
		of, err := r.fileTests(ctx, m)
		if err != nil {
			return fmt.Errorf("choose what to damage of %s: %w", m.Source, err)
		}
		tests = append(tests, of...)
		if !slices.Contains(points, m.Point.Point) {
			points = append(points, m.Point.Point)
			tests = append(tests, r.pointTests(m.Point)...)
		}
	}
	for _, t := range tests {
		if err := r.test(ctx, t); err != nil {
			return err
		}
	}
	return r.disturbAll(ctx)
}

func (r *run) test(ctx context.Context, t selfTest) error {
	found, detail, err := t.do(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errNothingToDamage):
		return nil
	case err != nil:
		return fmt.Errorf("test whether %s is found: %w", t.damage, err)
	}
	r.proof.SelfTest = append(r.proof.SelfTest, repository.ProofSelfTest{Damage: t.damage, Found: found, Detail: detail})
	return nil
}

// disturbAll changes one small thing in every scratch server that lets it.
func (r *run) disturbAll(ctx context.Context) error {
	for _, s := range r.Scratch {
		disturber, ok := s.Restorer.(source.Disturber)
		if !ok {
			if s.Phase != source.Configuration { // whose documents are compared as they are read
				r.note("the comparison of %s was not tested", s.Name)
			}
			continue
		}
		if err := r.disturb(ctx, s, disturber); err != nil {
			return err
		}
	}
	return nil
}

// disturb changes one small thing in a scratch server, and compares just that.
func (r *run) disturb(ctx context.Context, s Scratch, disturber source.Disturber) error {
	from, plan := r.plan.Of(s.Name)
	disturbed, err := disturber.Disturb(ctx, from, plan)
	if err != nil {
		return fmt.Errorf("disturb %s: %w", s.Name, err)
	}
	if disturbed == nil {
		r.note("%s holds nothing that a drill could change to test its comparison", s.Name)
		return nil
	}
	return r.test(ctx, selfTest{disturbed.What, func(ctx context.Context) (bool, string, error) {
		selection := disturbed.Select
		selection.Attempt = source.Attempt{ID: r.ID, Resumed: true} // what is there is of this drill
		plan, err := s.Plan(ctx, from, selection)
		if err != nil {
			return false, "", err
		}
		comparison, err := s.Compare(ctx, from, plan, progress.Discard)
		if err != nil {
			return false, "", err
		}
		if slices.ContainsFunc(comparison.Differences, func(d source.Difference) bool { return d.What == disturbed.Finds }) {
			return true, "the comparison found it: " + disturbed.Finds, nil
		}
		return false, "the comparison did not see it", nil
	}})
}
