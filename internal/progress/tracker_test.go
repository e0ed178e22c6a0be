package progress_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
)

// What is under way is told with what is left of it, and what has ended is not.
func TestTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := new(progress.Tracker)
		var log bytes.Buffer
		lines := progress.NewLines(slog.New(slog.NewTextHandler(&log, nil)), time.Hour)
		defer lines.Close()
		both := progress.Both(tracker, lines)
		rows, unknown := both.Task("dump main", progress.Rows, 10), both.Task("mirror media", progress.Bytes, 0)
		rows.SetTotal(4000)
		rows.Add(1000)
		unknown.Add(2048)
		time.Sleep(time.Minute)
		left := 180.0
		want := []progress.Standing{
			{Task: "dump main", Unit: "rows", Done: 1000, Total: 4000, RemainingSeconds: &left, Text: "1,000 of 4,000 rows"},
			{Task: "mirror media", Unit: "bytes", Done: 2048, Text: "2.0 KiB"},
		}
		if diff := cmp.Diff(want, tracker.Standings(time.Now())); diff != "" {
			t.Errorf("under way (-want +got):\n%s", diff)
		}
		rows.Done()
		rows.Done()
		unknown.Done()
		if left := tracker.Standings(time.Now()); len(left) != 0 {
			t.Errorf("when all has ended there is %v", left)
		}
	})
}
