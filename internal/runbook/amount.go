package runbook

import (
	"github.com/dustin/go-humanize"
)

// Count writes "1 row" and "2,000 rows".
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// Bytes writes a size for people.
func Bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Amount is a number of files with their bytes.
type Amount struct {
	Files int
	Bytes int64
}

// Add counts one more file.
func (a *Amount) Add(size int64) {
	a.Files++
	a.Bytes += max(size, 0)
}

func (a Amount) String() string { return Count(int64(a.Files), "file") + ", " + Bytes(a.Bytes) }
