package cache

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsConfig returns nil where there is no TLS. It names no server: the nodes of
// a cluster are verified by the names that the cluster gives them.
func (s *Settings) tlsConfig() (*tls.Config, error) {
	mode := s.tlsMode()
	if mode == TLSDisabled {
		return nil, nil
	}
	setup := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLSCA != "" {
		data, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("tlsCA: %w", err)
		}
		setup.RootCAs = x509.NewCertPool()
		if !setup.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("tlsCA: %s holds no PEM certificate", s.TLSCA)
		}
	}
	if s.TLSCert != "" {
		// What the standard library says of a broken file quotes nothing of it.
		pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("tlsCert and tlsKey: %w", err)
		}
		setup.Certificates = []tls.Certificate{pair}
	}
	switch mode {
	case TLSVerifyIdentity:
	case TLSVerifyCA:
		setup.InsecureSkipVerify = true // the chain is verified below, only the name is not
		setup.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, setup.RootCAs) }
	default:
		setup.InsecureSkipVerify = true
	}
	return setup, nil
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}
