package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// picture has a board know a deployment that is well, of which the README has a picture.
func picture(t *testing.T, b *Board) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Hour).Add(25 * time.Minute)
	c := &config.Config{Instance: "openim-prod", Repository: config.Repository{URL: "gs://openim-backups/prod"}}
	c.Copies = []config.Copy{{Name: "eu", URL: "s3://openim-backups-eu/prod?region=eu-central-1"}}
	c.Objectives = config.Objectives{RPO: quantity.Duration(25 * time.Hour), RTO: quantity.Duration(30 * time.Minute), Proof: quantity.Duration(35 * 24 * time.Hour)}
	for _, planned := range [][2]string{{"hourly-db", "7 * * * *"}, {"nightly", "CRON_TZ=Asia/Shanghai 0 2 * * *"}, {"drill", "0 5 1 * *"}} {
		s := config.Schedule{Name: planned[0]}
		if err := s.Cron.UnmarshalText([]byte(planned[1])); err != nil {
			t.Fatal(err)
		}
		c.Schedules = append(c.Schedules, s)
	}
	sources := []string{"main", "media", "cluster"}
	for _, name := range sources {
		c.Sources = append(c.Sources, config.Source{Name: name})
	}
	listing := &repository.Listing{}
	for hours := 240; hours >= 0; hours-- {
		at := now.Add(-time.Duration(hours) * time.Hour).Add(-18*time.Minute + time.Duration(hours%5)*20*time.Second)
		stream, held := "hourly-db", sources[:1]
		if at.Hour() == 18 {
			stream, held = "nightly", sources
		}
		listing.Points = append(listing.Points, pointOf(stream, at, held, len(listing.Points)))
	}
	prove(listing, now)
	runs := map[string]*repository.ScheduleRun{}
	recent := map[string][]repository.ScheduleRun{}
	for _, s := range c.Schedules {
		var due time.Time
		for at := now.Add(-32 * 24 * time.Hour); !at.After(now); at = s.Cron.Next(at) {
			due = at
		}
		run := repository.ScheduleRun{Schedule: s.Name, Number: 7, Due: due, Started: due, Ended: due.Add(41 * time.Second), Attempts: 1, Result: repository.ScheduleOK}
		runs[s.Name], recent[s.Name] = &run, []repository.ScheduleRun{run}
	}
	places := status.Places(c, c.Repository.URL)
	for i := range places {
		places[i].Listing, places[i].Stored = listing, &status.Stored{Files: 61_204, Bytes: 48_318_382_080, At: now}
	}
	places[0].Runs = runs
	report := status.Judge(c, places, now)
	if report.State != status.OK {
		t.Fatalf("it is not well: %+v", report.Reasons)
	}
	b.Runs(recent)
	b.Saw(See(listing, c.Instance, sources))
	report.Time = time.Now().UTC().Truncate(time.Second)
	b.Report(t.Context(), report)
}

func pointOf(stream string, at time.Time, sources []string, i int) *repository.Point {
	m := &repository.Manifest{
		Point: at.Format("20060102T150405Z") + fmt.Sprintf("-%s", []string{"k3vq", "m2xa", "7tqe", "zd4h"}[i%4]), Instance: "openim-prod", Stream: stream, Seq: int64(i + 1),
		Started: at, Ended: at.Add(30 * time.Second), Complete: true, Stored: int64(180_000_000 + i*31_337),
	}
	for _, name := range sources {
		bytes := map[string]int64{"main": 1_214_000_000, "media": 74_300_000_000, "cluster": 402_000}[name] + int64(i)*90_000
		m.Sources = append(m.Sources, repository.Source{Name: name, Started: at, Ended: at.Add(20 * time.Second), Complete: true, Summary: repository.Summary{Bytes: bytes}})
	}
	return &repository.Point{Manifest: m}
}

// prove has some of the nightly points be proven.
func prove(l *repository.Listing, now time.Time) {
	n := 0
	for _, p := range l.Points {
		if len(p.Sources) < 3 || p.Started.After(now.Add(-24*time.Hour)) {
			continue
		}
		n++
		ended := p.Ended.Add(3 * time.Hour)
		b := &repository.BriefProof{
			Drill: ended.Format("20060102T150405Z") + "-aaaa", Started: ended.Add(-time.Hour), Ended: ended, Passed: true, Full: true,
			RTO: repository.ProofRTO{Seconds: 640 + float64(n*n%7)*70}, RPO: repository.ProofRPO{Seconds: 7200 + float64(n%3)*1800},
		}
		for _, s := range p.Sources {
			b.Set = append(b.Set, repository.ProofPoint{Source: s.Name, Point: p.Point})
		}
		p.Proofs, p.Proven = []*repository.BriefProof{b}, &b.Ended
	}
}
