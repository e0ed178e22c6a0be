package mysql

import (
	"net"
	"path"
	"strings"
)

// socketPrefix begins an address that is the path of a Unix socket. Targets
// are spelled with the address, so that of a schema behind a socket is
// mysql/unix:/PATH/SCHEMA.
const socketPrefix = "unix:"

// socket returns the path of the server's socket, if the address is one.
func (s *Settings) socket() (path string, ok bool) {
	return strings.CutPrefix(s.Address, socketPrefix)
}

func (s *Settings) validateAddress() error {
	if socket, ok := s.socket(); ok {
		if !path.IsAbs(socket) {
			return invalid("address: %q is not unix: and an absolute path", s.Address)
		}
		return nil
	}
	if _, port, err := net.SplitHostPort(s.Address); err != nil || port == "" {
		return invalid("address: %q is not HOST:PORT, nor unix:/PATH of a socket", s.Address)
	}
	return nil
}

// endpoint returns network and address as a dialler takes them.
func (s *Settings) endpoint() (network, address string) {
	if socket, ok := s.socket(); ok {
		return "unix", socket
	}
	return "tcp", s.Address
}

// host is the name that the server's certificate must bear. Behind a socket it
// is the one that the mysql client expects too.
func (s *Settings) host() string {
	if _, ok := s.socket(); ok {
		return "localhost"
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return s.Address // Validate has refused it
	}
	return host
}
