package restore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// What a source keeps for whoever resumes comes back to it, the newest of it, and
// nobody else reads it.
func TestWhatASourceKeeps(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	secrets := []string{"somebody@host", "somebody@host, another@host"}
	r.Sources[0].Restorer = keeping{&repotest.Sample{Name: "main"}, secrets, new(string)}
	if _, err := plan(t, f, r).Carry(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	for _, name := range memory.Names() {
		if strings.Contains(string(memory.Content(name)), "somebody") {
			t.Errorf("%s holds what was kept in the clear", name)
		}
	}
	got := new(string)
	r.Sources[0].Restorer = keeping{&repotest.Sample{Name: "main"}, nil, got}
	plan(t, f, resumed(t, f, r))
	if want := secrets[1]; *got != want {
		t.Errorf("got %q, want %q", *got, want)
	}
}

// keeping keeps things, and fails.
type keeping struct {
	*repotest.Sample
	secrets []string
	kept    *string // by the process before
}

func (k keeping) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	*k.kept = string(want.Attempt.Kept)
	return k.Sample.Plan(ctx, from, want)
}

func (k keeping) Restore(ctx context.Context, _ *repository.SourceReader, p *source.Plan, _ progress.Reporter) (repository.Summary, error) {
	for _, s := range k.secrets {
		if err := p.Private.(source.Attempt).Keep(ctx, []byte(s)); err != nil {
			return repository.Summary{}, err
		}
	}
	return repository.Summary{}, errors.New("connection lost")
}

// What could not be brought back stands in the result also where another process
// compares than the one that has loaded, and whoever cannot open the point does not
// learn its name.
func TestWhatIsLostIsNotForgotten(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	lost := source.Lost{Object: "media/secret-key", What: "the object", Why: "its pack is damaged", Include: "media/secret-key", Names: []string{"media", "secret-key"}}
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	target := &damaged{Sample: &repotest.Sample{Name: "main"}, lost: lost, compare: errors.New("killed")}
	r.KeepGoing, r.Sources[0].Restorer = true, target
	if _, err := plan(t, f, r).Carry(t.Context()); !errors.Is(err, target.compare) {
		t.Fatal(err)
	}
	for _, name := range memory.Names() {
		if strings.Contains(string(memory.Content(name)), "secret-key") {
			t.Errorf("%s names in the clear what is lost", name)
		}
	}
	again := resumed(t, f, r)
	again.KeepGoing = false // the flag may have come with a resume, whose flags are not kept
	target.compare = nil
	result, err := plan(t, f, again).Carry(t.Context())
	if result == nil || len(result.Sources[0].Lost) != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	requireKind(t, err, fault.Corrupt, "secret-key")
	lost.Offer = result.Sources[0].Lost[0].Offer
	if diff := cmp.Diff(lost, result.Sources[0].Lost[0]); diff != "" || lost.Offer == "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// damaged loses something, and fails to compare.
type damaged struct {
	*repotest.Sample
	lost    source.Lost
	damage  *source.Damage
	compare error
}

func (d *damaged) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	d.damage = want.Damage
	return d.Sample.Plan(ctx, from, want)
}

func (d *damaged) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	d.damage.Add(d.lost)
	return d.Sample.Restore(ctx, from, p, show)
}

func (d *damaged) Compare(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	if d.compare != nil {
		return nil, d.compare
	}
	return d.Sample.Compare(ctx, from, p, show)
}
