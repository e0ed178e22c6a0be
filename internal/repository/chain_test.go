package repository_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

func TestChainRunsPerStreamAndInstance(t *testing.T) {
	f, m := newFixture(t)
	if _, err := repository.Init(t.Context(), m, repository.InitOptions{
		Instance: "second", Adopt: true, Signer: f.Signer, Trust: f.Trust, Now: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	options := f.WriterOptions()
	options.Instance = "second"
	second, err := repository.OpenWriter(t.Context(), m, options)
	if err != nil {
		t.Fatal(err)
	}
	first := f.Writer(t)
	heads := map[string]string{}
	for _, run := range []struct {
		writer           *repository.Writer
		instance, stream string
		seq              int64
	}{
		{first, "test", "nightly", 1}, {first, "test", "nightly", 2}, {first, "test", "hourly", 1},
		{second, "second", "nightly", 1}, {first, "test", "nightly", 3}, {second, "second", "nightly", 2},
		{first, "test", "hourly", 2},
	} {
		chain := run.instance + "/" + run.stream
		got, err := take(t.Context(), run.writer, run.instance, run.stream, sample())
		if err != nil {
			t.Fatal(err)
		}
		previous := ""
		if got.Previous != nil {
			previous = got.Previous.Point
			if want := point(t, f, previous).SHA256; got.Previous.SHA256 != want {
				t.Errorf("%s: previous has SHA-256 %s, want %s", chain, got.Previous.SHA256, want)
			}
		}
		if got.Seq != run.seq || previous != heads[chain] || got.Instance != run.instance || got.Stream != run.stream {
			t.Errorf("%s: seq %d after %q, want %d after %q", chain, got.Seq, previous, run.seq, heads[chain])
		}
		heads[chain] = got.Point
	}
}

func TestChainIgnoresWhatNobodyTrusts(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	want := mustTake(t, w, "manual", sample())
	forged := strings.Replace(want.Point, want.Point[:4], "2099", 1)
	m.Plant("points/"+forged+"/manifest.json", m.Content("points/"+want.Point+"/manifest.json"))
	edit(t, m, newSigner(t), "points/"+forged+"/manifest.json", func(v map[string]any) {
		v["path"], v["point"], v["seq"] = "points/"+forged+"/manifest.json", forged, 1000
	})
	got := mustTake(t, w, "manual", sample())
	if got.Seq != 2 || got.Previous.Point != want.Point {
		t.Errorf("seq %d after %s, want 2 after %s", got.Seq, got.Previous.Point, want.Point)
	}
}

// Invariant 1: an incomplete point says so and counts for nothing.
func TestIncompletePoint(t *testing.T) {
	f, _ := newFixture(t)
	w := f.Writer(t)
	complete := mustTake(t, w, "manual", sample())
	partial := sample()
	partial.Gone = 3
	incomplete := mustTake(t, w, "manual", partial)
	if incomplete.Complete || len(incomplete.Missing) != 1 || incomplete.Missing[0] != (repository.Count{Source: "main", Code: "tables-gone", Count: 3}) {
		t.Errorf("complete is %v, missing %v", incomplete.Complete, incomplete.Missing)
	}
	if point(t, f, incomplete.Point).Eligible() {
		t.Error("it counts")
	}
	if got := point(t, f, repository.Latest); got.Point != complete.Point {
		t.Errorf("latest is %s, want %s", got.Point, complete.Point)
	}
	if got := listing(t, f).Newest(repotest.Instance, "main"); got.Point != complete.Point {
		t.Errorf("the base is %s, want %s", got.Point, complete.Point)
	}
	next := mustTake(t, w, "manual", sample())
	if next.Seq != 3 || next.Previous.Point != incomplete.Point {
		t.Errorf("seq %d after %s: an incomplete point is a link of the chain all the same", next.Seq, next.Previous.Point)
	}
}

// Invariant 1: whatever fails before Commit leaves no point.
func TestFailedRunLeavesNoPoint(t *testing.T) {
	lost := errors.New("connection lost")
	tests := map[string]func(t *testing.T, w *repository.Writer) error{
		"a source that fails": func(t *testing.T, w *repository.Writer) error {
			s := sample()
			s.Err = lost
			_, err := take(t.Context(), w, repotest.Instance, "manual", s)
			return err
		},
		"a context that ends before the commit": func(t *testing.T, w *repository.Writer) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			draft, err := w.Begin(ctx, "manual", nil)
			if err != nil {
				t.Fatal(err)
			}
			cancel(lost)
			_, err = draft.Commit(t.Context())
			return err
		},
		"a source that has not ended": func(t *testing.T, w *repository.Writer) error {
			draft := begin(t, w, "manual")
			if err := sample().Capture(t.Context(), draft.Source("main", repotest.SampleKind, 1), progress.Discard); err != nil {
				t.Fatal(err)
			}
			draft.Source("media", repotest.SampleKind, 1)
			_, err := draft.Commit(t.Context())
			return err
		},
		"a file that was not finished": func(t *testing.T, w *repository.Writer) error {
			draft := begin(t, w, "manual")
			part := draft.Source("main", repotest.SampleKind, 1)
			if _, err := part.Create(t.Context(), "000001.tsv", "s", "t"); err != nil {
				t.Fatal(err)
			}
			part.Summarize(repository.Summary{})
			_, err := draft.Commit(t.Context())
			return err
		},
		"a pack that was not finished": func(t *testing.T, w *repository.Writer) error {
			draft := begin(t, w, "manual")
			part := draft.Source("main", repotest.SampleKind, 1)
			if _, err := part.CreatePack(t.Context()); err != nil {
				t.Fatal(err)
			}
			part.Summarize(repository.Summary{})
			_, err := draft.Commit(t.Context())
			return err
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := newFixture(t)
			w := f.Writer(t)
			if err := run(t, w); err == nil {
				t.Fatal("it is reported as a success")
			}
			if got := listing(t, f); len(got.Points) != 0 || len(got.Broken) != 0 {
				t.Errorf("left points %v, broken %v", got.Points, got.Broken)
			}
			if m := mustTake(t, w, "manual", sample()); m.Seq != 1 {
				t.Errorf("the next run has seq %d, want 1", m.Seq)
			}
		})
	}
}

func TestFileThatWasGivenUpIsNotInThePoint(t *testing.T) {
	f, _ := newFixture(t)
	draft := begin(t, f.Writer(t), "manual")
	part := draft.Source("main", repotest.SampleKind, 1)
	file, err := part.Create(t.Context(), "000001.tsv", "s", "t")
	if err != nil {
		t.Fatal(err)
	}
	file.Abort()
	part.Summarize(repository.Summary{})
	m, err := draft.Commit(t.Context())
	if err != nil || len(m.Files) != 0 {
		t.Errorf("files %v, %v", m.Files, err)
	}
}

func TestStartPinsTheBases(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	base := mustTake(t, w, "manual", sample())
	next := mustTake(t, w, "manual", sample())
	if start := string(m.Content("runs/" + next.Point + "/start.json")); !strings.Contains(start, base.Point) {
		t.Errorf("the start is %s, want %s pinned in it", start, base.Point)
	}
}

func TestFind(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	a, b := mustTake(t, w, "manual", sample()), mustTake(t, w, "manual", sample())
	for name, tt := range map[string]struct {
		ref  string
		want string
		kind fault.Kind
	}{
		"an id":            {a.Point, a.Point, 0},
		"latest":           {"latest", b.Point, 0},
		"nothing":          {"", b.Point, 0},
		"a unique prefix":  {b.Point[:len(b.Point)-1], b.Point, 0},
		"an ambiguous one": {a.Point[:4], "", fault.Usage},
		"unknown":          {"19990101T000000Z-aaaa", "", fault.Usage},
		"no proof yet":     {"latest-proven", "", fault.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := listing(t, f).Find(tt.ref)
			if tt.want == "" {
				requireKind(t, err, tt.kind)
				return
			}
			if err != nil || got.Point != tt.want {
				t.Errorf("got %v, %v; want %s", got, err, tt.want)
			}
		})
	}
	t.Run("a damaged one is no other", func(t *testing.T) {
		m.Damage("points/"+b.Point+"/manifest.json", []byte("{"))
		_, err := listing(t, f).Find(b.Point)
		requireKind(t, err, fault.Corrupt)
		_, err = listing(t, f).Find(a.Point[:4])
		requireKind(t, err, fault.Usage)
		if got := point(t, f, repository.Latest); got.Point != a.Point {
			t.Errorf("latest is %s", got.Point)
		}
	})
}

func TestManifestMustBeThatOfItsPlace(t *testing.T) {
	const other = "20260101T000000Z-aaaa"
	tests := map[string]func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string) (planted string){
		"moved to another point": func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, id string) string {
			m.Plant("points/"+other+"/manifest.json", m.Content("points/"+id+"/manifest.json"))
			m.Plant("points/"+other+"/manifest.json.minisig", m.Content("points/"+id+"/manifest.json.minisig"))
			return other
		},
		"from another repository": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string) string {
			edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { v["repository"] = "elsewhere" })
			return id
		},
		"of another kind": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string) string {
			edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { v["kind"] = "state" })
			return id
		},
		"of a later format": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string) string {
			edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { v["format"] = 2 })
			return id
		},
		"with a feature that is not known": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id string) string {
			edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { v["requires"] = []string{"x"} })
			return id
		},
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			planted := plant(t, f, m, id)
			l := listing(t, f)
			if len(l.Broken) != 1 || l.Broken[0].ID != planted {
				t.Errorf("broken are %v, want %s", l.Broken, planted)
			}
			if _, err := l.Find(planted); err == nil {
				t.Error("it is found as if it were good")
			}
		})
	}
}

func TestUntrustedPointsAreListedAndDoNotCount(t *testing.T) {
	tests := map[string]func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, path string){
		"no signature": func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, path string) {
			m.Damage(path+".minisig", nil)
		},
		"signed by somebody else": func(t *testing.T, _ *repotest.Fixture, m *repotest.Memory, path string) {
			edit(t, m, newSigner(t), path, func(map[string]any) {})
		},
		"altered": func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, path string) {
			m.Damage(path, []byte(strings.Replace(string(m.Content(path)), `"stored"`, `"stared"`, 1)))
		},
		"signed in another role": func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory, _ string) {
			f.Trust = seal.Trust{trust(t, f.Signer, seal.RoleOperator, seal.RoleDrill, seal.RolePruner)}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			spoil(t, f, m, "points/"+id+"/manifest.json")
			p := point(t, f, id)
			if p.Untrusted == nil || p.Signer != "" || p.Eligible() {
				t.Errorf("untrusted %v, signer %q, eligible %v", p.Untrusted, p.Signer, p.Eligible())
			}
			_, err := listing(t, f).Find(repository.Latest)
			requireKind(t, err, fault.Refused)
		})
	}
}
