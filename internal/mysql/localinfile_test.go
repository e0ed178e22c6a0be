package mysql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// stopped stops whoever shows progress, at the first rows, until it may go on.
type stopped struct {
	once       sync.Once
	came, goOn chan struct{}
}

func newStopped() *stopped { return &stopped{came: make(chan struct{}), goOn: make(chan struct{})} }

func (s *stopped) Task(string, progress.Unit, int64) progress.Task { return s }
func (s *stopped) SetTotal(int64)                                  {}
func (s *stopped) Done()                                           {}
func (s *stopped) Add(int64) {
	s.once.Do(func() { close(s.came) })
	<-s.goOn
}

// Two restores load into one server that has local_infile off. It stays on until
// both have loaded, and is off after that, whichever ends first.
func TestLocalInfileOfTwoRestores(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	other := i.env.StartMySQL(t, "--local-infile=0")
	db, as := other.Open(t), account{other.Address, other.User, other.Password}
	local := func() string { return text(t, db, "SELECT @@GLOBAL.local_infile") }
	for first := range 2 {
		t.Run(fmt.Sprintf("number %d ends first", first+1), func(t *testing.T) {
			from, _ := i.open(t, faulty.Plan{})
			halts := []*stopped{newStopped(), newStopped()}
			ends := []chan error{make(chan error, 1), make(chan error, 1)}
			for n, halt := range halts {
				s, target := newServer(t, as, smallChunks, i.schema), fmt.Sprintf("copy_%d_%d", first, n)
				plan := i.plan(t, s, from, source.Attempt{ID: repository.NewRestoreID(time.Now())}, target)
				go func() {
					_, err := s.Restore(t.Context(), from, plan, halt)
					ends[n] <- err
				}()
				select {
				case <-halt.came:
				case err := <-ends[n]:
					t.Fatal(err)
				}
			}
			for _, step := range []struct {
				n    int
				want string
			}{{first, "1"}, {1 - first, "0"}} {
				close(halts[step.n].goOn)
				if err := <-ends[step.n]; err != nil {
					t.Fatal(err)
				}
				if got := local(); got != step.want {
					t.Errorf("after number %d has loaded local_infile is %s, want %s", step.n+1, got, step.want)
				}
			}
		})
	}
}

// A restore that was killed while it loaded leaves local_infile on. Whoever goes on
// with it sets it back, and so does one that takes its place.
func TestLocalInfileAfterAKill(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	other := i.env.StartMySQL(t, "--local-infile=0")
	db, as := other.Open(t), account{other.Address, other.User, other.Password}
	direct := newServer(t, as, smallChunks, i.schema)
	for name, overwrite := range map[string]bool{"gone on with": false, "overwritten": true} {
		t.Run(name, func(t *testing.T) {
			target := "copy"
			run(t, db, "DROP DATABASE IF EXISTS copy")
			attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
			from, _ := i.open(t, faulty.Plan{})
			way := network.New(t, other.Address, "upstream", network.StallAll, from.Summary().Bytes*4/10)
			killed := newServer(t, through(way, as), smallChunks, i.schema)
			plan := i.plan(t, killed, from, attempt, target)
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			ended := make(chan error, 1)
			go func() {
				_, err := killed.Restore(ctx, from, plan, progress.Discard)
				ended <- err
			}()
			for !way.Struck() {
				if err := pause(t.Context(), pollInterval); err != nil {
					t.Fatal(err)
				}
			}
			if got := text(t, db, "SELECT @@GLOBAL.local_infile"); got != "1" {
				t.Fatalf("while rows are loaded local_infile is %s", got)
			}
			if overwrite {
				// One that loads, too: it holds its table for as long as the server waits for rows.
				sessions, err := findSessions(t.Context(), db, func(r record) bool {
					return r.text("command") != "Daemon" && !strings.HasPrefix(r.text("info"), "SHOW FULL PROCESSLIST")
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range sessions { // as they end where the process is gone
					_, _ = db.ExecContext(t.Context(), "KILL "+id)
				}
				lock := quoteText((&schemaPlan{target: target}).lock())
				for text(t, db, "SELECT IS_USED_LOCK("+lock+")") != "" {
					if err := pause(t.Context(), pollInterval); err != nil {
						t.Fatal(err)
					}
				}
				attempt = source.Attempt{ID: repository.NewRestoreID(time.Now())}
			} else {
				attempt.Resumed = true
			}
			plan, err := direct.Plan(t.Context(), from, source.Selection{Rename: map[string]string{i.schema: target}, Attempt: attempt})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := direct.Restore(t.Context(), from, plan, progress.Discard); err != nil {
				t.Fatal(err)
			}
			requireEqual(t, compare(t, direct, from, plan))
			if got := text(t, db, "SELECT @@GLOBAL.local_infile"); got != "0" {
				t.Errorf("local_infile is %s in the end, and was off in the beginning", got)
			}
			kill()
			<-ended
		})
	}
}
