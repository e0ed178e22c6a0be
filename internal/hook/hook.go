// Package hook tells others that a run begins or has ended: it runs commands
// and sends HTTP requests that the operator has configured.
//
// A hook is told facts, in its environment or as JSON, and never a secret. What
// a command prints is logged, within bounds. A hook that is called before a run
// can forbid it; one that is called after it changes nothing any more.
package hook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Event is when a hook is called.
type Event string

// Events. Every run that begins ends with one call of Success or Failure.
const (
	Before  Event = "before"  // nothing is touched yet; a hook that fails forbids the run
	Success Event = "success" // the run ended with exit code 0
	Failure Event = "failure" // it did not, or was not allowed to begin
)

// Events lists all of them.
var Events = []Event{Before, Success, Failure}

// Verb is a command that calls hooks.
type Verb string

// Verbs that call hooks.
const (
	Backup  Verb = "backup"
	Restore Verb = "restore"
	Verify  Verb = "verify"
)

// Verbs lists all of them.
var Verbs = []Verb{Backup, Restore, Verify}

// Bounds of a hook.
const (
	DefaultTimeout = time.Minute
	MaxTimeout     = time.Hour
)

// Hook is one thing to call: a command, or a URL.
type Hook struct {
	On      Event
	For     []Verb // empty: every verb
	Command []string
	URL     Address
	Headers map[string]secret.Ref
	Timeout time.Duration // zero: DefaultTimeout
}

// applies reports whether the hook is called.
func (h Hook) applies(event Event, verb Verb) bool {
	return h.On == event && (len(h.For) == 0 || slices.Contains(h.For, verb))
}

// String names the hook in logs and errors: never with its arguments, or with
// more of its URL than the host, since both may hold secrets.
func (h Hook) String() string {
	if len(h.Command) > 0 {
		return filepath.Base(h.Command[0])
	}
	return h.URL.String()
}

// Ready fails where the hook could not even be tried: there is no such program,
// or a secret cannot be read.
func (h Hook) Ready() error {
	if len(h.Command) > 0 {
		_, err := exec.LookPath(h.Command[0])
		return err
	}
	_, _, _, err := letter(h, Facts{})
	return err
}

// Runner calls the hooks of one run.
type Runner struct {
	hooks  []Hook
	log    *slog.Logger
	client *http.Client
	grace  time.Duration // between SIGTERM and SIGKILL
	retry  retryPolicy
}

// New returns a Runner. What commands print goes to log.
func New(hooks []Hook, log *slog.Logger) *Runner {
	return &Runner{hooks: hooks, log: log, client: newClient(), grace: defaultGrace, retry: defaultRetry}
}

// Before calls the hooks that may forbid a run, in their order. The first that
// fails ends it, with an error that says that nothing was touched.
func (r *Runner) Before(ctx context.Context, facts Facts) error {
	facts.Event = Before
	for _, h := range r.hooks {
		if !h.applies(Before, facts.Verb) {
			continue
		}
		if err := r.call(ctx, h, facts); err != nil {
			return fault.New(fault.Failed, "run the hook before the "+string(facts.Verb), "%w: nothing was touched", err).On(h.String()).
				Hint("see what it printed, above; without its entry under hooks in the configuration the %s goes on without it", facts.Verb)
		}
	}
	return nil
}

// After calls the hooks of event, each of them whether or not another fails: a
// failure is logged and changes nothing. They are called even where ctx has
// ended, within their own time limits.
func (r *Runner) After(ctx context.Context, event Event, facts Facts) {
	ctx = context.WithoutCancel(ctx)
	facts.Event = event
	for _, h := range r.hooks {
		if !h.applies(event, facts.Verb) {
			continue
		}
		if err := r.call(ctx, h, facts); err != nil {
			r.log.Warn("hook failed", "hook", h.String(), "event", string(event), "error", err.Error())
		}
	}
}

// call calls one hook within its time limit.
func (r *Runner) call(ctx context.Context, h Hook, facts Facts) error {
	timeout := h.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it was not done after %s", timeout))
	defer cancel()
	log := r.log.With("hook", h.String(), "event", string(facts.Event))
	began := time.Now()
	log.Info("hook begun")
	err := r.carry(ctx, h, facts, log)
	if err == nil {
		log.Info("hook ended", "seconds", time.Since(began).Seconds())
	}
	return err
}

func (r *Runner) carry(ctx context.Context, h Hook, facts Facts, log *slog.Logger) error {
	if len(h.Command) > 0 {
		return run(ctx, h.Command, facts.variables(), r.grace, log)
	}
	return r.post(ctx, h, facts)
}
