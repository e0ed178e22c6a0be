package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// refusal turns an answer that will not change by asking again into a fault.
// It returns nil for anything else.
func (s *Server) refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case isServer(err, erAccessDenied, erAccessNoPassword):
		return s.usage("connect to", "user %q or its password is wrong", s.settings.User).Hint("%s", s.accessHint())
	case isServer(err, erInsecureTransport):
		return s.usage("connect to", "tls is %q, and %w", s.settings.tlsMode(), clean(err)).
			Hint("set tls to %s, or better to %s", tlsmode.Required, tlsmode.VerifyIdentity)
	}
	for number, hint := range closedDoors {
		if isServer(err, number) {
			return s.usage("connect to", "account %q: %w", s.settings.User, clean(err)).Hint("%s", hint)
		}
	}
	if f := s.pluginRefusal(err); f != nil {
		return f
	}
	if f := s.tlsRefusal(err); f != nil {
		return f
	}
	if socket, ok := s.settings.socket(); ok && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return s.usage("connect to", "the socket cannot be opened: %w", err).
			Hint("check that %s is the server's socket (SELECT @@socket) and is mounted here, with the right to write to it", socket)
	}
	return nil
}

// closedDoors are answers about the account or this host, with what opens them.
var closedDoors = map[uint16]string{
	erAccountLocked:      "ALTER USER … ACCOUNT UNLOCK",
	erAccountBlocked:     "ALTER USER … ACCOUNT UNLOCK, and correct the password in the configuration",
	erPasswordExpired:    "ALTER USER … IDENTIFIED BY …, or PASSWORD EXPIRE NEVER for an account of a program",
	erMustChangePassword: "ALTER USER … IDENTIFIED BY …, or PASSWORD EXPIRE NEVER for an account of a program",
	erHostNotAllowed:     "CREATE USER … @ this host or a pattern that it matches",
	erHostBlocked:        "find out what connects from this host and gives up, then TRUNCATE performance_schema.host_cache",
}

// accessHint lists what the server answers alike: it does not say whether an
// account REQUIREs a secure connection that this one is not.
func (s *Server) accessHint() string {
	hint := "check user and password of source " + s.name + ", and that the account may connect from this host"
	switch {
	case s.settings.tlsMode() == tlsmode.Disabled && s.settings.ServerPublicKey != "":
		return hint + "; that the account does not REQUIRE TLS; and that serverPublicKey is the server's own key"
	case s.settings.tlsMode() == tlsmode.Disabled:
		return hint + "; and that the account does not REQUIRE TLS, which tls turns off"
	case s.settings.TLSCert == "":
		return hint + "; and that the account does not REQUIRE a client certificate (tlsCert, tlsKey)"
	default:
		return hint + "; and that tlsCert is the certificate that the account REQUIREs"
	}
}

// pluginRefusal is about ways of proving who one is.
func (s *Server) pluginRefusal(err error) error {
	plugin := "SELECT plugin FROM mysql.user tells the account's plugin: caching_sha2_password, sha256_password and mysql_native_password will do"
	switch {
	case isServer(err, erPluginNotLoaded, erNotSupportedAuthPlug):
		return s.usage("connect to", "account %q: %w", s.settings.User, clean(err)).Hint("%s", plugin)
	case errors.Is(err, driver.ErrUnknownPlugin), errors.Is(err, driver.ErrOldPassword):
		return s.usage("connect to", "the authentication plugin of account %q is not supported", s.settings.User).Hint("%s", plugin)
	case errors.Is(err, driver.ErrCleartextPassword):
		return s.usage("connect to", "the server asks for the password of account %q in clear text, which is never sent", s.settings.User).Hint("%s", plugin)
	case err != nil && strings.Contains(err.Error(), "unexpected resp from server for caching_sha2_password"):
		return s.usage("connect to", "there is no TLS, and the server gives no key to encrypt the password with").
			Hint("set tls to %s or better, or serverPublicKey to the server's public_key.pem", tlsmode.Required)
	default:
		return nil
	}
}

// tlsRefusal is about certificates and whether there is TLS at all.
func (s *Server) tlsRefusal(err error) error {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var alert tls.AlertError
	refused := func(err error) *fault.Error {
		return s.usage("connect to", "the server's certificate is not accepted: %w", err)
	}
	switch {
	case errors.Is(err, driver.ErrNoTLS):
		return s.usage("connect to", "the server offers no TLS, and tls is %q", s.settings.tlsMode()).
			Hint("give the server a certificate (ssl_cert, ssl_key), or accept a connection that others can read: tls: %s", tlsmode.Preferred)
	case errors.As(err, &name):
		return refused(name).Hint("address the server by a name in its certificate; %s verifies the authority and no name, for certificates that the server made for itself", tlsmode.VerifyCA)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refused(invalid).Hint("renew the server's certificate, or set the clock of this host")
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &verification):
		return refused(err).Hint("set tlsCA to the file with the authority that signed it")
	case errors.Is(err, errAlert):
		return s.usage("connect to", "%w", err).
			Hint("check that tlsCert is valid and signed by an authority that the server trusts (ssl_ca), and that the server speaks TLS 1.2 or later")
	case errors.As(err, &alert):
		return s.tlsRefusal(fmt.Errorf("%w: %w", errAlert, alert))
	default:
		return nil
	}
}
