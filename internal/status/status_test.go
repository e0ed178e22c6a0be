package status_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// statusNow is when these tests ask.
var statusNow = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const gib = 1 << 30

// scene is a deployment in which everything is well: two sources, an hourly and a
// proven point of both, a copy elsewhere.
type scene struct {
	config *config.Config
	places []status.Place
}

func wellScene() *scene {
	eu := quantity.Duration(48 * time.Hour)
	c := &config.Config{
		Instance:   "prod",
		Repository: config.Repository{URL: "gs://bucket/prod", StorageClass: "standard"},
		Sources:    []config.Source{{Name: "main"}, {Name: "media"}},
		Objectives: config.Objectives{RPO: quantity.Duration(2 * time.Hour), RTO: quantity.Duration(time.Hour)},
		Copies:     []config.Copy{{Name: "eu", URL: "s3://bucket/prod?region=eu-central-1", StorageClass: "cold", MaxBehind: eu}},
		Prices:     &config.Prices{Currency: "USD", PerMonth: map[string]quantity.Price{"standard": 20_000_000, "cold": 5_000_000}},
	}
	s := &scene{config: c, places: status.Places(c, c.Repository.URL)}
	s.places[0].Listing = &repository.Listing{Points: []*repository.Point{statusPoint(1, 3*time.Hour, "main", "media"), statusPoint(2, time.Hour, "main", "media")}}
	s.places[1].Listing = &repository.Listing{Points: []*repository.Point{statusPoint(1, 3*time.Hour, "main", "media")}}
	s.drill(0, 30*time.Minute)
	s.places[0].Stored, s.places[1].Stored = &status.Stored{Files: 10, Bytes: 100 * gib, At: statusNow}, &status.Stored{Files: 5, Bytes: 40 * gib, At: statusNow.Add(-time.Minute)}
	return s
}

// statusPoint is one that counts.
func statusPoint(seq int64, age time.Duration, sources ...string) *repository.Point {
	began := statusNow.Add(-age)
	p := &repository.Point{SHA256: strings.Repeat("0", 60) + began.Format("1504"), Manifest: &repository.Manifest{
		Point: began.Format("20060102T150405Z") + "-aaaa", Instance: "prod", Stream: "hourly", Seq: seq, Started: began, Ended: began.Add(time.Minute), Complete: true,
	}}
	for _, name := range sources {
		p.Sources = append(p.Sources, repository.Source{
			Name: name, Complete: true, Started: began, Ended: began.Add(time.Minute), Summary: repository.Summary{Rows: 20, Bytes: 4000},
		})
	}
	return p
}

// drill lets a drill restore a point, ten minutes later.
func (s *scene) drill(point int, took time.Duration) *repository.BriefProof {
	p := s.points()[point]
	began := p.Started.Add(10 * time.Minute)
	b := &repository.BriefProof{Drill: began.Format("20060102T150405Z") + "-dddd", Started: began, Ended: began.Add(took), Passed: true, Full: true, RTO: repository.ProofRTO{Seconds: took.Seconds()}}
	for _, source := range p.Sources {
		b.Set = append(b.Set, repository.ProofPoint{Source: source.Name, Point: p.Point})
	}
	p.Proofs = append([]*repository.BriefProof{b}, p.Proofs...)
	return b
}

// schedule adds a schedule with its last run, if there was one.
func (s *scene) schedule(t *testing.T, name, cron string, last *repository.ScheduleRun) {
	t.Helper()
	table, err := timetable.Parse(cron)
	if err != nil {
		t.Fatal(err)
	}
	s.config.Schedules = append(s.config.Schedules, config.Schedule{Name: name, Cron: table})
	if s.places[0].Runs == nil {
		s.places[0].Runs = map[string]*repository.ScheduleRun{}
	}
	s.places[0].Runs[name] = last
}

func (s *scene) points() []*repository.Point { return s.places[0].Listing.Points }

func (s *scene) newest() *repository.Point { return s.points()[len(s.points())-1] }

func TestStatusAndItsReasons(t *testing.T) {
	tests := map[string]struct {
		change func(*scene)
		want   []string // the state is that of the first
	}{
		"all is well": {func(*scene) {}, nil},
		"no point at all": {func(s *scene) { s.places[0].Listing = &repository.Listing{} }, []string{
			"critical: source main has no restorable point", "critical: source media has no restorable point",
			"warning: how long a restore of every source takes was never measured, and the objective is 1h0m0s",
			"warning: 3-2-1 is not met: 2 copies of 3, production among them, 2 kinds of storage of 2, 2 places of 2",
		}},
		"schedules that are well": {func(s *scene) {
			s.schedule(t, "hourly", "0 * * * *", &repository.ScheduleRun{Due: statusNow.Add(-time.Hour), Result: repository.ScheduleOK})
			s.schedule(t, "nightly", "0 2 * * *", &repository.ScheduleRun{Due: statusNow.Add(-10 * time.Hour), Result: repository.ScheduleNew})
		}, nil},
		"a schedule that failed": {func(s *scene) {
			s.schedule(t, "hourly", "0 * * * *", &repository.ScheduleRun{Due: statusNow.Add(-time.Hour), Result: "refused"})
		}, []string{"warning: the last run of schedule hourly, due at 2026-11-27 11:00:00Z, has failed (refused)"}},
		"a schedule that comes too seldom": {func(s *scene) {
			s.schedule(t, "daily", "0 0 * * *", &repository.ScheduleRun{Due: statusNow.Add(-12 * time.Hour), Result: repository.ScheduleOK})
			s.config.Schedules[0].Sources = []string{"main"}
		}, []string{"warning: the newest restorable state of source main will be older than the objective of 2h0m0s at 2026-11-27 13:00:00Z, and the next run that takes it is due at 2026-11-28 00:00:00Z"}},
		"of two schedules one comes in time": {func(s *scene) {
			s.schedule(t, "daily", "0 0 * * *", nil)
			s.schedule(t, "hourly", "0 * * * *", &repository.ScheduleRun{Due: statusNow.Add(-time.Hour), Result: repository.ScheduleOK})
			s.config.Schedules[0].Sources, s.config.Schedules[1].Sources = []string{"main"}, []string{"main"}
		}, []string{"warning: no daemon has ever seen schedule daily: openim-dr run"}},
		"the last proof is too old": {func(s *scene) { s.config.Objectives.Proof = quantity.Duration(time.Hour) }, []string{
			"warning: the last drill that has shown that source main comes back was 2h20m ago, and the objective is 1h0m0s: openim-dr verify",
			"warning: the last drill that has shown that source media comes back was 2h20m ago, and the objective is 1h0m0s: openim-dr verify",
		}},
		"schedules that nobody runs": {func(s *scene) {
			s.schedule(t, "hourly", "0 * * * *", &repository.ScheduleRun{Due: statusNow.Add(-3 * time.Hour), Result: repository.ScheduleOK})
			s.schedule(t, "new", "0 * * * *", &repository.ScheduleRun{Due: statusNow.Add(-3 * time.Hour), Result: repository.ScheduleNew})
			s.schedule(t, "nightly", "0 2 * * *", nil)
		}, []string{
			"warning: schedule hourly has had no run since it was due at 2026-11-27 10:00:00Z",
			"warning: schedule new has had no run since it was due at 2026-11-27 10:00:00Z",
			"warning: no daemon has ever seen schedule nightly: openim-dr run",
		}},
		"what counts is too old": {func(s *scene) { s.newest().Complete = false }, []string{
			"critical: the newest restorable state of source main is 3h0m old, and the objective is 2h0m0s",
			"critical: the newest restorable state of source media is 3h0m old, and the objective is 2h0m0s",
			"warning: stream hourly has had incomplete points since 2026-11-27 11:00:00Z",
		}},
		"this clock is behind": {func(s *scene) {
			for i := range s.newest().Sources {
				s.newest().Sources[i].Started = statusNow.Add(time.Duration(4+2*i) * time.Minute)
			}
		}, []string{"warning: the newest restorable state of source media was captured at 2026-11-27 12:06:00Z, and by the clock of this machine that is in 6m"}},
		"one source is too old": {func(s *scene) { s.newest().Sources = s.newest().Sources[:1] }, []string{
			"critical: the newest restorable state of source media is 3h0m old, and the objective is 2h0m0s",
		}},
		"old and nothing promised": {func(s *scene) { s.newest().Complete, s.config.Objectives = false, config.Objectives{} }, []string{
			"warning: stream hourly has had incomplete points since 2026-11-27 11:00:00Z",
		}},
		"what is held on to is not forgotten": {func(s *scene) { s.newest().Forgotten = &repository.State{} }, []string{
			"critical: the newest restorable state of source main is 3h0m old, and the objective is 2h0m0s",
			"critical: the newest restorable state of source media is 3h0m old, and the objective is 2h0m0s",
		}},
		"the newest is signed by nobody": {func(s *scene) { s.newest().Untrusted = errors.New("not signed") }, []string{
			"critical: the newest restorable state of source main is 3h0m old, and the objective is 2h0m0s",
			"critical: the newest restorable state of source media is 3h0m old, and the objective is 2h0m0s",
			"warning: 1 point is not signed by anybody who is trusted",
		}},
		"one is quarantined": {func(s *scene) { s.points()[0].Quarantined = "its times differ" }, []string{
			"warning: no drill has shown that sources main, media come back: openim-dr verify", "warning: 1 point is quarantined: openim-dr list --all",
		}},
		"points of others are theirs": {func(s *scene) {
			other := statusPoint(9, 0, "main")
			other.Instance, other.Untrusted = "staging", errors.New("not signed")
			s.places[0].Listing.Points = append(s.points(), other)
		}, nil},
		"a rollback point may be incomplete": {func(s *scene) {
			p := statusPoint(1, time.Minute, "main")
			p.Stream, p.Complete = repository.RollbackStream, false
			s.places[0].Listing.Points = append(s.points(), p)
		}, nil},
		"manifests are damaged, and of a later version": {func(s *scene) {
			s.places[0].Listing.Broken = []repository.Broken{{ID: "a", Err: fault.New(fault.Corrupt, "read", "damaged")}, {ID: "b", Err: fault.New(fault.Usage, "read", "format 2")}}
		}, []string{"critical: 1 manifest is damaged: openim-dr check says which", "warning: 1 point is of a later version of openim-dr, and not counted"}},
		"never proven": {func(s *scene) { s.points()[0].Proofs = nil }, []string{
			"warning: no drill has shown that sources main, media come back: openim-dr verify",
			"warning: how long a restore of every source takes was never measured, and the objective is 1h0m0s",
		}},
		"one source is not proven": {func(s *scene) { b := s.points()[0].Proofs[0]; b.Set = b.Set[:1] }, []string{
			"warning: no drill has shown that source media comes back: openim-dr verify",
			"warning: how long a restore of every source takes was never measured, and the objective is 1h0m0s",
		}},
		"a restore takes too long": {func(s *scene) { s.points()[0].Proofs[0].RTO.Seconds = 5400 }, []string{
			"warning: the last drill took 1h30m0s to restore, and the objective is 1h0m0s",
		}},
		"the last drill has failed": {func(s *scene) {
			b := s.drill(1, time.Minute)
			b.Passed, b.Reasons = false, []string{"an assertion does not hold"}
		}, []string{
			"warning: the last drill, of 2026-11-27 11:10:00Z, has failed: an assertion does not hold",
		}},
		"the last drill has found damage": {func(s *scene) {
			b := s.drill(1, time.Minute)
			b.Passed, b.Failure, b.Reasons = false, repository.FailedDamaged, []string{"damaged"}
		}, []string{"critical: the last drill, of 2026-11-27 11:10:00Z, has failed: damaged"}},
		"a copy is gone": {func(s *scene) { s.places[1].Err, s.places[1].Listing = errors.New("no such host"), nil }, []string{
			"warning: copy eu cannot be read: no such host", "warning: 3-2-1 is not met: 2 copies of 3, production among them, 2 kinds of storage of 2, 2 places of 2",
		}},
		"a copy lacks a source": {func(s *scene) { p := s.places[1].Listing.Points[0]; p.Sources = p.Sources[:1] }, []string{
			"warning: copy eu holds no restorable point of source media", "warning: 3-2-1 is not met: 2 copies of 3, production among them, 2 kinds of storage of 2, 2 places of 2",
		}},
		"a copy is damaged": {func(s *scene) {
			s.places[1].Listing.Broken = []repository.Broken{{ID: "a", Err: fault.New(fault.Corrupt, "read", "damaged")}}
		}, []string{"warning: in copy eu 1 manifest is damaged: openim-dr check --repository eu says which"}},
		"a copy is too far behind": {func(s *scene) { s.places[1].MaxBehind = time.Hour }, []string{
			"warning: copy eu is 2h0m behind for source main, and maxBehind is 1h0m0s", "warning: copy eu is 2h0m behind for source media, and maxBehind is 1h0m0s",
		}},
		"a copy may be behind": {func(s *scene) { s.places[1].MaxBehind = 0 }, nil},
		"copies are lost together": {func(s *scene) {
			for i := range s.places {
				s.places[i].Where = "production"
			}
		}, []string{"warning: 3-2-1 is not met: 3 copies of 3, production among them, 3 kinds of storage of 2, 1 place of 2"}},
		"what is stored was not counted": {func(s *scene) { s.places[1].Stored, s.places[1].NotCounted = nil, errors.New("too slow") }, []string{
			"warning: what eu stores could not be counted: too slow",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := wellScene()
			tt.change(s)
			got := status.Judge(s.config, s.places, statusNow)
			var said []string
			for _, r := range got.Reasons {
				said = append(said, r.Severity+": "+r.Text)
			}
			if diff := cmp.Diff(tt.want, said); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			state := status.OK
			if len(tt.want) > 0 {
				state, _, _ = strings.Cut(tt.want[0], ":")
			}
			if got.State != state {
				t.Errorf("state %s, want %s", got.State, state)
			}
		})
	}
}

// What scripts read has these names, and this shape.
func TestStatusDocument(t *testing.T) {
	got := status.Judge(wellScene().config, wellScene().places, statusNow)
	const want = `{"state":"ok","reasons":[],"instance":"prod","time":"2026-11-27T12:00:00Z",` +
		`"streams":[{"stream":"hourly","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"seq":2,` +
		`"head":"0000000000000000000000000000000000000000000000000000000000001100","points":2,"complete":true,"incompleteSince":null}],` +
		`"objectives":{"rpo":{"objectiveSeconds":7200,"sources":[` +
		`{"source":"main","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"met":true,"summary":{"rows":20,"bytes":4000}},` +
		`{"source":"media","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"met":true,"summary":{"rows":20,"bytes":4000}}]},` +
		`"rto":{"objectiveSeconds":3600,"measuredSeconds":1800,"drill":"20261127T091000Z-dddd","met":true}},` +
		`"proofs":[{"source":"main","point":"20261127T090000Z-aaaa","proven":"2026-11-27T09:40:00Z","ageSeconds":8400},` +
		`{"source":"media","point":"20261127T090000Z-aaaa","proven":"2026-11-27T09:40:00Z","ageSeconds":8400}],"schedules":[],` +
		`"copies":[{"name":"repository","url":"gs://bucket/prod","kind":"gcs","place":"Google Cloud","reachable":true,"sources":[` +
		`{"source":"main","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","behindPoints":0,"behindSeconds":0},` +
		`{"source":"media","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","behindPoints":0,"behindSeconds":0}],` +
		`"counts":true,"storageClass":"standard","files":10,"stored":107374182400,"perMonth":"2.00","currency":"USD"},` +
		`{"name":"eu","url":"s3://bucket/prod?region=eu-central-1","kind":"s3","place":"eu-central-1 at Amazon","reachable":true,"sources":[` +
		`{"source":"main","point":"20261127T090000Z-aaaa","time":"2026-11-27T09:00:00Z","behindPoints":1,"behindSeconds":7200},` +
		`{"source":"media","point":"20261127T090000Z-aaaa","time":"2026-11-27T09:00:00Z","behindPoints":1,"behindSeconds":7200}],` +
		`"counts":true,"storageClass":"cold","files":5,"stored":42949672960,"perMonth":"0.20","currency":"USD"}],` +
		`"threeTwoOne":{"copies":3,"kinds":3,"places":3,"met":true},` +
		`"cost":{"stored":150323855360,"counted":"2026-11-27T11:59:00Z","perMonth":"2.20","currency":"USD"}}`
	document, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(document)); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

// Seen from a copy, the repository is one of its copies.
func TestPlacesBeginWithTheOneThatIsRead(t *testing.T) {
	c := wellScene().config
	for at, want := range map[string][]string{
		c.Repository.URL: {"repository", "eu"}, c.Copies[0].URL: {"eu", "repository"}, "/elsewhere": {"/elsewhere", "repository", "eu"},
	} {
		var got []string
		for _, p := range status.Places(c, at) {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
}
