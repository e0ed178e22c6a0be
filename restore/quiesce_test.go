package restore_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// around writes down in which order things are done.
type around struct {
	did    []string
	failed map[string]error
}

func (a *around) do(what string, note func(string) error) error {
	a.did = append(a.did, what)
	if err := a.failed[what]; err != nil {
		return err
	}
	return note(what)
}

func (a *around) Plan(context.Context) (*restore.Measure, error) {
	return &restore.Measure{
		Steps:  []source.Step{{Action: "a step around", Target: "kubernetes/test/openim"}},
		Checks: []string{"may be scaled"}, Warnings: []string{"mind the sequence numbers"},
	}, nil
}

func (a *around) Stop(_ context.Context, _ string, note func(string) error) error {
	return a.do("stop", note)
}

func (a *around) Release(_ context.Context, _ string, note func(string) error) error {
	return a.do("release", note)
}

func (a *around) Purge(_ context.Context, note func(string) error) error { return a.do("purge", note) }

// writing notes when a target is written to and compared.
type writing struct {
	*repotest.Sample
	around *around
	spoil  bool
}

func (w writing) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	if err := w.around.do("load", func(string) error { return nil }); err != nil {
		return repository.Summary{}, err
	}
	return w.Sample.Restore(ctx, from, p, show)
}

func (w writing) Compare(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	if err := w.around.do("compare", func(string) error { return nil }); err != nil {
		return nil, err
	}
	if w.spoil {
		clear(w.Tables)
	}
	return w.Sample.Compare(ctx, from, p, show)
}

// What writes to the targets is stopped before anything is overwritten, and
// starts again only when everything was shown to be equal.
func TestWhatWritesIsStopped(t *testing.T) {
	tests := map[string]struct {
		early  bool
		spoil  bool
		failed string
		want   []string
		stays  bool // stopped, or some of it
	}{
		"equal":                     {want: []string{"stop", "rollback", "load", "purge", "compare", "release"}},
		"released early":            {early: true, want: []string{"stop", "rollback", "load", "purge", "release", "compare"}},
		"not equal":                 {spoil: true, want: []string{"stop", "rollback", "load", "purge", "compare"}, stays: true},
		"it cannot be stopped":      {failed: "stop", want: []string{"stop"}, stays: true},
		"the load fails":            {failed: "load", want: []string{"stop", "rollback", "load"}, stays: true},
		"the caches are not purged": {failed: "purge", want: []string{"stop", "rollback", "load", "purge"}, stays: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			mustBackUp(t, f, small())
			a := &around{failed: map[string]error{tt.failed: errors.New("it fails")}}
			target := &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "precious"}}
			r := journalled(t, f, "latest", target)
			r.Sources[0].Restorer = writing{target, a, tt.spoil}
			r.Quiesce, r.Purge, r.ReleaseEarly = a, a, tt.early
			r.Overwrite = []string{"sample/host/main"}
			r.Rollback = func(context.Context, []restore.Overwritten) (string, error) {
				return "20261127T020000Z-abcd", a.do("rollback", func(string) error { return nil })
			}
			result, err := plan(t, f, r).Carry(t.Context())
			if (err == nil) != (tt.failed == "" && !tt.spoil) {
				t.Fatalf("ends with %v", err)
			}
			if !slices.Equal(a.did, tt.want) {
				t.Errorf("did %v, want %v", a.did, tt.want)
			}
			if result.Stopped != tt.stays {
				t.Errorf("stopped %v, want %v", result.Stopped, tt.stays)
			}
		})
	}
}

// Whoever resumes stops again what may have been started, and purges only once.
func TestResumedAround(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	a := &around{failed: map[string]error{"compare": errors.New("connection lost")}}
	target := &repotest.Sample{Name: "main"}
	r := journalled(t, f, "latest", target)
	r.Sources[0].Restorer = writing{target, a, false}
	r.Quiesce, r.Purge = a, a
	if _, err := plan(t, f, r).Carry(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	a.did, a.failed = nil, nil
	if _, err := plan(t, f, resumed(t, f, r)).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"stop", "compare", "release"}; !slices.Equal(a.did, want) {
		t.Errorf("did %v, want %v", a.did, want)
	}
	_, h, err := journal.Find(t.Context(), f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(memory))
	if err != nil || !h.Done(repository.StepRelease, "") || !h.Ended() {
		t.Errorf("the journal does not tell: %+v, %v", h, err)
	}
}
