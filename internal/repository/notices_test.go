package repository_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

func notices(n int) repository.Notices {
	return repository.Notices{Number: n, Time: noon, Notices: []repository.Notice{
		{Receiver: "oncall", About: "rpo/main", Severity: "critical", Since: noon, Told: noon.Add(time.Minute)},
		{Receiver: "oncall", About: "drift/cluster", Severity: "warning", Since: noon, Told: noon, Occurrence: "20261127T120000Z-abcd"},
	}}
}

func appendNotices(t *testing.T, log *repository.NoticeLog, n int) {
	t.Helper()
	if err := log.Append(t.Context(), notices(n)); err != nil {
		t.Fatal(err)
	}
}

// What was told last is found, and neither that of another instance nor a run of a
// schedule is taken for it.
func TestLastNotices(t *testing.T) {
	f, m := newFixture(t)
	log := &repository.NoticeLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}
	last := func() *repository.Notices {
		t.Helper()
		n, err := log.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if diff := cmp.Diff(new(repository.Notices), last()); diff != "" {
		t.Errorf("before anything was told (-want +got):\n%s", diff)
	}
	for n := range 11 {
		appendNotices(t, log, n+1)
	}
	appendNotices(t, &repository.NoticeLog{Store: m, Repo: f.Open(t), Instance: "another"}, 30)
	appendRun(t, &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}, scheduleRun("notices", 40))
	want := notices(11)
	want.Kind, want.Format, want.Repository, want.Instance = "notices", repository.Format, f.Open(t).Record().Repository, repotest.Instance
	if diff := cmp.Diff(&want, last()); diff != "" {
		t.Errorf("the last record is another one (-want +got):\n%s", diff)
	}
	other := notices(11)
	other.Notices = nil
	if err := log.Append(t.Context(), other); !errors.Is(err, storage.ErrExist) {
		t.Errorf("another record under a number that is taken: %v", err)
	}
	m.Plant(fmt.Sprintf("schedules/%s@@notices/12.json", repotest.Instance), []byte("{"))
	if diff := cmp.Diff(&repository.Notices{Number: 12}, last()); diff != "" {
		t.Errorf("a damaged record (-want +got):\n%s", diff)
	}
}
