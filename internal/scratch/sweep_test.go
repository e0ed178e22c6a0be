package scratch

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestSweep kills a drill's process, and has the next one clean up after it.
func TestSweep(t *testing.T) {
	t.Parallel()
	living := newDrill(t, nil)
	if _, err := living.MySQL(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	killed := newID()
	child := startChild(t, killed)
	if c, v, n := leftOf(t, living, killed); c != 1 || v != 1 || n != 1 {
		t.Fatalf("the drill has %d containers, %d volumes and %d networks, want one of each", c, v, n)
	}
	if _, err := Sweep(t.Context(), living.options.Log); err != nil {
		t.Fatal(err)
	}
	if c, _, _ := leftOf(t, living, killed); c != 1 {
		t.Fatal("what belongs to a process that is alive was removed")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	removed, err := Sweep(t.Context(), living.options.Log)
	if err != nil || removed < 1 { // another test's sweep may have been quicker only before the kill
		t.Errorf("%d containers were removed, %v", removed, err)
	}
	requireNothingLeft(t, living, killed)
	if c, v, n := leftOf(t, living, living.options.Drill); c != 1 || v != 1 || n != 1 {
		t.Errorf("the living drill has %d containers, %d volumes and %d networks, want one of each", c, v, n)
	}
	if err := living.Look(t.Context()); err != nil {
		t.Error(err)
	}
}

// startChild starts a process with a scratch server of its own.
func startChild(t *testing.T, drill string) *exec.Cmd {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDrill+"="+drill, childDrill+"_IMAGE="+testbed.Need(t).MySQLImage)
	output, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "started: <nil>" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return child
}

func TestAbandoned(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	me := self()
	if me.machine == "" {
		t.Fatal("this process does not know who it is")
	}
	pid, start, _ := strings.Cut(me.process, ":")
	elsewhere := identity{"another/pid:[1]", me.process}
	tests := map[string]struct {
		who      identity
		deadline time.Time
		want     bool
	}{
		"a process that runs":                         {me, now.Add(time.Hour), false},
		"a process that runs, after its time":         {me, now.Add(-24 * time.Hour), false},
		"a process that has ended":                    {identity{me.machine, "999999999:1"}, now.Add(time.Hour), true},
		"another process with the same id":            {identity{me.machine, pid + ":1" + start}, now.Add(time.Hour), true},
		"somewhere else, in time":                     {elsewhere, now.Add(time.Hour), false},
		"somewhere else, a little late":               {elsewhere, now.Add(-grace), false},
		"somewhere else, long after its time":         {elsewhere, now.Add(-grace - time.Second), true},
		"nobody says who, long after its time":        {identity{}, now.Add(-24 * time.Hour), true},
		"an id that is none is judged by the time":    {identity{me.machine, "x:1"}, now.Add(time.Hour), false},
		"a process that is somebody's unwaited child": {identity{me.machine, strconv.Itoa(zombie(t)) + ":" + start}, now.Add(time.Hour), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := abandoned(labelsOf("d", tt.who, tt.deadline), now); got != tt.want {
				t.Errorf("abandoned is %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("labels that say nothing keep what they stand on", func(t *testing.T) {
		if abandoned(map[string]string{labelDrill: "d"}, now) {
			t.Error("it is taken for abandoned")
		}
	})
}

// zombie returns the id of a process that has ended and that nobody has waited for.
func zombie(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, alive := startOf(cmd.Process.Pid); !alive {
			return cmd.Process.Pid
		}
	}
	t.Fatal("the process does not end")
	return 0
}

func TestDefaultMySQLImage(t *testing.T) {
	for version, want := range map[string]string{"8.0.36-28": "mysql:8.0", "9.7.4": "mysql:9.7", "8.4.0-log": "mysql:8.4", "10.11.2": "mysql:10.11", "": "mysql:8.4"} {
		if got := DefaultMySQLImage(version); got != want {
			t.Errorf("for %q: got %s, want %s", version, got, want)
		}
	}
}
