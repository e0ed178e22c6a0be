// Package scratch provides disposable servers to restore into: those that it
// starts with Docker and removes again, and the rule by which servers that are
// given are accepted.
//
// What was restored is as secret as the source. A scratch server therefore has
// a random password, which exists in this process, in one file of the container
// and in the server itself: in no argument list, and not in what
// `docker inspect` shows. It is published on 127.0.0.1 alone, in a network of
// the drill's own in which servers do not see each other. Who may use the
// Docker engine can read it all the same, as can root on its host; and the inner
// ports of SeaweedFS, which ask for no key, are open to whoever is on that host.
package scratch

import (
	"regexp"
	"time"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// Kind is what a server speaks, by the names that sources have.
type Kind string

// Kinds of scratch servers.
const (
	MySQL   Kind = "mysql"
	Buckets Kind = "buckets"
)

// Server is one that is ready to be restored into.
type Server struct {
	Source  string // name of the source that it stands for
	Kind    Kind
	Image   string
	Version string        // as the server says
	Started time.Duration // how long it took until it answered

	// Of MySQL. The account may do everything.
	Address  string // HOST:PORT
	User     string
	Password secret.Ref

	// Of S3.
	Endpoint  string // URL
	Region    string
	AccessKey secret.Ref
	SecretKey secret.Ref
}

// Limits of a server where nothing else is said.
const (
	DefaultMemory = 2 << 30
	// DefaultReserve is how much of a disk always stays free: a disk that is
	// full to the last byte takes more down than a drill.
	DefaultReserve = 512 << 20
)

// DefaultSeaweedFSImage is taken where the configuration names none.
const DefaultSeaweedFSImage = "chrislusf/seaweedfs:3.80"

var majorMinor = regexp.MustCompile(`^\d+\.\d+`)

// DefaultMySQLImage is the official image for a server of the version that a
// point was taken from: a point does not go into an older one.
func DefaultMySQLImage(version string) string {
	if found := majorMinor.FindString(version); found != "" {
		return "mysql:" + found
	}
	return "mysql:8.4"
}
