package progress_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
)

func TestLinesReportTasksUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := progress.NewLines(slog.New(slog.NewTextHandler(&out, nil)), 10*time.Second)
		rows := lines.Task("main", progress.Rows, 4000)
		unknown := lines.Task("media", progress.Bytes, 0)
		rows.Add(1000)
		unknown.Add(5 << 20)
		time.Sleep(11 * time.Second) // synctest's clock: nobody waits
		synctest.Wait()
		rows.SetTotal(2000)
		unknown.Done()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		lines.Close()

		log := strings.Split(strings.TrimSpace(out.String()), "\n")
		want := [][]string{
			{"task=main", `done="1,000 of 4,000 rows"`, `rate="100 rows/s"`, "remaining=30s"},
			{"task=media", `done="5.0 MiB"`, `rate="512 KiB/s"`},
			{"task=main", `done="1,000 of 2,000 rows"`, `rate="50 rows/s"`, "remaining=20s"},
		}
		if len(log) != len(want) {
			t.Fatalf("got %d lines, want %d:\n%s", len(log), len(want), out.String())
		}
		for i, parts := range want {
			for _, part := range parts {
				if !strings.Contains(log[i], part) {
					t.Errorf("line %d has no %s: %s", i, part, log[i])
				}
			}
		}
		if strings.Contains(log[1], "remaining") {
			t.Errorf("time left is guessed without a total: %s", log[1])
		}
	})
}

func TestBarsEndWhateverTheirTasksDid(t *testing.T) {
	var out safeBuffer
	bars := progress.NewBars(&out)
	var tasks sync.WaitGroup
	for range 4 {
		tasks.Go(func() {
			task := bars.Task("main", progress.Objects, 10)
			task.Add(10)
			task.SetTotal(20)
			task.Add(10)
			task.Done()
			task.Done()
		})
	}
	tasks.Wait()
	bars.Task("media", progress.Bytes, 0).Add(1 << 20) // never done: the run has failed
	if _, err := bars.Write([]byte("a log line\n")); err != nil {
		t.Errorf("write above the bars: %v", err)
	}
	bars.Close()
	if !strings.Contains(out.String(), "a log line") {
		t.Errorf("the log line is lost: %q", out.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
