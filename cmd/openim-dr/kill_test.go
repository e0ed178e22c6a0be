package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// kills is how many moments of a backup are tried.
func kills() int {
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		return 50
	}
	return 8
}

// phases of a backup, in their order.
var phases = []string{"begin", "rows", "packs", "index", "documents", "manifest"}

// phase tells from a storage call what the run was about. Leases are renewed
// throughout and tell nothing.
func phase(c faulty.Call) string {
	elements := strings.Split(c.Name, "/")
	switch {
	case elements[0] == "packs", elements[0] == "index":
		return elements[0]
	case elements[0] != "points" || len(elements) < 3:
		return "begin"
	case strings.HasPrefix(elements[2], "manifest"):
		return "manifest"
	case elements[2] == "main":
		return "rows"
	case elements[2] == "media":
		return "index"
	case elements[2] == "cluster":
		return "documents"
	default:
		return "begin"
	}
}

// TestKilledBackup kills a backup with SIGKILL at moments spread evenly over
// the storage calls of a run that was not killed. Whatever the moment, the
// repository lists only complete points whose every file is right, and the
// next run succeeds with no help (invariants 1 and 8).
func TestKilledBackup(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	calls := d.callsOfABackup(t)
	random := rand.New(rand.NewPCG(1, uint64(len(calls))))
	var at []string
	for i := range kills() {
		at = append(at, strconv.Itoa(1+(i*len(calls)+random.IntN(len(calls)))/kills()))
	}
	hit := d.kill(t, at)
	for _, p := range phases { // a phase of few calls may have been missed
		if hit[p] == 0 {
			hit[p] = d.kill(t, []string{p})[p]
		}
	}
	t.Logf("of %d storage calls, killed ahead of: %v", len(calls), hit)
	for _, p := range phases {
		if hit[p] == 0 {
			t.Errorf("no kill hit the phase %q: %v", p, hit)
		}
	}
}

// callsOfABackup returns what a backup into a new repository asks of the storage.
func (d *seeded) callsOfABackup(t *testing.T) []faulty.Call {
	t.Helper()
	_, config := d.repository(t)
	got, calls := d.runOver(t, faulty.Plan{}, "backup", "--config", config)
	got.ok(t)
	return calls
}

// kill kills backups, each into a repository of its own, and returns how many of
// them were hit in each phase. A moment is the number of a storage call, or a
// phase, whose first call is meant.
func (d *seeded) kill(t *testing.T, moments []string) (hit map[string]int) {
	t.Helper()
	hit = map[string]int{}
	var mu sync.Mutex
	t.Run("ahead of", func(t *testing.T) { // returns when all the parallel ones have ended
		for _, at := range moments {
			t.Run(at, func(t *testing.T) {
				t.Parallel()
				phase := d.killAt(t, at)
				mu.Lock()
				defer mu.Unlock()
				hit[phase]++
			})
		}
	})
	return hit
}

// killAt kills a backup into a new repository, looks at what is left, and returns
// the phase that was hit.
func (d *seeded) killAt(t *testing.T, at string) (hit string) {
	t.Helper()
	_, config := d.repository(t)
	ahead, code, stderr := killed(t, at, "backup", "--config", config)
	if code == 0 {
		// Two runs differ by a few calls, so the last one may not come.
		d.points(t, config)
		return phases[len(phases)-1]
	}
	if code != -1 {
		t.Fatalf("exit code %d, want death by a signal; stderr:\n%s", code, stderr)
	}
	before := d.points(t, config)
	d.run(t, "backup", "--config", config).ok(t)
	after := d.points(t, config)
	if len(after) != len(before)+1 {
		t.Errorf("after a run that was killed there are points %v, and after the next one %v: want one more", before, after)
	}
	return phase(ahead)
}

// killed runs openim-dr in a process of its own that is killed at a moment. It
// returns the call that was not made, and how the process ended: -1 is death by
// a signal.
func killed(t *testing.T, at string, args ...string) (ahead faulty.Call, code int, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "call")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = append([]string{"openim-dr-killed"}, append(args, "--no-progress")...) // TestMain knows it by its name
	cmd.Env = append(os.Environ(), atVariable+"="+at, callVariable+"="+path)
	var log bytes.Buffer
	cmd.Stderr = &log
	var exit *exec.ExitError
	if err := cmd.Run(); err == nil {
		return ahead, 0, log.String()
	} else if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit.ExitCode() == -1 {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &ahead); err != nil {
			t.Fatal(err)
		}
	}
	return ahead, exit.ExitCode(), log.String()
}
