package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// statusNow is when these tests ask.
var statusNow = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const gib = 1 << 30

// scene is a deployment in which everything is well: two sources, an hourly and a
// proven point of both, a copy elsewhere.
type scene struct {
	config *config.Config
	places []visited
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
	s := &scene{config: c, places: placesOf(c, c.Repository.URL)}
	s.places[0].listing = &repository.Listing{Points: []*repository.Point{statusPoint(1, 3*time.Hour, "main", "media"), statusPoint(2, time.Hour, "main", "media")}}
	s.places[1].listing = &repository.Listing{Points: []*repository.Point{statusPoint(1, 3*time.Hour, "main", "media")}}
	s.drill(0, 30*time.Minute)
	s.places[0].stored, s.places[1].stored = &stored{10, 100 * gib, statusNow}, &stored{5, 40 * gib, statusNow.Add(-time.Minute)}
	return s
}

// statusPoint is one that counts.
func statusPoint(seq int64, age time.Duration, sources ...string) *repository.Point {
	began := statusNow.Add(-age)
	p := &repository.Point{SHA256: strings.Repeat("0", 60) + began.Format("1504"), Manifest: &repository.Manifest{
		Point: began.Format("20060102T150405Z") + "-aaaa", Instance: "prod", Stream: "hourly", Seq: seq, Started: began, Ended: began.Add(time.Minute), Complete: true,
	}}
	for _, name := range sources {
		p.Sources = append(p.Sources, repository.Source{Name: name, Complete: true, Started: began, Ended: began.Add(time.Minute)})
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
	if s.places[0].runs == nil {
		s.places[0].runs = map[string]*repository.ScheduleRun{}
	}
	s.places[0].runs[name] = last
}

func (s *scene) points() []*repository.Point { return s.places[0].listing.Points }

func (s *scene) newest() *repository.Point { return s.points()[len(s.points())-1] }

func TestStatusAndItsReasons(t *testing.T) {
	tests := map[string]struct {
		change func(*scene)
		want   []string // the state is that of the first
	}{
		"all is well": {func(*scene) {}, nil},
		"no point at all": {func(s *scene) { s.places[0].listing = &repository.Listing{} }, []string{
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
			s.places[0].listing.Points = append(s.points(), other)
		}, nil},
		"a rollback point may be incomplete": {func(s *scene) {
			p := statusPoint(1, time.Minute, "main")
			p.Stream, p.Complete = repository.RollbackStream, false
			s.places[0].listing.Points = append(s.points(), p)
		}, nil},
		"manifests are damaged, and of a later version": {func(s *scene) {
			s.places[0].listing.Broken = []repository.Broken{{ID: "a", Err: fault.New(fault.Corrupt, "read", "damaged")}, {ID: "b", Err: fault.New(fault.Usage, "read", "format 2")}}
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
		"a copy is gone": {func(s *scene) { s.places[1].err, s.places[1].listing = errors.New("no such host"), nil }, []string{
			"warning: copy eu cannot be read: no such host", "warning: 3-2-1 is not met: 2 copies of 3, production among them, 2 kinds of storage of 2, 2 places of 2",
		}},
		"a copy lacks a source": {func(s *scene) { p := s.places[1].listing.Points[0]; p.Sources = p.Sources[:1] }, []string{
			"warning: copy eu holds no restorable point of source media", "warning: 3-2-1 is not met: 2 copies of 3, production among them, 2 kinds of storage of 2, 2 places of 2",
		}},
		"a copy is damaged": {func(s *scene) {
			s.places[1].listing.Broken = []repository.Broken{{ID: "a", Err: fault.New(fault.Corrupt, "read", "damaged")}}
		}, []string{"warning: in copy eu 1 manifest is damaged: openim-dr check --repository eu says which"}},
		"a copy is too far behind": {func(s *scene) { s.places[1].maxBehind = time.Hour }, []string{
			"warning: copy eu is 2h0m behind for source main, and maxBehind is 1h0m0s", "warning: copy eu is 2h0m behind for source media, and maxBehind is 1h0m0s",
		}},
		"a copy may be behind": {func(s *scene) { s.places[1].maxBehind = 0 }, nil},
		"copies are lost together": {func(s *scene) {
			for i := range s.places {
				s.places[i].where = production
			}
		}, []string{"warning: 3-2-1 is not met: 3 copies of 3, production among them, 3 kinds of storage of 2, 1 place of 2"}},
		"what is stored was not counted": {func(s *scene) { s.places[1].stored, s.places[1].notCounted = nil, errors.New("too slow") }, []string{
			"warning: what eu stores could not be counted: too slow",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := wellScene()
			tt.change(s)
			got := judgeStatus(s.config, s.places, statusNow)
			var said []string
			for _, r := range got.Reasons {
				said = append(said, r.Severity+": "+r.Text)
			}
			if diff := cmp.Diff(tt.want, said); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			state := stateOK
			if len(tt.want) > 0 {
				state, _, _ = strings.Cut(tt.want[0], ":")
			}
			if got.State != state {
				t.Errorf("state %s, want %s", got.State, state)
			}
			var p page
			writeStatus(&p, got)
			if first, _, _ := strings.Cut(p.String(), "\n"); !strings.HasPrefix(first, state+": ") {
				t.Errorf("the page begins with %q", first)
			}
		})
	}
}

// What scripts read has these names, and this shape.
func TestStatusDocument(t *testing.T) {
	got := judgeStatus(wellScene().config, wellScene().places, statusNow)
	const want = `{"state":"ok","reasons":[],"instance":"prod","time":"2026-11-27T12:00:00Z",` +
		`"streams":[{"stream":"hourly","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"seq":2,` +
		`"head":"0000000000000000000000000000000000000000000000000000000000001100","points":2,"complete":true,"incompleteSince":null}],` +
		`"objectives":{"rpo":{"objectiveSeconds":7200,"sources":[` +
		`{"source":"main","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"met":true},` +
		`{"source":"media","point":"20261127T110000Z-aaaa","time":"2026-11-27T11:00:00Z","ageSeconds":3600,"met":true}]},` +
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
	if diff := cmp.Diff(want, strings.TrimSpace(string(compact(got)))); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestKindAndPlace(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	tests := map[string][2]string{
		"/var/backups":        {"directory", production},
		"file:///var/backups": {"directory", production},
		"gs://one/prod":       {"gcs", "Google Cloud"},
		"gs://two":            {"gcs", "Google Cloud"},
		"s3://b":              {"s3", "us-east-1 at Amazon"},
		"s3://b/p?region=eu-central-1&endpoint=https://s3.example:9000": {"s3", "eu-central-1 at s3.example:9000"},
		"s3://b/p?%zz": {"s3", "us-east-1 at Amazon"},
	}
	for at, want := range tests {
		if kind, where := kindAndPlace(at); kind != want[0] || where != want[1] {
			t.Errorf("%s is %s in %s, want %v", at, kind, where, want)
		}
	}
}

// Seen from a copy, the repository is one of its copies.
func TestPlacesBeginWithTheOneThatIsRead(t *testing.T) {
	c := wellScene().config
	for at, want := range map[string][]string{
		c.Repository.URL: {"repository", "eu"}, c.Copies[0].URL: {"eu", "repository"}, "/elsewhere": {"/elsewhere", "repository", "eu"},
	} {
		var got []string
		for _, p := range placesOf(c, at) {
			got = append(got, p.name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
}

// A watch looks at once and every ten seconds, shows what could not be had too, and
// ends when it is interrupted.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*watchInterval-time.Second)
		defer cancel()
		var screen bytes.Buffer
		a := newApp(strings.NewReader(""), &screen, io.Discard)
		began, looks := time.Now(), []time.Duration{}
		repeat(ctx, watchInterval, func() {
			looks = append(looks, time.Since(began))
			if len(looks) == 2 {
				a.redraw(nil, errors.New("the network\nis down"))
				return
			}
			s := wellScene()
			a.redraw(judgeStatus(s.config, s.places, statusNow), nil)
		})
		if want := []time.Duration{0, watchInterval, 2 * watchInterval}; !slices.Equal(looks, want) {
			t.Errorf("looked after %v, want %v", looks, want)
		}
		screens := strings.Split(screen.String(), "\x1b[H\x1b[2J")
		for i, want := range []string{"", "ok: every source", "unknown: the network is down\n", "ok: every source"} {
			if !strings.HasPrefix(screens[i], want) {
				t.Errorf("screen %d begins with %q, want %q", i, screens[i], want)
			}
		}
	})
}

// What is stored is counted anew when the last count is an hour old.
func TestCountsAreKeptForAnHour(t *testing.T) {
	f := repotest.New(t)
	repo := f.Open(t)
	o := &observer{counts: map[string]stored{}}
	count := func() int64 {
		t.Helper()
		s, err := o.count(t.Context(), "here", repo)
		if err != nil {
			t.Fatal(err)
		}
		return s.files
	}
	before := count()
	if _, err := f.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
		t.Fatal(err)
	}
	if again := count(); again != before {
		t.Errorf("%d files, before %d: it was counted again at once", again, before)
	}
	old := o.counts["here"]
	old.at = old.at.Add(-countInterval)
	o.counts["here"] = old
	if after := count(); after <= before {
		t.Errorf("%d files, before %d: it was not counted again", after, before)
	}
}

// On a terminal a watch is drawn until Ctrl-C, which is its proper end.
func TestWatchOnATerminal(t *testing.T) {
	points := pointsWithoutServers(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := os.Expand(`instance: $INSTANCE
repository:
  url: $REPO
  recipients: [$RECIPIENT]
  catalogIdentity: file:catalog.key
  signingKey: file:$SIGNING_KEY
  trustedSigners: [{key: $TRUST, roles: [writer, operator]}]
sources: [{name: main, kind: mysql, address: "127.0.0.1:1", user: nobody, schemas: [a]}]
`, func(name string) string { return points[name] })
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "status", "--watch", "--config", file}
	screen := startOnTerminal(t, cmd)
	screen.converse(t, 0, prompt("warning: no drill has shown that source main comes back", ""), prompt("again every 10s; Ctrl-C ends it", ctrlC))
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
