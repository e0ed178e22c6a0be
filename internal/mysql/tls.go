package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	sqldriver "database/sql/driver"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	driver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

func (s *Settings) tls() tlsmode.Settings {
	return tlsmode.Settings{TLS: s.TLS, CA: s.TLSCA, Cert: s.TLSCert, Key: s.TLSKey}
}

// tlsMode is the mode that is meant: by default that of the mysql client.
func (s *Settings) tlsMode() tlsmode.Mode { return s.tls().Mode(tlsmode.Preferred) }

func (s *Settings) validateTLS() error {
	if wrong := s.tls().Check(tlsmode.Preferred); wrong != nil {
		return invalid("%s: %s", wrong.Key, wrong.Why)
	}
	if s.ServerPublicKey != "" && s.tlsMode() != tlsmode.Disabled {
		return invalid("serverPublicKey: with TLS the password is not encrypted by it; it needs tls: %q", tlsmode.Disabled)
	}
	return nil
}

// setTLS does what --ssl-mode of the mysql client does.
func (s *Server) setTLS(config *driver.Config) error {
	mode := s.settings.tlsMode()
	if _, socket := s.settings.socket(); mode == tlsmode.Preferred && socket {
		return nil // nobody listens in on a socket
	}
	setup, err := s.settings.tls().Config(tlsmode.Preferred, s.settings.host())
	if err != nil {
		return s.unreadable("%w", err)
	}
	config.TLS, config.AllowFallbackToPlaintext = setup, mode == tlsmode.Preferred
	return nil
}

// unreadable is about a file that the configuration names.
func (s *Server) unreadable(format string, err error) error {
	return s.usage("connect to", format, err).
		Hint("check that the file is there, that openim-dr may read it, and that it is PEM; a private key must have no passphrase")
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
