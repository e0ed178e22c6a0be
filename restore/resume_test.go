package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/restore"
)

// in makes the storage of a fixture the place of journals.
func in(store storage.ReadWriter) journal.Place {
	return journal.Place{Open: func() (storage.ReadWriter, error) { return store, nil }}
}

// journalled is a request whose restore can be resumed.
func journalled(t *testing.T, f *repotest.Fixture, point string, targets ...*repotest.Sample) restore.Request {
	t.Helper()
	r := request(f, point, targets...)
	r.ID = repository.NewRestoreID(time.Now())
	r.Remember = []byte("what was asked for")
	r.Journal = journal.New(f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(f.Store))
	return r
}

// resumed is the request of a process that goes on.
func resumed(t *testing.T, f *repotest.Fixture, r restore.Request) restore.Request {
	t.Helper()
	kept, history, err := journal.Find(t.Context(), f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(f.Store))
	if err != nil {
		t.Fatal(err)
	}
	r.Journal, r.Resumed, r.Points = kept, history, history.Points()
	return r
}

// counting counts how often it is restored.
type counting struct {
	*repotest.Sample
	times *atomic.Int64
}

func (c counting) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	c.times.Add(1)
	return c.Sample.Restore(ctx, from, p, show)
}

// Whatever call of the storage is the last of a process, another one goes on to
// an equal end, and what was noted as done is not done again.
func TestRestoreIsResumed(t *testing.T) {
	base := newBase(t, &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}})
	var calls []faulty.Call
	synctest.Test(t, func(t *testing.T) {
		f, memory := base.copy()
		var err error
		if _, _, calls, err = cutOff(t, f, memory, 0); err != nil {
			t.Fatal(err)
		}
	})
	steps := map[repository.RestoreStep]int{}
	for _, c := range calls {
		if _, _, noted := repository.RestoreOf(c.Name); !noted && c.N%5 != 0 {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			f, memory := base.copy()
			r, first, _, err := cutOff(t, f, memory, c.N)
			if err == nil {
				t.Fatalf("%v fails, and the restore does not", c)
			}
			f.Store = memory
			if _, _, err := journal.Find(t.Context(), f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(memory)); err != nil {
				requireKind(t, err, fault.Usage, "there is none")
				steps["none"]++
				return
			}
			steps[goOn(t, f, r)]++
			requireEqual(t, fmt.Sprintf("resumed after %v", c), first, small())
		})
	}
	t.Logf("the last that was noted: %v", steps)
	for _, step := range []repository.RestoreStep{"none", repository.StepBegin, repository.StepLoad, repository.StepCompare} {
		if steps[step] == 0 {
			t.Errorf("no process ended after %q", step)
		}
	}
}

// cutOff restores over a storage that fails from call number at on.
func cutOff(t *testing.T, f *repotest.Fixture, memory *repotest.Memory, at int) (restore.Request, *repotest.Sample, []faulty.Call, error) {
	t.Helper()
	target := &repotest.Sample{Name: "main"}
	plan := faulty.Plan{}
	if at > 0 {
		plan = faulty.Plan{Fault: faulty.Fail, At: at, Times: -1}
	}
	store := faulty.New(memory, plan)
	f.Store = memory
	r := journalled(t, f, "latest", target, &repotest.Sample{Name: "media"})
	r.Journal = journal.New(f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(store))
	repo, err := repository.Open(t.Context(), store, repository.Options{Trust: f.Trust})
	if err != nil {
		return r, target, nil, err
	}
	p, err := restore.MakePlan(t.Context(), repo, r)
	if err == nil {
		_, err = p.Carry(t.Context())
	}
	return r, target, store.Calls(), err
}

// goOn resumes a restore, and returns the last step that was noted before.
func goOn(t *testing.T, f *repotest.Fixture, r restore.Request) repository.RestoreStep {
	t.Helper()
	again := resumed(t, f, r)
	last := again.Resumed.Records[len(again.Resumed.Records)-1]
	var times atomic.Int64
	done := 0
	for i, s := range again.Sources {
		again.Sources[i].Restorer = counting{s.Restorer.(*repotest.Sample), &times}
		if again.Resumed.Done(repository.StepLoad, s.Name) {
			done++
		}
	}
	result, err := plan(t, f, again).Carry(t.Context())
	if err != nil || !result.Equal || result.Resumable {
		t.Fatalf("after %s %s: %+v, %v", last.Step, last.State, result, err)
	}
	if n := int(times.Load()); n != len(again.Sources)-done {
		t.Errorf("after %s %s: %d sources were restored, though %d were done", last.Step, last.State, n, done)
	}
	return last.Step
}

// What was asked for stands in the journal, and only whoever can open the point
// can read it.
func TestJournalIsSealed(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	r.Remember = []byte("media/openim/a-very-secret-key.jpg")
	if _, err := plan(t, f, r).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, name := range memory.Names() {
		if _, _, ok := repository.RestoreOf(name); !ok {
			continue
		}
		records++
		if strings.Contains(string(memory.Content(name)), "secret-key") {
			t.Errorf("%s holds what was asked for in the clear", name)
		}
	}
	again := resumed(t, f, r)
	plain, err := f.Source(t, "latest", "main").Unseal(t.Context(), again.Resumed.Request())
	if err != nil || string(plain) != string(r.Remember) {
		t.Errorf("got %q, %v", plain, err)
	}
	if records < 4 || !again.Resumed.Ended() {
		t.Errorf("%d records, ended %v", records, again.Resumed.Ended())
	}
}

// Two processes that go on with one restore do not get far: one of them finds
// that the other has written the next record.
func TestTwoThatResumeAtOnce(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	r.Sources[0].Restorer = broken{&repotest.Sample{Name: "main"}, errors.New("connection lost")}
	if _, err := plan(t, f, r).Carry(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	r.Sources[0].Restorer = &repotest.Sample{Name: "main"}
	one, other := plan(t, f, resumed(t, f, r)), plan(t, f, resumed(t, f, r))
	if _, err := one.Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := other.Carry(t.Context())
	requireKind(t, err, fault.Busy, "another process", "--resume "+r.ID)
}

// A journal goes to this machine where nothing may be written to the repository.
func TestJournalOfAReadOnlyRepository(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	local := repotest.NewMemory()
	denied := faulty.New(memory, faulty.Plan{Fault: faulty.Fail, Times: -1, Kinds: []faulty.Kind{faulty.Create}, Err: storage.ErrDenied})
	places := []journal.Place{in(denied), {Open: in(local).Open, Local: true}}
	var log strings.Builder
	r := request(f, "latest", &repotest.Sample{Name: "main"})
	r.ID = repository.NewRestoreID(time.Now())
	r.Journal = journal.New(f.Open(t), r.ID, "test", slog.New(slog.NewTextHandler(&log, nil)), places...)
	if _, err := plan(t, f, r).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "only here can the restore be resumed") {
		t.Errorf("nobody is told: %s", &log)
	}
	if n := len(local.Names()); n < 4 {
		t.Errorf("%d records on this machine", n)
	}
	if _, h, err := journal.Find(t.Context(), f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), places...); err != nil || !h.Ended() {
		t.Errorf("not found again: %v", err)
	}
}

// Records that are damaged, of another restore or out of their order are not
// believed.
func TestJournalThatIsDamaged(t *testing.T) {
	f, memory := fixture(t)
	mustBackUp(t, f, small())
	r := journalled(t, f, "latest", &repotest.Sample{Name: "main"})
	if _, err := plan(t, f, r).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := repository.RestorePath(r.ID, 2)
	good := memory.Content(second)
	for name, damage := range map[string]func() []byte{
		"torn":                func() []byte { return good[:len(good)/2] },
		"missing":             func() []byte { return nil },
		"of another restore":  func() []byte { return replaced(t, good, "restore", "20200101T000000Z-aaaa") },
		"of another place":    func() []byte { return replaced(t, good, "number", 7) },
		"of another kind":     func() []byte { return replaced(t, good, "kind", "state") },
		"of another storage":  func() []byte { return replaced(t, good, "repository", "x") },
		"of a format to come": func() []byte { return replaced(t, good, "format", 2) },
	} {
		t.Run(name, func(t *testing.T) {
			memory.Damage(second, damage())
			defer memory.Plant(second, good)
			_, _, err := journal.Find(t.Context(), f.Open(t), r.ID, "test", slog.New(slog.DiscardHandler), in(memory))
			requireKind(t, err, fault.Corrupt)
		})
	}
}

func replaced(t *testing.T, document []byte, key string, value any) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(document, &fields); err != nil {
		t.Fatal(err)
	}
	fields[key] = value
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Invariant 5: what is overwritten is kept first, once, and its id is told.
func TestRollbackPoint(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	target := &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "precious"}}
	var seen [][]restore.Overwritten
	take := func(_ context.Context, lost []restore.Overwritten) (string, error) {
		seen = append(seen, lost)
		if target.Tables["a/b"] != "precious" {
			t.Error("the target was touched before")
		}
		return "20261127T020000Z-abcd", nil
	}
	r := journalled(t, f, "latest", target)
	r.Overwrite, r.Rollback = []string{"sample/host/main"}, take
	r.Sources[0].Restorer = broken{target, errors.New("connection lost")}
	p := plan(t, f, r)
	if p.Steps[0].Action != "take a rollback point" {
		t.Errorf("the plan begins with %q", p.Steps[0].Action)
	}
	if result, err := p.Carry(t.Context()); err == nil || result.RollbackPoint == nil || !result.Resumable {
		t.Fatalf("got %+v, %v", result, err)
	}
	r.Sources[0].Restorer = target
	result, err := plan(t, f, resumed(t, f, r)).Carry(t.Context())
	if err != nil || result.RollbackPoint == nil || *result.RollbackPoint != "20261127T020000Z-abcd" {
		t.Fatalf("got %+v, %v", result, err)
	}
	if len(seen) != 1 || seen[0][0].Target != "sample/host/main" || seen[0][0].Source != "main" {
		t.Errorf("taken of %v", seen)
	}
}

func TestWithoutARollbackPoint(t *testing.T) {
	f, _ := fixture(t)
	mustBackUp(t, f, small())
	occupied := func() *repotest.Sample {
		return &repotest.Sample{Name: "main", Tables: map[string]string{"a/b": "precious"}}
	}
	t.Run("that cannot be taken", func(t *testing.T) {
		r := request(f, "latest", occupied())
		r.Overwrite, r.NoRollback = []string{"sample/host/main"}, errors.New("no key")
		_, err := plan(t, f, r).Carry(t.Context())
		requireKind(t, err, fault.Refused, "no key", "--no-rollback-point")
	})
	t.Run("that fails", func(t *testing.T) {
		target := occupied()
		r := request(f, "latest", target)
		r.Overwrite = []string{"sample/host/main"}
		r.Rollback = func(context.Context, []restore.Overwritten) (string, error) { return "", errors.New("disk full") }
		_, err := plan(t, f, r).Carry(t.Context())
		requireKind(t, err, fault.Failed, "disk full")
		if target.Tables["a/b"] != "precious" {
			t.Error("the target was overwritten all the same")
		}
	})
	t.Run("that is not wanted", func(t *testing.T) {
		r := request(f, "latest", occupied())
		r.Overwrite = []string{"sample/host/main"}
		p := plan(t, f, r)
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "lost for good") }) {
			t.Errorf("warnings %v", p.Warnings)
		}
	})
}
