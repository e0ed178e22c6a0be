package web

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// nasty is a name that would be markup, if it were not escaped.
const nasty = `<script>alert(1)</script>`

// deployed is a repository with points, and what a daemon knows of it.
type deployed struct {
	*repotest.Fixture
	config *config.Config
	log    *repository.ScheduleLog
}

// deploy makes a repository whose points hold sources of some names.
func deploy(t *testing.T, sources ...string) *deployed {
	t.Helper()
	d := &deployed{Fixture: repotest.Over(t, repotest.NewDated(t))}
	d.config = &config.Config{Instance: repotest.Instance, Repository: config.Repository{URL: d.Store.URL()}}
	d.config.Objectives = config.Objectives{RPO: quantity.Duration(time.Hour), RTO: quantity.Duration(30 * time.Minute)}
	for _, name := range sources {
		d.config.Sources = append(d.config.Sources, config.Source{Name: name, Kind: repotest.SampleKind})
	}
	var cron timetable.Timetable
	if err := cron.UnmarshalText([]byte("7 * * * *")); err != nil {
		t.Fatal(err)
	}
	d.config.Schedules = []config.Schedule{{Name: "hourly", Cron: cron, Sources: sources}}
	d.log = &repository.ScheduleLog{Store: d.Store, Repo: d.Open(t), Instance: repotest.Instance}
	return d
}

// take takes a point of every source.
func (d *deployed) take(t *testing.T) string {
	t.Helper()
	ctx, lease, err := d.Writer(t).Acquire(t.Context(), repository.StreamLease(repotest.Instance, "hourly"))
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	var names []string
	for _, s := range d.config.Sources {
		names = append(names, s.Name)
	}
	draft, err := d.Writer(t).Begin(ctx, "hourly", names)
	if err != nil {
		t.Fatal(err)
	}
	defer draft.Abandon()
	for _, name := range names {
		sample := &repotest.Sample{Name: name, Tables: map[string]string{"a/b": strings.Repeat("row\n", 1000)}, Objects: map[string]string{"key": "object"}}
		if err := sample.Capture(ctx, draft.Source(name, repotest.SampleKind, 1), progress.Discard); err != nil {
			t.Fatal(err)
		}
	}
	m, err := draft.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m.Point
}

// look has a board know what there is, as the daemon does.
func (d *deployed) look(t *testing.T, b *Board) *status.Report {
	t.Helper()
	listing, err := d.Open(t).ListLightly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := d.log.Last(t.Context(), "hourly")
	if err != nil {
		t.Fatal(err)
	}
	recent, err := d.log.Recent(t.Context(), "hourly", MostRuns, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, s := range d.config.Sources {
		sources = append(sources, s.Name)
	}
	places := status.Places(d.config, d.config.Repository.URL)
	places[0].Listing, places[0].Runs = listing, map[string]*repository.ScheduleRun{"hourly": last}
	report := status.Judge(d.config, places, time.Now())
	b.Runs(map[string][]repository.ScheduleRun{"hourly": recent})
	b.Saw(See(listing, repotest.Instance, sources))
	b.Report(t.Context(), report)
	return report
}

// run notes a run of the schedule.
func (d *deployed) run(t *testing.T, number int, result string) {
	t.Helper()
	due := time.Now().UTC().Truncate(time.Second)
	err := d.log.Append(t.Context(), repository.ScheduleRun{Schedule: "hourly", Number: number, Due: due, Started: due, Ended: due.Add(time.Duration(number) * time.Second), Attempts: 1, Result: result})
	if err != nil {
		t.Fatal(err)
	}
}

// green is a report in which all is well, of a deployment that is.
func green(r *status.Report) *status.Report {
	well := *r
	well.State, well.Reasons = status.OK, nil
	return &well
}

// prove has the newest point be proven by drills that took some times.
func (d *deployed) prove(t *testing.T, seconds ...float64) {
	t.Helper()
	repo := d.Open(t)
	listing, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point := listing.Points[len(listing.Points)-1]
	for i, took := range seconds {
		started := time.Now().Add(time.Duration(i-len(seconds)) * time.Hour).UTC()
		proof := repository.Proof{
			Drill: repository.NewDrillID(started), Instance: repotest.Instance, Tool: "test", Started: started, Ended: started.Add(time.Minute),
			Passed: took < 1800, Full: true, Scratch: "docker", RTO: repository.ProofRTO{Seconds: took}, RPO: repository.ProofRPO{Seconds: 60},
		}
		for _, s := range point.Sources {
			proof.Set = append(proof.Set, repository.ProofPoint{Source: s.Name, Kind: s.Kind, Point: point.Point, SHA256: point.SHA256, Started: s.Started, Ended: s.Ended, Summary: s.Summary})
		}
		if err := repository.AppendProof(context.WithoutCancel(t.Context()), d.Store, repo, d.Signer, []string{point.Point}, proof); err != nil {
			t.Fatal(err)
		}
	}
}

// manyPoints is a listing of so many points, a minute apart.
func manyPoints(n int) *repository.Listing {
	l := &repository.Listing{}
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := begun.Add(time.Duration(i) * time.Minute)
		l.Points = append(l.Points, &repository.Point{Manifest: &repository.Manifest{
			Point: fmt.Sprintf("%s-aaaa", at.Format("20060102T150405Z")), Instance: strings.Clone(repotest.Instance), Stream: strings.Clone("hourly"),
			Started: at, Ended: at, Complete: true, Stored: 1000, Seq: int64(i + 1),
			Sources: []repository.Source{{Name: strings.Clone("main"), Complete: true, Started: at, Ended: at}, {Name: strings.Clone("media"), Complete: true, Started: at, Ended: at}},
		}})
	}
	return l
}
