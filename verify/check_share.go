package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// CheckShare is which files a check reads: none, all, or one part of several
// into which the names of files divide them. Which part it is follows from the
// day alone, so that as many days in a row as there are parts read everything,
// whoever runs the check and wherever.
type CheckShare struct {
	parts int64 // 0: none
	part  int64
}

// maxParts bounds the parts: more days than these nobody waits for everything.
const maxParts = 366

// ParseCheckShare reads "" (none), "all" or "1" (all), or "1/30": the thirtieth
// part whose turn it is on that day in UTC.
func ParseCheckShare(text string, now time.Time) (CheckShare, error) {
	switch text {
	case "":
		return CheckShare{}, nil
	case "all", "1", "1/1":
		return CheckShare{parts: 1}, nil
	}
	of, ok := strings.CutPrefix(text, "1/")
	parts, err := strconv.ParseInt(of, 10, 64)
	if !ok || err != nil || parts < 1 || parts > maxParts {
		return CheckShare{}, fault.New(fault.Usage, "read flags", "--read-data takes all, or a part of up to 1/%d that changes daily; got %q", maxParts, text).
			Hint("--read-data=1/30 on 30 days in a row reads everything")
	}
	return CheckShare{parts: parts, part: dayOf(now) % parts}, nil
}

// dayOf numbers the days in UTC since 1970.
func dayOf(now time.Time) int64 { return now.Unix() / int64(24*time.Hour/time.Second) }

// Read returns what chooses the files, or nil where none is chosen. A file is of
// the part that the first eight bytes of its path's SHA-256 give, as a big-endian
// number, modulo the number of parts.
func (s CheckShare) Read() func(path string) bool {
	switch s.parts {
	case 0:
		return nil
	case 1:
		return func(string) bool { return true }
	}
	return func(path string) bool {
		sum := sha256.Sum256([]byte(path))
		return binary.BigEndian.Uint64(sum[:8])%uint64(s.parts) == uint64(s.part) // neither is negative
	}
}

// String names the share.
func (s CheckShare) String() string {
	switch s.parts {
	case 0:
		return "none"
	case 1:
		return "all"
	}
	return fmt.Sprintf("%d/%d", s.part+1, s.parts)
}
