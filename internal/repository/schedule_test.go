package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func scheduleRun(schedule string, n int) repository.ScheduleRun {
	return repository.ScheduleRun{
		Schedule: schedule, Number: n, Due: noon, Started: noon.Add(time.Second), Ended: noon.Add(time.Minute), Attempts: 2, Missed: 3, Overrun: 1, Result: "failed",
	}
}

// The last run of each schedule is found, and those of other schedules and other
// instances are none of its.
func TestLastScheduleRun(t *testing.T) {
	f, m := newFixture(t)
	log := &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}
	last := func(schedule string) *repository.ScheduleRun {
		t.Helper()
		run, err := log.Last(t.Context(), schedule)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	if run := last("nightly"); run != nil {
		t.Errorf("before any run it is %+v", run)
	}
	for n := range 11 {
		appendRun(t, log, scheduleRun("nightly", n+1))
	}
	appendRun(t, log, scheduleRun("hourly@db/x", 20))
	appendRun(t, &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: "another"}, scheduleRun("nightly", 30))
	want := scheduleRun("nightly", 11)
	want.Kind, want.Format, want.Repository, want.Instance = "schedule", repository.Format, f.Open(t).Record().Repository, repotest.Instance
	if diff := cmp.Diff(&want, last("nightly")); diff != "" {
		t.Errorf("the last run is another one (-want +got):\n%s", diff)
	}
	if run := last("hourly@db/x"); run == nil || run.Number != 20 {
		t.Errorf("got %+v", run)
	}
	if err := log.Append(t.Context(), scheduleRun("nightly", 11)); err != nil {
		t.Errorf("the same run once more, as after a lost reply: %v", err)
	}
	other := scheduleRun("nightly", 11)
	other.Result = repository.ScheduleOK
	if err := log.Append(t.Context(), other); !errors.Is(err, storage.ErrExist) {
		t.Errorf("another run under a number that is taken: %v", err)
	}
	m.Plant("schedules/"+repotest.Instance+"@nightly/12.json", []byte("{"))
	if diff := cmp.Diff(&repository.ScheduleRun{Number: 12}, last("nightly")); diff != "" {
		t.Errorf("a damaged record (-want +got):\n%s", diff)
	}
}

func appendRun(t *testing.T, log *repository.ScheduleLog, run repository.ScheduleRun) {
	t.Helper()
	if err := log.Append(t.Context(), run); err != nil {
		t.Fatal(err)
	}
}

// The newest runs come first, those that are known are not read again, and damaged ones
// are left out.
func TestRecentScheduleRuns(t *testing.T) {
	f, m := newFixture(t)
	log := &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}
	for n := range 7 {
		appendRun(t, log, scheduleRun("nightly", n+1))
	}
	m.Plant("schedules/"+repotest.Instance+"@nightly/8.json", []byte("{"))
	known := scheduleRun("nightly", 6)
	known.Result = "known"
	runs, err := log.Recent(t.Context(), "nightly", 4, []repository.ScheduleRun{known})
	var got []string
	for _, r := range runs {
		got = append(got, fmt.Sprintf("%d %s", r.Number, r.Result))
	}
	if want := []string{"7 failed", "6 known", "5 failed"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

// Of each schedule a sweep leaves the newest hundred runs, and younger ones.
func TestSweepClearsOldScheduleRuns(t *testing.T) {
	f, m := newFixture(t)
	takePoints(t, f.Writer(t), 1)
	log := &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}
	const runs = 130
	path := func(n int) string { return fmt.Sprintf("schedules/%s@nightly/%d.json", repotest.Instance, n) }
	for n := range runs {
		appendRun(t, log, scheduleRun("nightly", n+1))
		if n+1 <= 120 && n+1 != 7 {
			m.Age(path(n+1), -24*8)
		}
	}
	appendRun(t, log, scheduleRun("rare", 1))
	mustSweep(t, f, m)
	names := m.Names()
	for n := 1; n <= runs; n++ {
		if here := slices.Contains(names, path(n)); here != (n > runs-100 || n == 7) {
			t.Errorf("%s is there: %v", path(n), here)
		}
	}
	if run, err := log.Last(t.Context(), "rare"); err != nil || run == nil {
		t.Errorf("the run of a rare schedule is gone: %v", err)
	}
}
