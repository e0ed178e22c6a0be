package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	sqldriver "database/sql/driver"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	driver "github.com/go-sql-driver/mysql"
)

// TLSMode says how a connection is secured, in the words of MySQL's own
// --ssl-mode.
type TLSMode string

// TLS modes. The empty mode is TLSVerifyCA where authorities are given, and
// TLSPreferred otherwise, as with the mysql client.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred"
	TLSRequired       TLSMode = "required"
	TLSVerifyCA       TLSMode = "verify-ca"
	TLSVerifyIdentity TLSMode = "verify-identity"
	TLSVerify         TLSMode = "verify" // verify-identity
)

var tlsModes = []TLSMode{"", TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity, TLSVerify}

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
		return TLSPreferred
	}
}

// validateTLS refuses files that would not be looked at: whoever names them
// believes that they protect something.
func (s *Settings) validateTLS() error {
	mode := s.tlsMode()
	verifies := mode == TLSVerifyCA || mode == TLSVerifyIdentity
	switch {
	case !slices.Contains(tlsModes, s.TLS):
		return invalid("tls: must be one of %q", tlsModes[1:])
	case s.TLSCA != "" && !verifies:
		return invalid("tlsCA: nothing is verified in this mode of tls; it must be %q or %q", TLSVerifyCA, TLSVerifyIdentity)
	case s.TLSCert != "" && s.TLSKey == "":
		return invalid("tlsCert: needs tlsKey beside it")
	case s.TLSKey != "" && s.TLSCert == "":
		return invalid("tlsKey: needs tlsCert beside it")
	case s.TLSCert != "" && mode == TLSDisabled:
		return invalid("tlsCert: no certificate is shown without TLS")
	case s.ServerPublicKey != "" && mode != TLSDisabled:
		return invalid("serverPublicKey: with TLS the password is not encrypted by it; it needs tls: %q", TLSDisabled)
	default:
		return nil
	}
}

// setTLS does what --ssl-mode of the mysql client does.
func (s *Server) setTLS(config *driver.Config) error {
	mode := s.settings.tlsMode()
	if _, socket := s.settings.socket(); mode == TLSDisabled || mode == TLSPreferred && socket {
		return nil // nobody listens in on a socket
	}
	setup := &tls.Config{ServerName: s.settings.host(), MinVersion: tls.VersionTLS12}
	if s.settings.TLSCA != "" {
		roots, err := readAuthorities(s.settings.TLSCA)
		if err != nil {
			return s.unreadable("tlsCA: %w", err)
		}
		setup.RootCAs = roots
	}
	if s.settings.TLSCert != "" {
		certificate, err := readCertificate(s.settings.TLSCert, s.settings.TLSKey)
		if err != nil {
			return s.unreadable("%w", err)
		}
		setup.Certificates = []tls.Certificate{certificate}
	}
	switch mode {
	case TLSVerifyIdentity:
	case TLSVerifyCA:
		setup.InsecureSkipVerify = true // the chain is verified below, only the name is not
		setup.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, setup.RootCAs) }
	default:
		setup.InsecureSkipVerify = true
		config.AllowFallbackToPlaintext = mode == TLSPreferred
	}
	config.TLS = setup
	return nil
}

// unreadable is about a file that the configuration names.
func (s *Server) unreadable(format string, err error) error {
	return s.usage("connect to", format, err).
		Hint("check that the file is there, that openim-dr may read it, and that it is PEM; a private key must have no passphrase")
}

func readAuthorities(path string) (*x509.CertPool, error) {
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

// alertListener is the driver's log, of which nothing is printed: errors are
// returned, and a line could quote a row. But a server that rejects our
// certificate says so only when the handshake is over for us, and the driver
// turns that into "invalid connection" and a line in its log.
type alertListener struct {
	mu    sync.Mutex
	alert string
}

// alertPrefix is how the standard library reports an alert of the other side.
const alertPrefix = "remote error: tls: "

// errAlert means that the server has broken off TLS.
var errAlert = errors.New("the server breaks off TLS")

// Print keeps an alert.
func (l *alertListener) Print(v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, alert, found := strings.Cut(fmt.Sprint(v...), alertPrefix); found {
		l.alert = alert
	}
}

// explain adds to a failure what was heard about it.
func (l *alertListener) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || l.alert == "" {
		return err
	}
	return fmt.Errorf("%w: %s", errAlert, l.alert)
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

// connector makes what opens connections. The driver takes the server's RSA
// key by a name, and has looked it up when the connector is made.
func (s *Server) connector(config *driver.Config) (sqldriver.Connector, error) {
	if s.settings.ServerPublicKey != "" {
		key, err := readPublicKey(s.settings.ServerPublicKey)
		if err != nil {
			return nil, s.unreadable("serverPublicKey: %w", err)
		}
		config.ServerPubKey = "openim-dr-" + rand.Text()
		driver.RegisterServerPubKey(config.ServerPubKey, key)
		defer driver.DeregisterServerPubKey(config.ServerPubKey)
	}
	if config.DialFunc == nil {
		config.DialFunc = dialWire
	}
	inner, err := driver.NewConnector(config)
	if err != nil {
		return nil, s.usage("connect to", "%w", err)
	}
	return &connector{inner: inner, clear: config.TLS == nil && config.ReadTimeout > 0, idle: config.ReadTimeout, wide: newWideRow()}, nil
}

func readPublicKey(path string) (*rsa.PublicKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no public key as the server's public_key.pem does", path)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a public key that is not RSA", path)
	}
	return key, nil
}
