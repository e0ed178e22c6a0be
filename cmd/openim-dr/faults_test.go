package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

var storageFaults = []faulty.Fault{faulty.Fail, faulty.FailAfter, faulty.Truncate, faulty.Flip}

// moments returns which of n storage calls are hit: all of them in a long
// run, else a few that are spread evenly.
func moments(n int) []int {
	few := 5
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		few = n
	}
	var all []int
	for i := range few {
		all = append(all, 1+(2*i+1)*n/(2*few))
	}
	return all
}

// TestFaultyStorage lets one storage call of a backup of the real servers go
// wrong. The run either succeeds, and every file of the point is right, or
// fails with exit code 1 or 3 and leaves no point (invariants 1 and 2). What a
// restore makes of such a storage is tested for every call beside package
// restore.
func TestFaultyStorage(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	calls := len(d.callsOfABackup(t))
	codes := map[faulty.Fault]map[int]int{}
	for _, fault := range storageFaults {
		codes[fault] = map[int]int{}
		for _, at := range moments(calls) {
			t.Run(fmt.Sprintf("%s at call %d", fault, at), func(t *testing.T) {
				code := d.backupWithFault(t, fault, at)
				codes[fault][code]++
			})
		}
	}
	t.Logf("exit codes by fault, over %d storage calls: %v", calls, codes)
}

func (d *seeded) backupWithFault(t *testing.T, fault faulty.Fault, at int) (code int) {
	t.Helper()
	_, config := d.repository(t)
	path := filepath.Join(t.TempDir(), "calls")
	got := d.run(t, []string{faultVariable + "=" + string(fault), fmt.Sprintf("%s=%d", atVariable, at), callsVariable + "=" + path}, "backup", "--config", config)
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
	if len(readCalls(t, path)) < at {
		t.Errorf("the fault at call %d was not reached", at)
	}
	return got.code
}
