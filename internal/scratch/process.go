package scratch

import (
	"os"
	"strconv"
	"strings"
)

// identity is who runs a drill, as far as others on the same machine can tell.
// It is empty where the system does not say; then only a deadline tells that a
// drill is over.
type identity struct {
	// machine is the system's start and the namespace in which the id counts: a
	// process of another is not seen at all, and may be alive.
	machine string
	// process is its id with the time of its start: ids are given out again.
	process string
}

// self returns the identity of this process.
func self() identity {
	machine := thisMachine()
	start, ok := startOf(os.Getpid())
	if machine == "" || !ok {
		return identity{}
	}
	return identity{machine, strconv.Itoa(os.Getpid()) + ":" + start}
}

// alive reports whether the process runs; known is false where it cannot be
// told from here.
func (i identity) alive() (alive, known bool) {
	if i.machine == "" || i.machine != thisMachine() {
		return false, false
	}
	number, start, _ := strings.Cut(i.process, ":")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return false, false
	}
	now, ok := startOf(pid)
	return ok && now == start, true
}

func thisMachine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + namespace
}

// startOf returns when a process was started, in ticks since the system was. One
// that has ended and was not waited for is none.
func startOf(pid int) (ticks string, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The second field is the program's name in parentheses, which it may choose.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const state, start = 0, 19 // the third and the twenty-second field
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return "", false
	}
	return fields[start], true
}
