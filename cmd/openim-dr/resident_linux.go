package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a part of the address space, as /proc/self/smaps shows it.
type mapping struct {
	start, end uintptr
	path       string
	writable   bool
	own        bool // has pages that are not those of the file any more
}

// giveBackStart lets go of the pages of the program that are in memory. What a Go
// program does before main touches most of it, and a daemon that is idle nearly all the
// time needs a small part: that comes back from the file, page by page. Only what
// cannot differ from the file is let go. It is no error where that cannot be done: the
// kernel takes the pages back itself when it needs them.
func giveBackStart() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	for _, m := range mappings(bufio.NewScanner(file)) {
		if m.path == program && m.isThatOfTheFile() {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
		}
	}
}

// isThatOfTheFile reports whether what is in memory is in the file as well, for good.
func (m mapping) isThatOfTheFile() bool { return !m.writable && !m.own }

func mappings(lines *bufio.Scanner) (all []mapping) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "Anonymous:", "Swap:", "Private_Dirty:":
			if len(all) > 0 && fields[1] != "0" {
				all[len(all)-1].own = true
			}
			continue
		}
		from, to, isRange := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if !isRange || err1 != nil || err2 != nil || len(fields) < 6 {
			continue
		}
		all = append(all, mapping{start: uintptr(start), end: uintptr(end), path: fields[5], writable: strings.Contains(fields[1], "w")})
	}
	return all
}
