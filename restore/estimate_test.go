package restore_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// deployment is a source of each phase.
func deployment() []*repotest.Sample {
	return []*repotest.Sample{
		{Name: "main", Tables: map[string]string{"openIM_v3/users": "1\tAnn\n2\tBob\n"}},
		{Name: "media", Objects: map[string]string{"a/b": "one", "a-c": strings.Repeat("two", 1000)}},
		{Name: "cluster", Tables: map[string]string{"openim/secret": "s"}},
	}
}

// requestAll asks for a deployment, into targets that hold nothing.
func requestAll(f *repotest.Fixture, ref string) restore.Request {
	r := request(f, ref, &repotest.Sample{Name: "main"}, &repotest.Sample{Name: "media"}, &repotest.Sample{Name: "cluster"})
	r.Sources[0].Phase, r.Sources[1].Phase, r.Sources[2].Phase = source.Databases, source.Files, source.Configuration
	return r
}

func pointOf(t *testing.T, f *repotest.Fixture, id string) *repository.Point {
	t.Helper()
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point, err := listing.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	return point
}

// drilled is the proof of a drill that took 200 seconds: 5 and then 100 for the
// loads, 1 and then 80 for the comparisons, and 14 besides.
func drilled(p *repository.Point, began time.Time) repository.Proof {
	proof := repotest.Proof(began, repotest.Taken(p, "main"), repotest.Taken(p, "media"), repotest.Taken(p, "cluster"))
	proof.RTO = repository.ProofRTO{Seconds: 200, Parts: []repository.ProofPart{
		{Source: "main", Part: "fetch", Seconds: 900, Busy: true},
		{Source: "main", Part: "load", Seconds: 90}, {Source: "main", Part: "index", Seconds: 10}, {Source: "main", Part: "compare", Seconds: 50},
		{Source: "media", Part: "objects", Seconds: 30}, {Source: "media", Part: "compare", Seconds: 80},
		{Source: "cluster", Part: "load", Seconds: 5}, {Source: "cluster", Part: "compare", Seconds: 1},
	}}
	return proof
}

// only leaves some sources in the set of a proof.
func only(p *repository.Proof, names ...string) {
	p.Set = slices.DeleteFunc(p.Set, func(s repository.ProofPoint) bool { return !slices.Contains(names, s.Source) })
	p.RTO.Parts = slices.DeleteFunc(p.RTO.Parts, func(part repository.ProofPart) bool { return !slices.Contains(names, part.Source) })
}

func scaled(s repository.Summary, by int64) repository.Summary {
	return repository.Summary{Rows: by * s.Rows, Objects: by * s.Objects, Bytes: by * s.Bytes}
}

func TestEstimate(t *testing.T) {
	began := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		drills     []func(p *repository.Proof) // an hour after each other
		ask        func(r *restore.Request)
		want       float64
		unmeasured []string
	}{
		"never drilled":   {nil, nil, 0, []string{"cluster", "main", "media"}},
		"the same again":  {[]func(*repository.Proof){func(*repository.Proof) {}}, nil, 200, nil},
		"a drill failed":  {[]func(*repository.Proof){func(p *repository.Proof) { p.Passed = false }}, nil, 0, []string{"cluster", "main", "media"}},
		"a drill sampled": {[]func(*repository.Proof){func(p *repository.Proof) { p.Full = false }}, nil, 0, []string{"cluster", "main", "media"}},
		"one source was left out": {[]func(*repository.Proof){func(p *repository.Proof) { only(p, "main", "cluster") }},
			nil, 0, []string{"media"}},
		"a source has no time of its own": {[]func(*repository.Proof){func(p *repository.Proof) {
			p.RTO.Parts = slices.DeleteFunc(p.RTO.Parts, func(part repository.ProofPart) bool { return part.Source == "media" })
		}}, nil, 0, []string{"media"}},
		"half as much of one as then": {[]func(*repository.Proof){func(p *repository.Proof) { p.Set[0].Summary = scaled(p.Set[0].Summary, 2) }},
			nil, 14 + 5 + 50 + 1 + 80, nil},
		"each source in a drill of its own": {[]func(*repository.Proof){
			func(p *repository.Proof) { only(p, "main"); p.RTO.Seconds = 150 + 7 },
			func(p *repository.Proof) { only(p, "media"); p.RTO.Seconds = 110 + 9 },
			func(p *repository.Proof) { only(p, "cluster"); p.RTO.Seconds = 6 + 8 },
		}, nil, 9 + 5 + 100 + 1 + 80, nil},
		"the newest counts": {[]func(*repository.Proof){
			func(*repository.Proof) {},
			func(p *repository.Proof) { only(p, "main"); p.RTO.Parts[1].Seconds, p.RTO.Seconds = 190, 250 },
		}, nil, 14 + 5 + 200 + 1 + 80, nil},
		"one source of three": {[]func(*repository.Proof){func(*repository.Proof) {}}, func(r *restore.Request) { r.Sources = r.Sources[:1] },
			// Of 100 seconds of loading 35 were beside what is not restored now, and of
			// 50 of comparing 50 and 1: half of their share is taken off.
			14 + 6 + (100 - 35/1.35/2) + (50 - 51/2.02/2), nil},
		"half of one": {[]func(*repository.Proof){func(*repository.Proof) {}}, func(r *restore.Request) {
			r.Sources[0].Restorer = partly{&repotest.Sample{Name: "main"}}
			r.Select = map[string]source.Selection{"main": {Include: []string{"openIM_v3.users"}}}
		}, 14 + 5 + 50 + 1 + 80, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			id := mustBackUp(t, f, deployment()...)
			for n, change := range tt.drills {
				proof := drilled(pointOf(t, f, id), began.Add(time.Duration(n)*time.Hour))
				change(&proof)
				f.AppendProof(t, proof)
			}
			r := requestAll(f, "latest")
			if tt.ask != nil {
				tt.ask(&r)
			}
			p := plan(t, f, r)
			if !slices.Equal(p.Unmeasured, append([]string{}, tt.unmeasured...)) {
				t.Errorf("not measured are %v, want %v", p.Unmeasured, tt.unmeasured)
			}
			switch {
			case tt.unmeasured != nil:
				if p.Estimate != nil {
					t.Errorf("estimated %s", seconds(p))
				}
			case p.Estimate == nil || math.Abs(*p.Estimate-tt.want) > 1e-6:
				t.Errorf("estimated %s, want %v s", seconds(p), tt.want)
			}
		})
	}
}

func seconds(p *restore.Plan) string {
	if p.Estimate == nil {
		return "nothing"
	}
	return fmt.Sprintf("%.2f s", *p.Estimate)
}

// partly plans to restore half of what there is.
type partly struct{ *repotest.Sample }

func (p partly) Plan(_ context.Context, from *repository.SourceReader, _ source.Selection) (*source.Plan, error) {
	sum := from.Summary()
	return &source.Plan{Steps: []source.Step{{Action: "fill", Target: "sample/host/main", Rows: sum.Rows, Bytes: 0}}}, nil
}

// What an earlier process has loaded is not loaded again.
func TestEstimateOfAResumedRestore(t *testing.T) {
	f, _ := fixture(t)
	id := mustBackUp(t, f, deployment()...)
	f.AppendProof(t, drilled(pointOf(t, f, id), time.Now()))
	r := requestAll(f, "latest")
	first := repository.RestoreRecord{Step: repository.StepBegin, Targets: []string{"sample/host/cluster", "sample/host/main", "sample/host/media"}}
	done := repository.RestoreRecord{Step: repository.StepLoad, State: repository.StateDone, Source: "main"}
	r.Resumed = &journal.History{Records: []repository.RestoreRecord{first, done}}
	if p := plan(t, f, r); p.Estimate == nil || *p.Estimate != 14+5+30+1+80 {
		t.Errorf("estimated %s", seconds(p))
	}
}

// paced takes time for every byte.
type paced struct {
	*repotest.Sample
	capture, load, compare time.Duration // for a byte
}

func (p paced) Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) error {
	time.Sleep(time.Duration(p.bytes()) * p.capture)
	return p.Sample.Capture(ctx, draft, show)
}

func (p paced) bytes() (n int) {
	for _, held := range []map[string]string{p.Tables, p.Objects} {
		for content := range maps.Values(held) {
			n += len(content)
		}
	}
	return n
}

func (p paced) Restore(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (repository.Summary, error) {
	time.Sleep(time.Duration(from.Summary().Bytes) * p.load)
	return p.Sample.Restore(ctx, from, plan, show)
}

func (p paced) Compare(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	time.Sleep(time.Duration(from.Summary().Bytes) * p.compare)
	return p.Sample.Compare(ctx, from, plan, show)
}

// The estimate is within 30 % of the time then measured, though there is more to
// be restored by then, and something to be kept first.
func TestEstimateAgreesWithTheRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, repotest.NewMemory())
		main := paced{&repotest.Sample{Name: "main"}, 20 * time.Millisecond, 100 * time.Millisecond, 30 * time.Millisecond}
		media := paced{&repotest.Sample{Name: "media"}, 10 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond}
		take := func(times int, stream string) string {
			main.Tables, media.Objects = map[string]string{}, map[string]string{"large": strings.Repeat("one", 500)}
			for n := range 3 * times {
				main.Tables[fmt.Sprintf("openIM_v3/t%d", n)] = strings.Repeat("1\tAnn\n", 100)
				media.Objects[fmt.Sprint("small", n)] = strings.Repeat("two", 100)
			}
			w := f.Writer(t)
			result, err := backup.Run(t.Context(), w, backup.Options{
				Instance: repotest.Instance, Stream: stream, Show: progress.Discard, Log: request(f, "").Log,
				Sources: []backup.Source{
					{Name: "main", Kind: repotest.SampleKind, FormatVersion: 1, Phase: source.Databases, Capturer: main},
					{Name: "media", Kind: repotest.SampleKind, FormatVersion: 1, Phase: source.Files, Capturer: media},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return result.Point
		}
		wanted := func() restore.Request {
			r := request(f, "latest", &repotest.Sample{Name: "main"}, &repotest.Sample{Name: "media"})
			r.Sources[0].Phase, r.Sources[1].Phase = source.Databases, source.Files
			r.Sources[0].Restorer, r.Sources[1].Restorer = main, media
			r.Overwrite = []string{"sample/host/main", "sample/host/media"}
			return r
		}
		id := take(1, "manual")
		measured, err := plan(t, f, wanted()).Carry(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		proof := repotest.Proof(time.Now(), repotest.Taken(pointOf(t, f, id), "main"), repotest.Taken(pointOf(t, f, id), "media"))
		proof.RTO.Seconds = measured.RTOSeconds
		for _, s := range measured.Sources {
			proof.RTO.Parts = append(proof.RTO.Parts,
				repository.ProofPart{Source: s.Name, Part: "load", Seconds: s.LoadSeconds}, repository.ProofPart{Source: s.Name, Part: "compare", Seconds: s.CompareSeconds})
		}
		f.AppendProof(t, proof)

		take(4, "manual")
		r := wanted()
		r.Rollback = func(context.Context, []restore.Overwritten) (string, error) {
			return take(4, repository.RollbackStream), nil
		}
		p := plan(t, f, r)
		result, err := p.Carry(t.Context())
		if err != nil || p.Estimate == nil {
			t.Fatalf("estimated %s, %v", seconds(p), err)
		}
		if off := *p.Estimate / result.RTOSeconds; off < 0.7 || off > 1.3 {
			t.Errorf("estimated %.1f s, and it took %.1f s", *p.Estimate, result.RTOSeconds)
		}
		r.Rollback = nil
		if without := plan(t, f, r); *without.Estimate >= *p.Estimate {
			t.Errorf("%.1f s without a rollback point, %.1f s with one", *without.Estimate, *p.Estimate)
		}
	})
}
