package repository_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

func audit(t testing.TB, store storage.Reader, trust seal.Trust, heads ...repository.ExpectedHead) []repository.Finding {
	t.Helper()
	return repotest.Audit(t, store, trust, heads...)
}

func requireFindings(t *testing.T, got []repository.Finding, want ...string) {
	t.Helper()
	var texts []string
	for _, f := range got {
		texts = append(texts, string(f.Kind)+" "+f.File)
	}
	slices.Sort(texts)
	slices.Sort(want)
	if !slices.Equal(texts, want) {
		t.Errorf("found:\n%s\nwant:\n%s", strings.Join(texts, "\n"), strings.Join(want, "\n"))
	}
}

// sweep records that a point is swept and removes it, as a pruner does.
func sweep(t *testing.T, f *repotest.Fixture, m *repotest.Memory, point string) {
	t.Helper()
	if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{
		Point: point, Change: repository.Sweeping, By: "pruner", Reason: "old", Time: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	removePoint(m, point)
}

func removePoint(m *repotest.Memory, point string) {
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "points/"+point+"/") {
			m.Damage(name, nil)
		}
	}
}

// A chain may have gaps where sweeping was recorded, of one point or of many,
// and nowhere else.
func TestAuditedChain(t *testing.T) {
	gone := func(i int) string { return "gap " + string(rune('1'+i)) }
	tests := map[string]struct {
		swept, removed []int
		want           []string
	}{
		"whole":                                 {},
		"the first was swept":                   {swept: []int{0}},
		"one between was swept":                 {swept: []int{2}},
		"several in a row were swept":           {swept: []int{0, 1, 2}},
		"one between was removed":               {removed: []int{2}, want: []string{gone(2)}},
		"the first was removed":                 {removed: []int{0}, want: []string{gone(0)}},
		"two in a row were removed":             {removed: []int{1, 2}, want: []string{gone(2)}},
		"one was removed behind one swept":      {swept: []int{2}, removed: []int{1}, want: []string{gone(1)}},
		"one was removed before one swept":      {swept: []int{1}, removed: []int{2}, want: []string{gone(2)}},
		"two were removed, apart":               {removed: []int{1, 3}, want: []string{gone(1), gone(3)}},
		"another stream's gap does not explain": {removed: []int{2}, want: []string{gone(2)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			w := f.Writer(t)
			var points, others []string
			for range 5 {
				points = append(points, mustTake(t, w, "nightly", &repotest.Sample{Name: "main"}).Point)
				others = append(others, mustTake(t, w, "hourly", &repotest.Sample{Name: "main"}).Point)
			}
			if strings.HasPrefix(name, "another stream") {
				sweep(t, f, m, others[1])
				sweep(t, f, m, others[2])
			}
			for _, i := range tt.swept {
				sweep(t, f, m, points[i])
			}
			for _, i := range tt.removed {
				removePoint(m, points[i])
			}
			var got, want []string
			for _, finding := range audit(t, m, f.Trust) {
				if finding.Harms() {
					got = append(got, string(finding.Kind)+" "+finding.File)
				}
			}
			for _, text := range tt.want {
				i := int(text[len(text)-1] - '1')
				want = append(want, "chain points/"+points[i]+"/manifest.json")
			}
			slices.Sort(got)
			slices.Sort(want) // ids of one second are in no order
			if !slices.Equal(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

// A swept head is explained; a head that is only gone is not.
func TestExpectedHead(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	mustTake(t, w, "nightly", &repotest.Sample{Name: "main"})
	last := point(t, f, mustTake(t, w, "nightly", &repotest.Sample{Name: "main"}).Point)
	head := repository.ExpectedHead{Stream: "nightly", Seq: last.Seq, SHA256: last.SHA256, Said: "a test"}
	requireFindings(t, audit(t, m, f.Trust, head))
	foreign := head
	foreign.Instance = "another"
	requireFindings(t, audit(t, m, f.Trust, foreign), "chain stream nightly")
	cut := m.Clone()
	for _, name := range cut.Names() {
		if strings.Contains(name, last.Point) {
			cut.Damage(name, nil)
		}
	}
	requireHarm(t, audit(t, cut, f.Trust, head), "chain stream nightly")
	sweep(t, f, m, last.Point)
	requireHarm(t, audit(t, m, f.Trust, head))
}

func requireHarm(t *testing.T, got []repository.Finding, want ...string) {
	t.Helper()
	requireFindings(t, slices.DeleteFunc(slices.Clone(got), func(f repository.Finding) bool { return !f.Harms() }), want...)
}

// What a run that may be alive is writing is not called useless; once the run was
// given up, it is.
func TestLiveRunIsLeftAlone(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	m.Clock = func() time.Time { return time.Now().Add(-time.Minute) }
	ctx, lease, err := w.Acquire(t.Context(), repository.StreamLease(repotest.Instance, "manual"))
	if err != nil {
		t.Fatal(err)
	}
	draft, err := w.Begin(ctx, "manual", nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := draft.Source("main", "sample", 1).Create(ctx, "rows.tsv", "t")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Commit(); err != nil {
		t.Fatal(err)
	}
	requireFindings(t, audit(t, m, f.Trust))
	lease.Release()
	useless := audit(t, m, f.Trust)
	if len(useless) != 2 || slices.ContainsFunc(useless, func(f repository.Finding) bool { return f.Kind != repository.Unreferenced }) {
		t.Errorf("of a run that has ended without a point: %+v", useless) // its file, and the wrap of its key
	}
}

// late shows a listing that was taken before some files were made.
type late struct {
	storage.Reader
	unseen func(name string) bool
}

func (l late) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	return l.Reader.List(ctx, prefix, func(i storage.Info) error {
		if prefix == "" && l.unseen(i.Name) {
			return nil
		}
		return fn(i)
	})
}

// A run that commits while the listing is under way is seen in part.
func TestListingBeforeCommit(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	mustTake(t, w, "manual", sample())
	id := mustTake(t, w, "nightly", sample()).Point
	for name, unseen := range map[string]func(string) bool{
		"its keys":             func(n string) bool { return strings.HasPrefix(n, "keys/") },
		"what points share":    func(n string) bool { return strings.HasPrefix(n, "index/") || strings.HasPrefix(n, "packs/") },
		"some of its files":    func(n string) bool { return strings.HasPrefix(n, "points/"+id+"/main/") },
		"all but its manifest": func(n string) bool { return strings.Contains(n, id) && !strings.HasSuffix(n, "manifest.json") },
	} {
		t.Run(name, func(t *testing.T) { requireFindings(t, audit(t, late{m, unseen}, f.Trust)) })
	}
}

// sweeping removes a point as soon as the listing was taken.
type sweeping struct {
	storage.Reader
	sweep func()
}

func (s sweeping) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	err := s.Reader.List(ctx, prefix, fn)
	if prefix == "" {
		s.sweep()
	}
	return err
}

// A pruner that sweeps while the check is under way harms nothing.
func TestSweptMeanwhile(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first := mustTake(t, w, "manual", sample()).Point
	mustTake(t, w, "manual", sample())
	requireHarm(t, audit(t, sweeping{m, func() { sweep(t, f, m, first) }}, f.Trust))
}

// sweptLater removes a point when its manifest has been read.
type sweptLater struct {
	storage.Reader
	manifest string
	sweep    func()
}

func (s sweptLater) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Reader.Open(ctx, name, offset, length)
	if name == s.manifest+".minisig" {
		s.sweep()
	}
	return body, err
}

func TestSweptAfterItsManifestWasRead(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first := mustTake(t, w, "manual", sample())
	mustTake(t, w, "manual", &repotest.Sample{Name: "main"})
	swept := false
	store := sweptLater{late{m, func(n string) bool { return strings.HasPrefix(n, "points/"+first.Point+"/main") }}, first.Path, func() {
		if !swept {
			swept = true
			removePoint(m, first.Point)
		}
	}}
	requireHarm(t, audit(t, store, f.Trust))
}

// What is wrong with a shared file is one finding, which names all who need it.
func TestSharedDamageNamesItsPoints(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	var points []string
	for range 3 {
		points = append(points, mustTake(t, w, "manual", sample()).Point)
	}
	mustTake(t, w, "manual", &repotest.Sample{Name: "main"})
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "packs/") {
			m.Damage(name, nil)
			break
		}
	}
	got := audit(t, m, f.Trust)
	slices.Sort(points)
	if len(got) != 1 || got[0].Kind != repository.Missing || got[0].PointCount != 3 || !slices.Equal(got[0].Points, points) {
		t.Errorf("found %+v, needed by %q", got, points)
	}
}

// A point that needs a later version is neither good nor damaged.
func TestAuditOfAnUnknownFeature(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	edit(t, m, f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { v["requires"] = []string{"time-travel"} })
	a, err := repository.NewAudit(m, repository.AuditOptions{Options: repository.Options{Trust: f.Trust}})
	if err != nil {
		t.Fatal(err)
	}
	if err := repotest.RunAudit(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	requireKind(t, a.Unread(), fault.Usage)
	found, _ := a.Findings()
	requireHarm(t, found)
}

func TestSweepingKeepsTheLink(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first := point(t, f, mustTake(t, w, "manual", sample()).Point)
	second := point(t, f, mustTake(t, w, "manual", sample()).Point)
	s, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{Point: second.Point, Change: repository.Sweeping, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if s.Swept == nil || s.Swept.Seq != 2 || s.Swept.SHA256 != second.SHA256 || s.Swept.Stream != "manual" || s.Swept.Previous.Point != first.Point {
		t.Errorf("%+v", s.Swept)
	}
}

// Whoever has stolen the writer's key can sign another manifest, and not hide it
// from the point after.
func TestRewrittenPointBreaksTheChain(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first := mustTake(t, w, "manual", &repotest.Sample{Name: "main"})
	second := mustTake(t, w, "manual", &repotest.Sample{Name: "main"})
	edit(t, m, f.Signer, first.Path, func(v map[string]any) { v["tool"] = "another" })
	requireHarm(t, audit(t, m, f.Trust), "chain "+second.Path)
}
