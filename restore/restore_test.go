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

func fixture(t *testing.T) (*repotest.Fixture, *repotest.Memory) {
	t.Helper()
	memory := repotest.NewMemory()
	return repotest.Over(t, memory), memory
}

func plan(t *testing.T, f *repotest.Fixture, r restore.Request) *restore.Plan {
	t.Helper()
	p, err := restore.MakePlan(t.Context(), f.Open(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func requireKind(t *testing.T, err error, want fault.Kind, says ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Fatalf("got %v (%v), want an error that is %v", err, fault.KindOf(err), want)
	}
	for _, s := range says {
		if e, _ := fault.Outermost(err); !strings.Contains(err.Error()+e.Try, s) {
			t.Errorf("%v (hint: %s) does not say %q", err, e.Try, s)
		}
	}
}

func TestRestoreEndsWithAComparison(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	target := &repotest.Sample{Name: "main"}
	result, err := bringBack(t.Context(), f, "latest", target)
	if err != nil || !result.Equal || len(result.Sources) != 1 || len(result.Sources[0].Items) != 2 {
		t.Fatalf("got %+v, %v", result, err)
	}
	requireEqual(t, "restored", target, small())
}

// Invariant 5: a target that holds data is overwritten only if it is named.
func TestOccupiedTarget(t *testing.T) {
	const target = "sample/host/main"
	tests := map[string]struct {
		overwrite []string
		want      fault.Kind
		refused   bool
	}{
		"not named":             {nil, fault.Refused, true},
		"named again":           {[]string{target}, 0, false},
		"another one named":     {[]string{"sample/host/other"}, fault.Usage, false},
		"its beginning":         {[]string{"sample/host/"}, fault.Usage, false},
		"named, and another is": {[]string{target, "sample/host/other"}, fault.Usage, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			mustBackUp(t, f, small())
			occupied := &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "precious"}}
			r := request(f, "latest", occupied)
			r.Overwrite = tt.overwrite
			p, err := restore.MakePlan(t.Context(), f.Open(t), r)
			if err == nil {
				_, err = p.Carry(t.Context())
			}
			if tt.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				requireEqual(t, "overwritten", occupied, small())
				return
			}
			requireKind(t, err, tt.want, "--overwrite "+target)
			if occupied.Tables["a/b"] != "precious" || len(occupied.Tables) != 1 {
				t.Error("the target was touched")
			}
			if tt.refused {
				requireKind(t, err, fault.Refused, target, "--overwrite "+target)
			}
		})
	}
}

// A target that is misspelled leads to the nearest, and one that is not needed to
// none at all.
func TestMisspelledTarget(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small(), &repotest.Sample{Name: "media", Tables: small().Tables})
	occupied := func(name string) *repotest.Sample {
		return &repotest.Sample{Name: name, Tables: map[string]string{"a/b": "precious"}}
	}
	tests := map[string]struct {
		targets []*repotest.Sample
		typed   string
		hint    string
	}{
		"a letter is wrong":     {[]*repotest.Sample{occupied("main"), occupied("media")}, "sample/host/mian", "the nearest of what would be: --overwrite sample/host/main;"},
		"a letter is missing":   {[]*repotest.Sample{occupied("main"), occupied("media")}, "sample/host/meda", "the nearest of what would be: --overwrite sample/host/media;"},
		"nothing is occupied":   {[]*repotest.Sample{{Name: "main"}}, "sample/host/main", "leave --overwrite out"},
		"it is another's alone": {[]*repotest.Sample{{Name: "main"}, occupied("media")}, "sample/host/main", "--overwrite sample/host/media;"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := request(f, "latest", tt.targets...)
			r.Overwrite = []string{tt.typed}
			_, err := restore.MakePlan(t.Context(), f.Open(t), r)
			requireKind(t, err, fault.Usage, "--overwrite "+tt.typed+" names nothing", tt.hint)
		})
	}
}

func TestPlanSaysWhatWillBeLost(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	r := request(f, "latest", &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "precious"}})
	r.Overwrite = []string{"sample/host/main"}
	if p := plan(t, f, r); len(p.Refusals) != 0 || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "will be lost") }) {
		t.Errorf("refusals %v, warnings %v", p.Refusals, p.Warnings)
	}
}

// Invariants 3 and 11: what is not equal is no success, and neither is nothing.
func TestDifferenceFailsTheRestore(t *testing.T) {
	tests := map[string]struct {
		comparison source.Comparison
		equal      bool
	}{
		"equal":               {source.Comparison{Items: []source.Compared{{Name: "t", Equal: true}}}, true},
		"different":           {source.Comparison{Items: []source.Compared{{Name: "t"}}, Differences: []source.Difference{{Object: "t", What: "digest", Want: "a", Got: "b"}}}, false},
		"nothing to compare":  {source.Comparison{}, false},
		"different, unlisted": {source.Comparison{Differences: []source.Difference{{Object: "t", What: "missing"}}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			mustBackUp(t, f, small())
			r := request(f, "latest", &repotest.Sample{Name: "main"})
			r.Sources[0].Restorer = scripted{&repotest.Sample{Name: "main"}, &tt.comparison}
			result, err := plan(t, f, r).Carry(t.Context())
			if result.Equal != tt.equal {
				t.Errorf("equal is %v", result.Equal)
			}
			if tt.equal != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				requireKind(t, err, fault.Corrupt)
			}
		})
	}
}

// scripted compares as it is told.
type scripted struct {
	*repotest.Sample
	comparison *source.Comparison
}

func (s scripted) Compare(ctx context.Context, _ *repository.SourceReader, _ *source.Plan, _ progress.Reporter) (*source.Comparison, error) {
	return s.comparison, ctx.Err()
}

// Invariant 3, with a target that loses something on the way.
func TestDamageAtTheTargetIsFound(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	for name, lose := range map[string]func(s *repotest.Sample){
		"a row":              func(s *repotest.Sample) { s.Tables["openIM_v3/users"] = "1\tAnn\n" },
		"a table":            func(s *repotest.Sample) { clear(s.Tables) },
		"an object":          func(s *repotest.Sample) { delete(s.Objects, "a/b") },
		"one object is more": func(s *repotest.Sample) { s.Objects["x"] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := request(f, "latest", &repotest.Sample{Name: "main"})
			target := &repotest.Sample{Name: "main"}
			r.Sources[0].Restorer = losing{target, lose}
			_, err := plan(t, f, r).Carry(t.Context())
			requireKind(t, err, fault.Corrupt, "digest")
		})
	}
}

// losing forgets something after it was restored.
type losing struct {
	*repotest.Sample
	lose func(*repotest.Sample)
}

func (l losing) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	sum, err := l.Sample.Restore(ctx, from, p, show)
	l.lose(l.Sample)
	return sum, err
}

func TestPointsThatAreDoubtful(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string, r *restore.Request)
		allow restore.Allowance
	}{
		"not signed": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, id string, _ *restore.Request) {
			m.Damage("points/"+id+"/manifest.json.minisig", nil)
		}, restore.Unsigned},
		"of another instance": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, _ string, r *restore.Request) {
			r.Instance = "other"
		}, restore.Instance},
		"with a clock that was wrong": {func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, id string, _ *restore.Request) {
			m.Age("points/"+id+"/manifest.json", -2)
		}, restore.Clock},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := fixture(t)
			id := mustBackUp(t, f, small())
			r := request(f, id, &repotest.Sample{Name: "main"})
			tt.spoil(t, f, m, id, &r)
			_, err := plan(t, f, r).Carry(t.Context())
			requireKind(t, err, fault.Refused, "--allow "+string(tt.allow))

			for _, other := range restore.Allowances {
				if other != tt.allow {
					r.Allow = append(r.Allow, other)
				}
			}
			if plan(t, f, r).Refused() == nil {
				t.Error("what allows something else allows this too")
			}
			r.Allow = []restore.Allowance{tt.allow}
			if _, err := plan(t, f, r).Carry(t.Context()); err != nil {
				t.Errorf("allowed, and yet: %v", err)
			}
		})
	}
}

func TestPlanRefusesBeforeAnythingIsTouched(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, r *restore.Request)
		want  fault.Kind
	}{
		"no such point": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, r *restore.Request) { r.Point = "1999" }, fault.Usage},
		"no such source": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, r *restore.Request) {
			r.Sources[0].Name = "x"
		}, fault.Usage},
		"of another kind": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, r *restore.Request) {
			r.Sources[0].Kind = "mysql"
		}, fault.Usage},
		"no key": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, r *restore.Request) { r.Identities = nil }, fault.Usage},
		"a file that is gone": {func(t *testing.T, _ *repotest.Fixture, m *repotest.Memory, _ *restore.Request) {
			remove(t, m, ".tsv.zst.age")
		}, fault.Corrupt},
		"a pack that is gone": {func(t *testing.T, _ *repotest.Fixture, m *repotest.Memory, _ *restore.Request) {
			remove(t, m, ".tar.age")
		}, fault.Corrupt},
		"a wrap that is gone": {func(t *testing.T, _ *repotest.Fixture, m *repotest.Memory, _ *restore.Request) { remove(t, m, "keys/") }, fault.Corrupt},
		"no point of that name": {func(_ *testing.T, _ *repotest.Fixture, _ *repotest.Memory, r *restore.Request) {
			r.Point, r.Instance = "latest", "other"
		}, fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := fixture(t)
			id := mustBackUp(t, f, small())
			r := request(f, id, &repotest.Sample{Name: "main"})
			tt.spoil(t, f, m, &r)
			_, err := restore.MakePlan(t.Context(), f.Open(t), r)
			requireKind(t, err, tt.want)
		})
	}
}

// What is damaged and not wanted keeps nobody from what is.
func TestDamageThatIsNotWanted(t *testing.T) {
	f, m := fixture(t)
	id := mustBackUp(t, f, &repotest.Sample{Name: "main", Tables: map[string]string{"app/users": "1", "app/logs": "2"}})
	remove(t, m, "/logs/")
	for unwanted, want := range map[string]fault.Kind{"logs": 0, "users": fault.Corrupt} {
		r := request(f, id, &repotest.Sample{Name: "main"})
		r.Sources[0].Restorer = choosing{&repotest.Sample{Name: "main"}, []string{"app", unwanted}}
		p, err := restore.MakePlan(t.Context(), f.Open(t), r)
		if want != 0 {
			requireKind(t, err, want)
		} else if err != nil || !slices.ContainsFunc(p.Checks, func(c restore.Check) bool { return c.Check == "files" && c.OK }) {
			t.Errorf("without %s: %+v, %v", unwanted, p, err)
		}
	}
}

// choosing needs all but something.
type choosing struct {
	*repotest.Sample
	unwanted []string
}

func (c choosing) Needs(from *repository.SourceReader, _ source.Selection) ([]repository.File, error) {
	return from.FilesWithout(c.unwanted), nil
}

func remove(t *testing.T, m *repotest.Memory, part string) {
	t.Helper()
	for _, name := range m.Names() {
		if strings.Contains(name, part) {
			m.Damage(name, nil)
		}
	}
}

func TestLatestIsChosenPerSource(t *testing.T) {
	f, _ := fixture(t)
	media := &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}}
	both := mustBackUp(t, f, small(), media)
	only := mustBackUp(t, f, small())
	p := plan(t, f, request(f, "latest", &repotest.Sample{Name: "main"}, &repotest.Sample{Name: "media"}))
	if len(p.Set) != 2 || p.Set[0].Point != only || p.Set[1].Point != both {
		t.Errorf("set %+v, want main of %s and media of %s", p.Set, only, both)
	}
}

func TestOrderOfRestore(t *testing.T) {
	f, _ := fixture(t)
	var samples []*repotest.Sample
	for _, name := range []string{"files", "base", "config"} {
		samples = append(samples, &repotest.Sample{Name: name})
	}
	mustBackUp(t, f, samples...)
	r := request(f, "latest", samples...)
	r.Sources[0].Phase, r.Sources[1].Phase, r.Sources[2].Phase = source.Files, source.Databases, source.Configuration
	var got []string
	for _, member := range plan(t, f, r).Set {
		got = append(got, member.Source)
	}
	if want := []string{"config", "base", "files"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestRestoreThatFailsIsNoSuccess(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	lost := errors.New("connection lost")
	r := request(f, "latest", &repotest.Sample{Name: "main"})
	r.Sources[0].Restorer = broken{&repotest.Sample{Name: "main"}, lost}
	result, err := plan(t, f, r).Carry(t.Context())
	if !errors.Is(err, lost) || result.Equal {
		t.Errorf("got %+v, %v", result, err)
	}
}

type broken struct {
	*repotest.Sample
	err error
}

func (b broken) Restore(context.Context, *repository.SourceReader, *source.Plan, progress.Reporter) (repository.Summary, error) {
	return repository.Summary{}, b.err
}
