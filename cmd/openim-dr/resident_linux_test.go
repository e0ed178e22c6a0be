package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

// TestOnlyWhatIsInTheFileIsLetGo: of a program that is loaded at any address, the
// loader has written addresses into parts that are read-only afterwards.
func TestOnlyWhatIsInTheFileIsLetGo(t *testing.T) {
	const smaps = `00400000-02259000 r-xp 00000000 fe:01 1234 /usr/bin/openim-dr
Size:              31076 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
02259000-04258000 r--p 01e59000 fe:01 1234 /usr/bin/openim-dr
Private_Dirty:         0 kB
Anonymous:             8 kB
Swap:                  0 kB
04258000-04259000 r--p 03e58000 fe:01 1234 /usr/bin/openim-dr
Anonymous:             0 kB
Swap:                  4 kB
04259000-0425a000 rw-p 03e59000 fe:01 1234 /usr/bin/openim-dr
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          3000 kB
`
	all := mappings(bufio.NewScanner(strings.NewReader(smaps)))
	all = slices.DeleteFunc(all, func(m mapping) bool { return !m.isThatOfTheFile() })
	if len(all) != 1 || all[0] != (mapping{start: 0x400000, end: 0x2259000, path: "/usr/bin/openim-dr"}) {
		t.Errorf("what would be let go is %+v", all)
	}
}
