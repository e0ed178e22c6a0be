package hook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(line string) // called with every line; may be nil
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen != nil {
		j.seen(string(p))
	}
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// runner returns a Runner that waits for nothing, and what it logs.
func runner(hooks ...Hook) (*Runner, *journal) {
	j := new(journal)
	r := New(hooks, slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r.grace = 50 * time.Millisecond
	r.retry = retryPolicy{first: time.Millisecond, longest: time.Millisecond}
	return r, j
}

// shell is a hook that runs a script.
func shell(on Event, script string) Hook { return Hook{On: on, Command: []string{"sh", "-c", script}} }

// Each event calls its own hooks, for the verbs that they are for.
func TestWhichHooksAreCalled(t *testing.T) {
	says := func(on Event, word string, verbs ...Verb) Hook {
		h := shell(on, "echo "+word)
		h.For = verbs
		return h
	}
	all := []Hook{
		says(Before, "first"), says(Success, "done"), says(Before, "second", Restore), says(Failure, "page"),
		says(Before, "third", Backup), says(Failure, "both", Backup, Restore),
	}
	tests := map[string]struct {
		event Event
		verb  Verb
		want  []string
	}{
		"before a restore": {Before, Restore, []string{"first", "second"}},
		"before a backup":  {Before, Backup, []string{"first", "third"}},
		"after success":    {Success, Backup, []string{"done"}},
		"after failure":    {Failure, Restore, []string{"page", "both"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, log := runner(all...)
			if tt.event == Before {
				if err := r.Before(t.Context(), Facts{Verb: tt.verb}); err != nil {
					t.Fatal(err)
				}
			} else {
				r.After(t.Context(), tt.event, Facts{Verb: tt.verb})
			}
			if got := said(log); strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("said %v, want %v", got, tt.want)
			}
		})
	}
}

// said returns the lines that hooks printed.
func said(log *journal) []string {
	var lines []string
	for line := range strings.Lines(log.String()) {
		if _, text, found := strings.Cut(line, ` msg="hook says" `); found {
			_, word, _ := strings.Cut(strings.TrimSpace(text), "line=")
			lines = append(lines, strings.Trim(word, `"`))
		}
	}
	return lines
}

func TestHookForbidsARun(t *testing.T) {
	r, log := runner(shell(Before, "echo no, not now; exit 3"), shell(Before, "echo never"))
	err := r.Before(t.Context(), Facts{Verb: Restore})
	e, ok := fault.Outermost(err)
	if !ok || e.Kind != fault.Failed || fault.KindOf(err).ExitCode() != 1 {
		t.Fatalf("got %v, want a fault with exit code 1", err)
	}
	if want := "run the hook before the restore sh: it ended with exit code 3: nothing was touched"; err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
	if got := said(log); len(got) != 1 || got[0] != "no, not now" {
		t.Errorf("said %v", got)
	}
}

// A hook that fails after the run is a warning, and the next one is called.
func TestHookThatFailsAfterwards(t *testing.T) {
	r, log := runner(shell(Failure, "exit 1"), Hook{On: Failure, Command: []string{"/no/such/program"}}, shell(Failure, "echo paged"))
	r.After(t.Context(), Failure, Facts{Verb: Backup})
	if got := said(log); len(got) != 1 || got[0] != "paged" {
		t.Errorf("said %v; log:\n%s", got, log)
	}
	for _, want := range []string{"it ended with exit code 1", "no such file or directory", "hook=program"} {
		if !strings.Contains(log.String(), want) || strings.Count(log.String(), "level=WARN") != 2 {
			t.Errorf("the log lacks %q or two warnings:\n%s", want, log)
		}
	}
}

// Those who are to learn that a run was stopped learn it.
func TestHooksAfterAnInterruption(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	r, log := runner(shell(Failure, "echo paged"), shell(Before, "echo begun"))
	r.After(ctx, Failure, Facts{Verb: Backup})
	if got := said(log); len(got) != 1 || got[0] != "paged" {
		t.Errorf("said %v; log:\n%s", got, log)
	}
	if err := r.Before(ctx, Facts{Verb: Backup}); err == nil || len(said(log)) != 1 {
		t.Errorf("a run that was stopped goes on to its hooks: %v", err)
	}
}

// What can be known before the night in which it is needed.
func TestReady(t *testing.T) {
	t.Setenv("SET", "x")
	tests := map[string]struct {
		hook  Hook
		ready bool
	}{
		"a program":        {Hook{Command: []string{"sh"}}, true},
		"no such program":  {Hook{Command: []string{"/no/such/program"}}, false},
		"a URL":            {Hook{URL: "https://h/p", Headers: map[string]secret.Ref{"X": "env:SET"}}, true},
		"no such secret":   {Hook{URL: "https://h/p", Headers: map[string]secret.Ref{"X": "env:UNSET"}}, false},
		"no such URL":      {Hook{URL: "env:UNSET"}, false},
		"a secret, no URL": {Hook{URL: "env:SET"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := tt.hook.Ready(); (err == nil) != tt.ready {
				t.Errorf("got %v, want ready %v", err, tt.ready)
			}
		})
	}
}
