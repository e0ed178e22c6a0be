package cache

import (
	"fmt"
	"net"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Settings say how one server, or a cluster of them, is reached.
type Settings struct {
	Name      string // for people
	Address   string // HOST:PORT; of any node of a cluster
	User      string // of the server's access control list; empty: the default one
	Password  secret.Ref
	TLS       tlsmode.Mode
	TLSCA     string // path of a PEM file; empty: the system's authorities
	TLSCert   string // path of a PEM file; needs TLSKey
	TLSKey    string
	Databases []int // logical ones; none: 0
}

func (s *Settings) tls() tlsmode.Settings {
	return tlsmode.Settings{TLS: s.TLS, CA: s.TLSCA, Cert: s.TLSCert, Key: s.TLSKey}
}

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	host, port, err := net.SplitHostPort(s.Address)
	switch {
	case err != nil || host == "" || port == "":
		return s.invalid("address: it is not HOST:PORT")
	case s.User != "" && s.Password.IsZero():
		return s.invalid("user: needs a password beside it")
	}
	if wrong := s.tls().Check(tlsmode.Disabled); wrong != nil {
		return s.invalid("%s: %s", wrong.Key, wrong.Why)
	}
	for i, database := range s.Databases {
		if database < 0 || slices.Contains(s.Databases[:i], database) {
			return s.invalid("databases: they are different numbers from 0 on")
		}
	}
	return nil
}

// databases are the logical databases that are meant.
func (s *Settings) databases() []int {
	if len(s.Databases) == 0 {
		return []int{0}
	}
	return s.Databases
}

func (s *Settings) invalid(format string, args ...any) error {
	return fault.New(fault.Usage, "read the settings of cache "+s.Name, "%w", fmt.Errorf(format, args...))
}
