package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func facts() Facts {
	code, equal, rto := 3, false, 754.25
	return Facts{
		Verb: Restore, Instance: "openim-prod", Stream: "nightly", Points: []string{"20261123T020000Z-k3vq", "20261124T020000Z-a2b3"},
		Restore: "20261124T031500Z-zzzz", Result: "corrupt", ExitCode: &code, Equal: &equal, RTOSeconds: &rto, Seconds: 760.5,
		Error: "compare: 2 differences: \"a\"\nb", Hint: "look", Report: "/tmp/r.html",
	}
}

// TestEnvironment: a command is told the facts, finds what it needs to run, and
// nothing else that we were given (invariant 4).
func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"MYSQL_PASSWORD": "hunter2", "S3_SECRET_KEY": "hunter2", "OPENIM_DR_PASSPHRASE": "hunter2", "OPENIM_DR_CONFIG": "hunter2",
		"AWS_SESSION_TOKEN": "hunter2", "GOOGLE_APPLICATION_CREDENTIALS": "hunter2", "TZ": "Asia/Shanghai",
	} {
		t.Setenv(name, value)
	}
	file := filepath.Join(t.TempDir(), "env")
	r, _ := runner(Hook{On: Failure, Command: []string{"sh", "-c", `env -0 > "$0"`, file}})
	r.After(t.Context(), Failure, facts())
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		got[name] = value
	}
	shells := []string{"PWD", "OLDPWD", "SHLVL", "_"} // a shell's own
	for name := range got {
		if !slices.Contains(inherited, name) && !strings.HasPrefix(name, variablePrefix) && !slices.Contains(shells, name) {
			t.Errorf("the command sees %s", name)
		}
	}
	if strings.Contains(string(data), "hunter2") {
		t.Errorf("the command sees a secret:\n%q", data)
	}
	want := map[string]string{
		"TZ": "Asia/Shanghai", "PATH": os.Getenv("PATH"),
		"OPENIM_DR_EVENT": "failure", "OPENIM_DR_VERB": "restore", "OPENIM_DR_INSTANCE": "openim-prod", "OPENIM_DR_STREAM": "nightly",
		"OPENIM_DR_POINT": "20261124T020000Z-a2b3", "OPENIM_DR_POINTS": "20261123T020000Z-k3vq 20261124T020000Z-a2b3",
		"OPENIM_DR_RESTORE": "20261124T031500Z-zzzz", "OPENIM_DR_RESULT": "corrupt", "OPENIM_DR_EXIT_CODE": "3", "OPENIM_DR_EQUAL": "false",
		"OPENIM_DR_RTO_SECONDS": "754.250", "OPENIM_DR_SECONDS": "760.500", "OPENIM_DR_ERROR": "compare: 2 differences: \"a\"\nb",
		"OPENIM_DR_HINT": "look", "OPENIM_DR_REPORT": "/tmp/r.html",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

// What is not known yet is there and empty, so that scripts may be strict.
func TestEnvironmentBeforeARun(t *testing.T) {
	r, log := runner(shell(Before, `set -u; echo "$OPENIM_DR_POINT|$OPENIM_DR_EXIT_CODE|$OPENIM_DR_EQUAL|$OPENIM_DR_RESULT|"`))
	if err := r.Before(t.Context(), Facts{Verb: Backup}); err != nil {
		t.Fatal(err)
	}
	if got := said(log); len(got) != 1 || got[0] != "||||" {
		t.Errorf("said %v", got)
	}
}

// The variables are those that the documentation names.
func TestVariablesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(OPENIM_DR_[A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
	}
	var set []string
	for _, pair := range (Facts{}).variables() {
		name, _, _ := strings.Cut(pair, "=")
		set = append(set, name)
	}
	if !slices.Equal(documented, set) {
		t.Errorf("documented %v\nset        %v", documented, set)
	}
	for _, name := range inherited {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("that %s is inherited is not documented", name)
		}
	}
}

func TestCommandHasNoInput(t *testing.T) {
	r, log := runner(shell(Before, "cat; echo end"))
	if err := r.Before(t.Context(), Facts{}); err != nil || len(said(log)) != 1 {
		t.Errorf("got %v; log:\n%s", err, log)
	}
}

// What is printed on either output is logged, line by line and within bounds.
func TestOutput(t *testing.T) {
	tests := map[string]struct {
		script  string
		lines   int // 0: not counted
		longest int // bytes
		most    int // bytes
		dropped bool
	}{
		"two outputs":            {"echo one; echo two >&2", 2, 3, 6, false},
		"no line break":          {"printf end", 1, 3, 3, false},
		"blank lines":            {`printf '\n\n \n\r\nx\n\n'`, 1, 1, 1, false},
		"a long line":            {"head -c 100000 /dev/zero | tr '\\0' x; echo; echo end", 2, maxLine, maxLine + 3, true},
		"much":                   {"yes abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz | head -c 10000000", 0, 99, maxOutput, true},
		"many short lines":       {"yes | head -n 100000", maxLines, 1, maxLines, true},
		"bytes that are no text": {`printf 'a\377\0b\n'`, 1, 20, 20, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, log := runner(shell(Before, tt.script))
			if err := r.Before(t.Context(), Facts{}); err != nil {
				t.Fatal(err)
			}
			got := said(log)
			longest, sum := 0, 0
			for _, line := range got {
				longest, sum = max(longest, len(line)), sum+len(line)
			}
			if tt.lines > 0 && len(got) != tt.lines {
				t.Errorf("%d lines, want %d: %.300q", len(got), tt.lines, got)
			}
			if longest > tt.longest || sum > tt.most || sum == 0 {
				t.Errorf("%d bytes, the longest line %d; want at most %d and %d", sum, longest, tt.most, tt.longest)
			}
			if dropped := strings.Contains(log.String(), "more than is logged"); dropped != tt.dropped {
				t.Errorf("that something is left out is said: %v, want %v", dropped, tt.dropped)
			}
		})
	}
}

// alive is a pipe that everything a hook starts holds open: it is read to its
// end when all of them are dead.
func alive(t *testing.T) (path string, dead func(context.Context) error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Opened for both, lest it wait; the writing half is closed by exec alone.
	read, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	return path, func(ctx context.Context) error {
		if deadline, ok := ctx.Deadline(); ok {
			if err := read.SetReadDeadline(deadline); err != nil {
				return err
			}
		}
		_, err := io.Copy(io.Discard, read)
		return err
	}
}

// stubborn is a script that takes no notice of SIGTERM, and neither does what
// it starts. It says when it is ready. Where the test fails it ends by itself.
const stubborn = `exec 9> "$0"; trap '' TERM
sleep 300 > /dev/null 2>&1 &
sh -c 'trap "" TERM; echo ready; sleep 300 > /dev/null; exit' &
wait`

// TestGroupIsKilled ends a hook whose processes ignore SIGTERM: none of them is
// left, whatever ended it (invariant 9).
func TestGroupIsKilled(t *testing.T) {
	stopped := errors.New("stopped by somebody")
	for name, timeout := range map[string]time.Duration{"its time is up": 200 * time.Millisecond, "the run is stopped": time.Hour} {
		t.Run(name, func(t *testing.T) {
			path, dead := alive(t)
			r, log := runner(Hook{On: Before, Command: []string{"sh", "-c", stubborn, path}, Timeout: timeout})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if timeout == time.Hour {
				log.seen = func(line string) {
					if strings.Contains(line, "line=ready") {
						cancel(stopped)
					}
				}
			}
			err := r.Before(ctx, Facts{Verb: Backup})
			want := "it was ended: it was not done after 200ms"
			if timeout == time.Hour {
				want = "it was ended: stopped by somebody"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			patience, end := context.WithTimeout(t.Context(), 20*time.Second)
			defer end()
			if err := dead(patience); err != nil {
				t.Errorf("something that the hook has started is still there: %v", err)
			}
		})
	}
}

// A command that has ended takes along what it left in its group.
func TestNothingOutlivesTheCommand(t *testing.T) {
	for name, redirect := range map[string]string{"and holds its output": "", "and holds nothing": ">/dev/null 2>&1"} {
		t.Run(name, func(t *testing.T) {
			path, dead := alive(t)
			script := fmt.Sprintf(`exec 9> "$0"; tail -f /dev/null %s & exit 0`, redirect)
			r, _ := runner(Hook{On: Before, Command: []string{"sh", "-c", script, path}})
			if err := r.Before(t.Context(), Facts{}); err != nil {
				t.Errorf("a command that ends well is no failure: %v", err)
			}
			patience, end := context.WithTimeout(t.Context(), 20*time.Second)
			defer end()
			if err := dead(patience); err != nil {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// A command that heeds SIGTERM has the time to clean up.
func TestCommandCleansUp(t *testing.T) {
	r, log := runner(shell(Before, `trap 'echo cleaned; exit 0' TERM; echo ready; tail -f /dev/null >/dev/null 2>&1 & wait $!`))
	r.grace = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log.seen = func(line string) {
		if strings.Contains(line, "line=ready") {
			cancel()
		}
	}
	if err := r.Before(ctx, Facts{}); err == nil {
		t.Error("a hook that was stopped has allowed the run")
	}
	// The shell may say, too, that what it waited for was terminated.
	if got := said(log); len(got) < 2 || got[len(got)-1] != "cleaned" {
		t.Errorf("said %v", got)
	}
}
