package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// patience is how long a test waits for a terminal to show something. It is a
// safety net: what is shown ends the wait.
const patience = 3 * time.Minute

// terminal is a real pseudo-terminal with somebody in front of it.
type terminal struct {
	master *os.File

	mu    sync.Mutex
	shown string        // without colours, cursor movements and blanks
	more  chan struct{} // closed and replaced when something is shown
	ended bool
}

var terminalSize = &pty.Winsize{Rows: 40, Cols: 120}

// openTerminal returns a terminal, and its other end for a program in this process.
func openTerminal(t *testing.T) (screen *terminal, tty *os.File) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, terminalSize); err != nil {
		t.Fatal(err)
	}
	screen = watch(t, master)
	t.Cleanup(func() { screen.master.Close() }) // whoever still reads the other end reads its end
	return screen, tty
}

// startOnTerminal starts a process whose controlling terminal is a new one.
func startOnTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := pty.StartWithSize(cmd, terminalSize)
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, master)
}

func watch(t *testing.T, master *os.File) *terminal {
	t.Helper()
	master = interruptible(t, master)
	s := &terminal{master: master, more: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read()
	}()
	t.Cleanup(func() {
		master.Close()
		<-done
	})
	return s
}

// interruptible returns the file in a form whose Close ends its Read.
func interruptible(t *testing.T, file *os.File) *os.File {
	t.Helper()
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd()))
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), file.Name())
}

// controls are what terminals take for commands: CSI, OSC and others.
var controls = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]|[\x00-\x20\x7f]`)

// squeezed is text as a terminal is compared: a form may jump over a blank as
// well as write it.
func squeezed(text string) string { return controls.ReplaceAllString(text, "") }

func (s *terminal) read() {
	var raw strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := s.master.Read(buffer)
		raw.Write(buffer[:n])
		s.mu.Lock()
		s.shown, s.ended = squeezed(raw.String()), err != nil
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// screen returns what was shown so far, and what to wait for to see more.
func (s *terminal) screen() (shown string, more <-chan struct{}, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown, s.more, s.ended
}

// await waits until a text was shown, after all that was awaited before.
func (s *terminal) await(t *testing.T, after int, text string) (next int) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		shown, more, ended := s.screen()
		if at := strings.Index(shown[min(after, len(shown)):], squeezed(text)); at >= 0 {
			return after + at + len(squeezed(text))
		}
		if ended {
			t.Fatalf("the terminal never showed %q after:\n%s\nbut:\n%s", text, shown[:min(after, len(shown))], shown[min(after, len(shown)):])
		}
		select {
		case <-more:
		case <-limit.C:
			t.Fatalf("the terminal does not show %q, but:\n%s", text, shown[min(after, len(shown)):])
		}
	}
}

// typed sends keys.
func (s *terminal) typed(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		t.Fatal(err)
	}
}

// exchange is a text to wait for, and the keys that answer it.
type exchange struct {
	shown, keys string
	form        bool // the text is that of a form, which takes keys once it has drawn its edge
}

// form waits until a form can be answered.
func form(shown, keys string) exchange { return exchange{shown, keys, true} }

// prompt waits for a text alone.
func prompt(shown, keys string) exchange { return exchange{shown, keys, false} }

// converse answers everything in turn, and returns when the last text is there.
func (s *terminal) converse(t *testing.T, after int, talk ...exchange) (next int) {
	t.Helper()
	for _, e := range talk {
		after = s.await(t, after, e.shown)
		if e.form {
			s.await(t, after, "┃")
		}
		if e.keys != "" {
			s.typed(t, e.keys)
		}
	}
	return after
}

// Keys of a terminal.
const (
	enter = "\r"
	down  = "\x1b[B"
	space = " "
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// exitCode waits for a process.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}
