package mysql

import (
	"strconv"
	"strings"
)

// ranOn is the version that this code was run on. Others are asked what they
// can do: a statement that they do not know has another in its place.
const ranOn = "9.7"

// impostors speak MySQL's protocol and state a version of MySQL's, while what
// is below is another server: without snapshots or locks as these are here,
// or without the same catalog.
var impostors = []string{"mariadb", "tidb", "vitess", "oceanbase", "singlestore", "memsql", "doris", "starrocks", "clickhouse", "dolt"}

// checkSupported refuses servers whose dump nobody has thought about.
func (s *Server) checkSupported(f facts) error {
	says := strings.TrimSpace(f.version + " " + f.comment)
	major, _, _ := strings.Cut(f.version, ".")
	n, err := strconv.Atoi(major)
	supported := err == nil && n >= 8
	for _, name := range impostors {
		supported = supported && !strings.Contains(strings.ToLower(says), name)
	}
	if supported {
		return nil
	}
	return s.usage("use", "server %s is not supported", says).Hint("openim-dr works with MySQL 8.0, 8.4 and 9.x, and with Percona Server of these versions")
}

// versionWords are the numbers of a version.
var versionWords = [...]string{"major", "minor", "patch"}

// compareVersions returns which number of a is the first that makes it newer
// than b, or how many numbers there are where it is not.
func compareVersions(a, b string) (newer int, known bool) {
	first, second := versionNumbers(a), versionNumbers(b)
	if first == nil || second == nil {
		return 0, false
	}
	for i := range first {
		if first[i] != second[i] {
			if first[i] > second[i] {
				return i, true
			}
			break
		}
	}
	return len(versionWords), true
}

// versionNumbers reads 8.0.36 of 8.0.36-28-log.
func versionNumbers(version string) []int {
	numbers := make([]int, 0, len(versionWords))
	for part := range strings.SplitSeq(version, ".") {
		end := strings.IndexFunc(part+"-", func(c rune) bool { return c < '0' || c > '9' })
		n, err := strconv.Atoi(part[:end])
		if err != nil || len(numbers) == len(versionWords) {
			break
		}
		numbers = append(numbers, n)
	}
	if len(numbers) < len(versionWords) {
		return nil
	}
	return numbers
}

// series is 8.0 of 8.0.36.
func series(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
