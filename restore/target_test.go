package restore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// Where the settings lead elsewhere by now, nothing is gone on with.
func TestResumeIntoAnotherTarget(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	if _, err := plan(t, f, r).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := resumed(t, f, r)
	again.Sources[0].Restorer = elsewhere{&repotest.Sample{Name: "main"}}
	_, err := restore.MakePlan(t.Context(), f.Open(t), again)
	requireKind(t, err, fault.Refused, "sample/elsewhere", "sample/host/main")
}

// Another server at the same address has nothing of what was restored so far, and
// what it holds nobody has agreed to lose (invariant 5).
func TestResumeAtAnotherServer(t *testing.T) {
	tests := map[string]struct {
		was, is string
		refused bool
		warned  bool
	}{
		"the same":                 {"one", "one", false, false},
		"another one":              {"one", "two", true, false},
		"it did not tell":          {"", "two", false, false},
		"it does not tell it more": {"one", "", false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			mustBackUp(t, f, small())
			r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
			r.Sources[0].Restorer = broken{&repotest.Sample{Name: "main", Server: tt.was}, errors.New("connection lost")}
			if _, err := plan(t, f, r).Carry(t.Context()); err == nil {
				t.Fatal("it did not fail")
			}
			r.Sources[0].Restorer = &repotest.Sample{Name: "main", Server: tt.is}
			p, err := restore.MakePlan(t.Context(), f.Open(t), resumed(t, f, r))
			if tt.refused {
				requireKind(t, err, fault.Refused, "another one", tt.was, tt.is, "begin a new restore")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if warned := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "does not say it any more") }); warned != tt.warned {
				t.Errorf("warnings %v", p.Warnings)
			}
			if result, err := p.Carry(t.Context()); err != nil || !result.Equal {
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
}

// Invariant 5: what somebody has filled between two processes of a restore is not
// theirs, unless the first has begun to write to it.
func TestTargetThatIsFilledMeanwhile(t *testing.T) {
	for name, began := range map[string]bool{"before the restore has come to it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			mustBackUp(t, f, small())
			r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
			lost := errors.New("connection lost")
			r.Sources[0].Restorer = broken{&repotest.Sample{Name: "main"}, lost}
			if began {
				r.Sources[0].Restorer = failing{&repotest.Sample{Name: "main"}, lost}
			}
			if _, err := plan(t, f, r).Carry(t.Context()); !errors.Is(err, lost) {
				t.Fatal(err)
			}
			r.Sources[0].Restorer = &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "of somebody"}}
			again := resumed(t, f, r)
			if got, want := again.Resumed.Begun(), []string{"sample/host/main"}; began != slices.Equal(got, want) {
				t.Errorf("begun are %v", got)
			}
			p := plan(t, f, again)
			if began {
				if p.Refused() != nil {
					t.Error(p.Refused())
				}
				return
			}
			requireKind(t, p.Refused(), fault.Refused, "--overwrite sample/host/main")
		})
	}
}

// failing ends with an error what it has restored.
type failing struct {
	*repotest.Sample
	err error
}

func (f failing) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	sum, err := f.Sample.Restore(ctx, from, p, show)
	return sum, errors.Join(err, f.err)
}

type elsewhere struct{ *repotest.Sample }

func (e elsewhere) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	p, err := e.Sample.Plan(ctx, from, want)
	p.Steps[0].Target = "sample/elsewhere"
	return p, err
}
