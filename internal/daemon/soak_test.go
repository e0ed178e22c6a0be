package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/timetable"
	"github.com/openim-dr/openim-dr/retention"
)

// soakTime is how long a daemon is left alone.
func soakTime() time.Duration {
	switch {
	case repotest.RaceDetector:
		return month / 3
	case os.Getenv("OPENIM_DR_TEST_LONG") != "":
		return 24 * month
	default:
		return 2 * month
	}
}

const (
	month = 30 * 24 * time.Hour
	// soakRPO is what is promised of a source that is backed up every hour: an hour,
	// and as long as a run is tried again.
	soakRPO = 2 * time.Hour
	// soakLease is how long the lease of the daemon holds. Renewals are files.
	soakLease = time.Hour
)

// TestSoak leaves a daemon alone for months, with hourly backups of a tiny source,
// a daily prune, a weekly check and a monthly drill, on real files. Storage fails now
// and then, and for hours; the daemon is stopped, or dies without a word, and is
// started again. The newest point is never older than promised but for that, and in
// the end nothing is damaged, and memory and goroutines are what they were.
func TestSoak(t *testing.T) {
	seed := soakSeed(t)
	t.Logf("OPENIM_DR_TEST_SEED=%d", seed)
	synctest.Test(t, func(t *testing.T) {
		s := newSoak(t, seed)
		var first, last usage
		for left := soakTime(); left > 0; left -= month / 3 {
			s.live(t, month/3)
			if last = usageNow(); first.heap == 0 {
				first = last
			}
		}
		if s.requireWhole(t); t.Failed() {
			t.Logf("the last lines of the log:\n%s", &s.log)
		}
		t.Logf("%d backups, %d prunes, %d checks, %d drills, %d failures, %d outages, %d deaths, %d stops; %d points in the end; at first %s, in the end %s",
			s.did["backup"], s.did["prune"], s.did["check"], s.did["drill"], s.did["failure"], s.did["outage"], s.did["death"], s.did["stop"], s.points, first, last)
		if last.goroutines > first.goroutines+2 || last.heap > 2*first.heap+8<<20 {
			t.Errorf("it grows: at first %s, in the end %s", first, last)
		}
		s.requireEnough(t)
	})
}

// requireEnough fails where too little has happened to have shown anything.
func (s *soak) requireEnough(t *testing.T) {
	t.Helper()
	perMonth := map[string]int{"backup": 500, "prune": 15, "failure": 10}
	if soakTime() > month {
		perMonth["check"], perMonth["drill"], perMonth["outage"], perMonth["death"], perMonth["stop"] = 3, 1, 1, 1, 1
	}
	for what, least := range perMonth {
		if least = int(float64(least) * soakTime().Hours() / month.Hours()); s.did[what] < least {
			t.Errorf("%d times %s, want %d at least", s.did[what], what, least)
		}
	}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines[max(0, len(l.lines)-60):], string(line))
	return len(line), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

func soakSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("OPENIM_DR_TEST_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// usage is what a process uses.
type usage struct {
	goroutines int
	heap       uint64
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines and %d KiB", u.goroutines, u.heap>>10)
}

func usageNow() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// soak is a deployment, its repository, and the weather.
type soak struct {
	*repotest.Fixture
	repo   *repository.Repository
	policy retention.Policy
	points int
	log    tail

	mu      sync.Mutex // of what follows
	random  *rand.Rand
	rows    int
	truth   map[string]map[string]string // by point: the tables
	did     map[string]int
	newest  time.Time // when the newest point began
	excused time.Time // until when it may be older than promised
}

// weather is a storage that fails now and then, or for a while.
type weather struct {
	storage.Storage
	bad func() bool
}

var errWeather = errors.New("the storage is not reached")

func (w *weather) fails() error {
	if w.bad() {
		return errWeather
	}
	return nil
}

func (w *weather) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if err := w.fails(); err != nil {
		return err
	}
	return w.Storage.List(ctx, prefix, fn)
}

func (w *weather) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := w.fails(); err != nil {
		return nil, err
	}
	return w.Storage.Open(ctx, name, offset, length)
}

func (w *weather) Create(ctx context.Context, name string) (storage.Upload, error) {
	if err := w.fails(); err != nil {
		return nil, err
	}
	return w.Storage.Create(ctx, name)
}

func (w *weather) Delete(ctx context.Context, seen storage.Info) error {
	if err := w.fails(); err != nil {
		return err
	}
	return w.Storage.Delete(ctx, seen)
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{
		Fixture: repotest.Over(t, repotest.NewDated(t)), random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test's choices
		policy: retention.Policy{Last: 3, Hourly: 6, Daily: 7, Weekly: 4, Monthly: 12, Grace: 12 * time.Hour, MaxDeleteShare: retention.DefaultMaxDeleteShare},
		truth:  map[string]map[string]string{}, did: map[string]int{}, excused: time.Now().Add(2 * time.Hour),
	}
	s.repo = s.Open(t)
	return s
}

// chance is true once in n times.
func (s *soak) chance(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n) == 0
}

// between draws a duration.
func (s *soak) between(least, most time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}

func (s *soak) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did[what]++
}

// live lets daemons come and go for some time.
func (s *soak) live(t *testing.T, long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end) && !t.Failed(); {
		s.process(t, min(s.between(12*time.Hour, 12*24*time.Hour), time.Until(end)))
	}
}

// process is the life of one daemon, in the course of which the storage may not be
// reached for hours. It ends well, or dies without giving back what it holds.
func (s *soak) process(t *testing.T, long time.Duration) {
	var down atomic.Bool
	store := storage.Retry(&weather{s.Store, func() bool { return down.Load() || s.chance(500) }}, storage.Policy{})
	stop := start(t, s.daemon(store))
	for end := time.Now().Add(long); time.Now().Before(end); {
		s.watch(t, min(s.between(time.Hour, 8*24*time.Hour), time.Until(end)))
		if !s.chance(2) || time.Until(end) < 0 {
			continue
		}
		s.note("outage")
		s.excuse(24 * time.Hour)
		down.Store(true)
		s.watch(t, s.between(10*time.Minute, 8*time.Hour))
		down.Store(false)
		s.excuse(0)
	}
	if s.chance(2) {
		s.note("death")
		down.Store(true)
	} else {
		s.note("stop")
	}
	stop()
	time.Sleep(s.between(time.Second, 3*time.Hour))
	s.excuse(0)
}

// excuse says for how long something is in the way, and what that costs: the lease of
// a daemon that died, and a backup.
func (s *soak) excuse(long time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.excused = time.Now().Add(long + 2*soakLease + soakRPO)
}

// watch waits, and looks every ten minutes whether the newest point is young enough.
func (s *soak) watch(t *testing.T, long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end); {
		time.Sleep(min(10*time.Minute, time.Until(end)))
		s.mu.Lock()
		excused := time.Now().Before(s.excused)
		s.mu.Unlock()
		if excused {
			continue
		}
		if age := s.age(); age > soakRPO {
			t.Errorf("at %s the newest point is %s old", time.Now(), age)
			return
		}
	}
}

func (s *soak) age() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.newest)
}

// daemon makes one that knows the storage by its own weather alone.
func (s *soak) daemon(store storage.Storage) *daemon.Daemon {
	log := &repository.ScheduleLog{Store: store, Repo: s.repo, Instance: repotest.Instance}
	elector := daemon.LeaseElector{Store: store, Instance: repotest.Instance, Length: soakLease}
	d := daemon.New(elector, log, slog.New(slog.NewTextHandler(&s.log, nil)), daemon.NewMetrics(prometheus.NewRegistry()), new(daemon.Health))
	d.Schedule([]daemon.Schedule{
		s.schedule("backup", "7 * * * *", s.backup(store)), s.schedule("prune", "CRON_TZ=America/New_York 30 2 * * *", s.prune(store)),
		s.schedule("check", "0 4 * * 0", s.check(store)), s.schedule("drill", "0 5 1 * *", s.drill(store)),
	})
	return d
}

func (s *soak) schedule(name, cron string, job daemon.Job) daemon.Schedule {
	table, err := timetable.Parse(cron)
	if err != nil {
		panic(err)
	}
	return daemon.Schedule{Name: name, Timetable: table, CatchUp: true, RetryFor: time.Hour, Job: func(ctx context.Context) error {
		err := job(ctx)
		if err == nil {
			s.note(name)
		} else {
			s.note("failure")
		}
		return err
	}}
}

func (s *soak) backup(store storage.Storage) daemon.Job {
	return func(ctx context.Context) error {
		sample := s.change()
		w, err := repository.OpenWriter(ctx, store, s.WriterOptions())
		if err != nil {
			return err
		}
		began := time.Now()
		result, err := backup.Run(ctx, w, backup.Options{
			Instance: repotest.Instance, Stream: "backup", Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
			Sources: []backup.Source{{Name: sample.Name, Kind: repotest.SampleKind, FormatVersion: 1, Capturer: sample}},
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.truth[result.Point], s.newest = sample.Tables, began
		return nil
	}
}

// change lets the deployment live on. Now and then its server does not answer.
func (s *soak) change() *repotest.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows++
	sample := &repotest.Sample{Name: "main", Tables: map[string]string{"db/users": fmt.Sprintf("%d\n", s.rows)}, Objects: map[string]string{}}
	if s.random.IntN(50) == 0 {
		sample.Err = errors.New("the server is not reached")
	}
	return sample
}

func (s *soak) prune(store storage.Storage) daemon.Job {
	return func(ctx context.Context) error {
		repo, err := repository.Open(ctx, store, repository.Options{Trust: s.Trust})
		if err != nil {
			return err
		}
		ctx, lease, err := repository.AcquireLease(ctx, store, repotest.Instance, repository.PruneLease(repotest.Instance), 0)
		if err != nil {
			return err
		}
		defer lease.Release()
		p := &repository.Pruner{Store: store, Repo: repo, Signer: s.Signer, Instance: repotest.Instance, Tool: "test", By: "pruner"}
		todo, err := retention.PlanPrune(ctx, p, retention.Order{Policy: s.policy})
		if err != nil {
			return err
		}
		_, err = todo.CarryOut(ctx, p, progress.Discard)
		return err
	}
}

// check fails where anything is found but what no point needs.
func (s *soak) check(store storage.Storage) daemon.Job {
	return func(ctx context.Context) error {
		a, err := repository.NewAudit(store, repository.AuditOptions{Options: repository.Options{Trust: s.Trust}})
		if err == nil {
			err = repotest.RunAudit(ctx, a)
		}
		if err != nil {
			return err
		}
		found, _ := a.Findings()
		for _, f := range found {
			if f.Kind != repository.Unreferenced {
				return fault.New(fault.Corrupt, "check", "%s %s", f.Kind, f.File)
			}
		}
		return nil
	}
}

// drill restores the newest point, and leaves a proof.
func (s *soak) drill(store storage.Storage) daemon.Job {
	return func(ctx context.Context) error {
		repo, err := repository.Open(ctx, store, repository.Options{Trust: s.Trust})
		if err != nil {
			return err
		}
		listing, err := repo.List(ctx)
		if err != nil {
			return err
		}
		p, err := listing.Find(repository.Latest)
		if err == nil {
			err = s.restored(ctx, repo, p)
		}
		if err != nil {
			return err
		}
		return repository.AppendProof(ctx, store, repo, s.Signer, []string{p.Point}, repotest.Proof(time.Now(), repotest.Taken(p, "main")))
	}
}

// restored brings a point back, and compares it with what was captured.
func (s *soak) restored(ctx context.Context, repo *repository.Repository, p *repository.Point) error {
	s.mu.Lock()
	want, known := s.truth[p.Point]
	s.mu.Unlock()
	for _, from := range repo.Unlock(p, []seal.Identity{s.Operator}) {
		got := &repotest.Sample{Name: from.Name()}
		if _, err := got.Restore(ctx, from, nil, progress.Discard); err != nil {
			return fmt.Errorf("restore point %s: %w", p.Point, err)
		}
		// A commit whose answer was lost has made a point that nobody was told of.
		if diff := cmp.Diff(want, got.Tables); known && diff != "" {
			return fault.New(fault.Corrupt, "restore", "point %s differs (-want +got):\n%s", p.Point, diff)
		}
	}
	return nil
}

// requireWhole looks at what is left: nothing is damaged, and all of it comes back.
func (s *soak) requireWhole(t *testing.T) {
	t.Helper()
	if err := s.check(s.Store)(t.Context()); err != nil {
		t.Error(err)
	}
	listing, err := s.repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.points = len(listing.Points)
	for _, p := range listing.Points {
		if p.Sweeping() {
			continue
		}
		if err := s.restored(t.Context(), s.repo, p); err != nil {
			t.Error(err)
		}
	}
	if s.points < 10 || s.points > 150 {
		t.Errorf("%d points are left, want 10 to 150", s.points)
	}
}
