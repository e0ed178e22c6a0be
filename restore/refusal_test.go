package restore_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// reluctant plans with a check that failed and a refusal.
type reluctant struct {
	*repotest.Sample
	code string
}

func (r reluctant) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	plan, err := r.Sample.Plan(ctx, from, want)
	if err != nil {
		return nil, err
	}
	plan.Checks = append(plan.Checks, source.Check{Check: "weather", Detail: "it rains"})
	plan.Refusals = append(plan.Refusals, source.Refusal{Code: r.code, Target: "sample/host", Why: "it rains", Try: "--allow " + r.code})
	return plan, nil
}

// What a source refuses stands until its own code is allowed, and a code that
// nobody can allow stands for ever.
func TestRefusalsOfASource(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	for code, want := range map[string]bool{source.Downgrade: true, source.Replica: true, source.Clock: true, "read-only": false} {
		t.Run(code, func(t *testing.T) {
			target := &repotest.Sample{Name: "main"}
			r := request(f, "latest", target)
			r.Sources[0].Restorer = reluctant{target, code}
			for _, other := range restore.Allowances {
				if string(other) != code {
					r.Allow = append(r.Allow, other)
				}
			}
			p := plan(t, f, r)
			if !slices.Contains(p.Checks, restore.Check{Check: "weather", Source: "main", Detail: "it rains"}) {
				t.Errorf("checks %v, want the source's among them", p.Checks)
			}
			_, err := p.Carry(t.Context())
			requireKind(t, err, fault.Refused, "it rains", "--allow "+code)
			if len(target.Tables) != 0 {
				t.Error("the target was touched")
			}

			r.Allow = restore.Allowances
			p = plan(t, f, r)
			if allowed := p.Refused() == nil; allowed != want {
				t.Fatalf("everything is allowed, and it is refused: %v, want %v", !allowed, !want)
			}
			if want && !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "it rains; allowed by --allow "+code) }) {
				t.Errorf("warnings %q, want one of what is allowed", p.Warnings)
			}
		})
	}
}
