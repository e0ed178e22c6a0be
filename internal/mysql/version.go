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
