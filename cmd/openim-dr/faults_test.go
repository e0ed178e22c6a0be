package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/openim-dr/openim-dr/internal/report"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

var storageFaults = []faulty.Fault{faulty.Fail, faulty.FailAfter, faulty.Truncate, faulty.Flip}

// moments returns which of n storage calls are hit: all of them in a long
// run, else a few that are spread evenly.
func moments(n int) []int {
	few := 3
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		few = n
	}
	var all []int
	for i := range few {
		all = append(all, 1+(2*i+1)*n/(2*few))
	}
	return all
}

// TestBackupOverFaultyStorage lets one storage call of a backup of the real
// servers go wrong. The run either succeeds, and every file of the point is
// right, or fails with exit code 1 or 3 and leaves no point (invariants 1 and
// 2). Every single call is hit beside package restore, with a source in memory.
func TestBackupOverFaultyStorage(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	calls := len(d.callsOfABackup(t))
	var mu sync.Mutex
	codes := map[faulty.Fault]map[int]int{}
	t.Run("with", func(t *testing.T) { // returns when all the parallel ones have ended
		for _, fault := range storageFaults {
			codes[fault] = map[int]int{}
			for _, at := range moments(calls) {
				t.Run(fmt.Sprintf("%s at call %d", fault, at), func(t *testing.T) {
					t.Parallel()
					code := d.backupWithFault(t, fault, at)
					mu.Lock()
					defer mu.Unlock()
					codes[fault][code]++
				})
			}
		}
	})
	t.Logf("exit codes by fault, over %d storage calls: %v", calls, codes)
}

func (d *seeded) backupWithFault(t *testing.T, fault faulty.Fault, at int) (code int) {
	t.Helper()
	_, config := d.repository(t)
	got, calls := d.runOver(t, faulty.Plan{Fault: fault, At: at}, "backup", "--config", config)
	points := d.points(t, config)
	switch got.code {
	case 0:
		if len(points) != 1 {
			t.Errorf("success, and points %v", points)
		}
	case 1, 3:
		if len(points) != 0 {
			t.Errorf("exit code %d, and points %v", got.code, points)
		}
	default:
		t.Errorf("exit code %d, want 0, 1 or 3; stderr:\n%s", got.code, got.stderr)
	}
	requireReached(t, calls, at)
	return got.code
}

// TestRestoreOverFaultyStorage does the same to a restore into the real
// servers: it either ends equal, or fails with exit code 1 or 3 (invariant 3).
func TestRestoreOverFaultyStorage(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	_, config := d.repository(t)
	d.run(t, "backup", "--config", config).ok(t)
	want := d.checksum(t, d.stores.Schemas.Server, "chat_logs")
	got, made := d.runOver(t, faulty.Plan{}, d.overwriteAll(t, config)...)
	got.ok(t)
	calls := len(made)
	codes := map[faulty.Fault]map[int]int{}
	for _, fault := range storageFaults {
		codes[fault] = map[int]int{}
		for _, at := range moments(calls) {
			t.Run(fmt.Sprintf("%s at call %d", fault, at), func(t *testing.T) {
				// What is there to overwrite is what the run before has left.
				page := filepath.Join(t.TempDir(), "report.json")
				got, made := d.runOver(t, faulty.Plan{Fault: fault, At: at}, append(d.overwriteAll(t, config), "--report", page)...)
				codes[fault][got.code]++
				requireReport(t, page, got.code)
				switch got.code {
				case 0:
					if sum := d.checksum(t, d.stores.Schemas.Server, "chat_logs"); sum != want {
						t.Errorf("success, and the table is %s, want %s", sum, want)
					}
				case 1, 3:
				default:
					t.Errorf("exit code %d, want 0, 1 or 3; stderr:\n%s", got.code, got.stderr)
				}
				requireReached(t, made, at)
			})
		}
	}
	t.Logf("exit codes by fault, over %d storage calls: %v", calls, codes)
	d.run(t, d.overwriteAll(t, config)...).ok(t)
}

// requireReport reads the report of a restore, which is there however it ended.
func requireReport(t *testing.T, path string, code int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	var got report.Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	success := got.Outcome == report.Equal && got.Equal && got.Failure == nil && got.RTOSeconds != nil
	failure := got.Outcome == report.Failed && !got.Equal && got.Failure != nil && got.Failure.Why != ""
	if got.ExitCode != code || success != (code == 0) || failure != (code != 0) {
		t.Errorf("exit code %d, and the report says: %s, exit code %d, equal %v, error %+v", code, got.Outcome, got.ExitCode, got.Equal, got.Failure)
	}
}

// overwriteAll returns the arguments of a restore that overwrites everything.
func (d *seeded) overwriteAll(t *testing.T, config string) []string {
	t.Helper()
	args := []string{"restore", "--config", config, "--identity", filepath.Join(d.dir, "operator.key"), "-o", "json"}
	var plan struct {
		Refusals []struct{ Code, Target string }
	}
	d.run(t, append(args, "--plan")...).into(t, &plan)
	for _, r := range plan.Refusals {
		if r.Code != "occupied" {
			t.Fatalf("the plan refuses %s: %s", r.Target, r.Code)
		}
		args = append(args, "--overwrite", r.Target)
	}
	return args
}

// requireReached fails where a run ended before the call that was to go wrong.
func requireReached(t *testing.T, made []faulty.Call, at int) {
	t.Helper()
	if len(made) < at {
		t.Errorf("the fault at call %d was not reached: %d calls were made", at, len(made))
	}
}
