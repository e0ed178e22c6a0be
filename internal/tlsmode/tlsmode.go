// Package tlsmode says how connections to servers are secured: in the words of --ssl-mode
// of the mysql client, which the settings of sources and of caches share.
package tlsmode

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
)

// Mode is how a connection is secured.
type Mode string

// Modes.
const (
	Disabled       Mode = "disabled"
	Preferred      Mode = "preferred"       // encrypted where the server can, of protocols that know how to ask
	Required       Mode = "required"        // encrypted, and nobody's certificate is looked at
	VerifyCA       Mode = "verify-ca"       // by an authority that is trusted
	VerifyIdentity Mode = "verify-identity" // and for this host name
	Verify         Mode = "verify"          // verify-identity
)

// Settings are those of one server.
type Settings struct {
	TLS  Mode   // empty: VerifyCA where authorities are given, and otherwise a default
	CA   string // path of a PEM file with authorities; empty: the system's
	Cert string // path of a PEM file with what is shown to the server; needs Key
	Key  string
}

// Mode is the mode that is meant.
func (s Settings) Mode(otherwise Mode) Mode {
	switch {
	case s.TLS == Verify:
		return VerifyIdentity
	case s.TLS != "":
		return s.TLS
	case s.CA != "":
		return VerifyCA
	default:
		return otherwise
	}
}

// words are all modes that a configuration may name where Preferred is the default. Where
// another one is, the protocol knows no way to ask a server for TLS.
func words(otherwise Mode) []Mode {
	all := []Mode{Disabled, Preferred, Required, VerifyCA, VerifyIdentity, Verify}
	if otherwise != Preferred {
		all = slices.Delete(all, 1, 2)
	}
	return all
}

// Problem is a setting that cannot be meant.
type Problem struct {
	Key string // tls, tlsCA, tlsCert or tlsKey
	Why string
}

// Check returns the first problem, or nil. Files that would not be looked at are one:
// whoever names them believes that they protect something.
func (s Settings) Check(otherwise Mode) *Problem {
	mode, modes := s.Mode(otherwise), words(otherwise)
	switch {
	case s.TLS != "" && !slices.Contains(modes, s.TLS):
		return &Problem{"tls", fmt.Sprintf("it is not one of %q", modes)}
	case s.CA != "" && mode != VerifyCA && mode != VerifyIdentity:
		return &Problem{"tlsCA", fmt.Sprintf("nothing is verified in this mode of tls; it must be %q or %q", VerifyCA, VerifyIdentity)}
	case s.Cert != "" && s.Key == "":
		return &Problem{"tlsCert", "it needs tlsKey beside it"}
	case s.Key != "" && s.Cert == "":
		return &Problem{"tlsKey", "it needs tlsCert beside it"}
	case s.Cert != "" && mode == Disabled:
		return &Problem{"tlsCert", "no certificate is shown without TLS"}
	default:
		return nil
	}
}

// Config reads the files. It returns nil for Disabled. server is whom VerifyIdentity
// looks for; where it is empty, whoever dials says it.
func (s Settings) Config(otherwise Mode, server string) (*tls.Config, error) {
	mode := s.Mode(otherwise)
	if mode == Disabled {
		return nil, nil
	}
	setup := &tls.Config{ServerName: server, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		roots, err := Authorities(s.CA)
		if err != nil {
			return nil, fmt.Errorf("tlsCA: %w", err)
		}
		setup.RootCAs = roots
	}
	if s.Cert != "" {
		certificate, err := readCertificate(s.Cert, s.Key)
		if err != nil {
			return nil, err
		}
		setup.Certificates = []tls.Certificate{certificate}
	}
	switch mode {
	case VerifyIdentity:
	case VerifyCA:
		setup.InsecureSkipVerify = true // the chain is verified below, only the name is not
		setup.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, setup.RootCAs) }
	default:
		setup.InsecureSkipVerify = true
	}
	return setup, nil
}

// Authorities reads certificates of those who may sign the certificate of a server.
func Authorities(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

// readCertificate reads what is shown to the server. What the standard library
// says of a broken file quotes nothing of it.
func readCertificate(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tlsCert: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tlsKey: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tlsCert %s and tlsKey %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}
