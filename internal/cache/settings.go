package cache

import (
	"fmt"
	"net"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Settings say how one server, or a cluster of them, is reached.
type Settings struct {
	Name      string // for people
	Address   string // HOST:PORT; of any node of a cluster
	User      string // of the server's access control list; empty: the default one
	Password  secret.Ref
	TLS       TLSMode
	TLSCA     string // path of a PEM file; empty: the system's authorities
	TLSCert   string // path of a PEM file; needs TLSKey
	TLSKey    string
	Databases []int // logical ones; none: 0
}

// TLSMode says how a connection is secured. There is no preferred: the protocol
// knows no way to ask a server for TLS.
type TLSMode string

// TLS modes. The empty mode is TLSVerifyCA where authorities are given, and
// TLSDisabled otherwise.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSRequired       TLSMode = "required"        // encrypted, and nobody's certificate is looked at
	TLSVerifyCA       TLSMode = "verify-ca"       // by an authority that is trusted
	TLSVerifyIdentity TLSMode = "verify-identity" // and for this host name
	TLSVerify         TLSMode = "verify"          // verify-identity
)

// TLSModes are the words that stand in a configuration.
var TLSModes = []TLSMode{TLSDisabled, TLSRequired, TLSVerifyCA, TLSVerifyIdentity, TLSVerify}

// tlsMode is the mode that is meant.
func (s *Settings) tlsMode() TLSMode {
	switch {
	case s.TLS == TLSVerify:
		return TLSVerifyIdentity
	case s.TLS != "":
		return s.TLS
	case s.TLSCA != "":
		return TLSVerifyCA
	default:
		return TLSDisabled
	}
}

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	mode := s.tlsMode()
	host, port, err := net.SplitHostPort(s.Address)
	switch {
	case err != nil || host == "" || port == "":
		return s.invalid("address: it is not HOST:PORT")
	case s.User != "" && s.Password.IsZero():
		return s.invalid("user: needs a password beside it")
	case s.TLS != "" && !slices.Contains(TLSModes, s.TLS):
		return s.invalid("tls: it is not one of %q", TLSModes)
	case s.TLSCA != "" && mode != TLSVerifyCA && mode != TLSVerifyIdentity:
		return s.invalid("tlsCA: nothing is verified in this mode of tls; it must be %q or %q", TLSVerifyCA, TLSVerifyIdentity)
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return s.invalid("tlsCert: tlsCert and tlsKey go together")
	case s.TLSCert != "" && mode == TLSDisabled:
		return s.invalid("tlsCert: no certificate is shown without TLS")
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
