package mysql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// authority signs certificates of a test's own.
type authority struct {
	dir  string
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{dir: dir, name: name}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert, a.key = a.sign(t, name, template, time.Hour)
	return a
}

// issue writes NAME.pem and NAME.key for a certificate that is valid for the
// given time from now on, which may be over.
func (a *authority) issue(t *testing.T, name string, valid time.Duration, hosts ...string) {
	t.Helper()
	template := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	a.sign(t, name, template, valid)
}

func (a *authority) sign(t *testing.T, name string, template *x509.Certificate, valid time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(valid)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(a.dir, name+".key"), "PRIVATE KEY", private)
	return cert, key
}

// writePEM writes for everyone to read: the server in the container is another
// user.
func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// cipher connects and returns how the connection is secured, "" for not at all.
func cipher(t *testing.T, s *Server) (string, error) {
	t.Helper()
	s.connect = 2 * time.Second
	c, err := s.open(t.Context(), dumpIdle)
	if err != nil {
		return "", err
	}
	defer c.Close()
	r, err := queryRecord(t.Context(), c, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	return r.text("value"), err
}

// secured is a server with certificates that a test may exchange.
type secured struct {
	*testbed.MySQL
	db   *sql.DB
	dir  string
	ours *authority
}

func startSecured(t *testing.T) *secured {
	t.Helper()
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ca")
	ours.issue(t, "server", time.Hour, "127.0.0.1", "localhost")
	ours.issue(t, "elsewhere", time.Hour, "db.example.org")
	ours.issue(t, "client", time.Hour)
	ours.issue(t, "another", time.Hour)
	newAuthority(t, dir, "stranger").issue(t, "forged", time.Hour)
	server := testbed.Need(t).StartMySQLWith(t, []testbed.Mount{{Host: dir, Container: "/certs"}},
		"--ssl-ca=/certs/ca.pem", "--ssl-cert=/certs/server.pem", "--ssl-key=/certs/server.key")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "INSERT INTO app.t VALUES (1)")
	return &secured{server, db, dir, ours}
}

func (s *secured) file(name string) string { return filepath.Join(s.dir, name) }

// show makes the server show another certificate, or none.
func (s *secured) show(t *testing.T, name string) {
	t.Helper()
	if name == "" {
		run(t, s.db, "SET GLOBAL ssl_cert = '/certs/none.pem'")
		if _, err := s.db.ExecContext(t.Context(), "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR"); err != nil && !isServer(err, 3888) {
			t.Fatal(err)
		}
		return
	}
	run(t, s.db, "SET GLOBAL ssl_cert = '/certs/"+name+".pem'", "SET GLOBAL ssl_key = '/certs/"+name+".key'", "ALTER INSTANCE RELOAD TLS")
}

func (s *secured) account(t *testing.T, require string) account {
	t.Helper()
	a := newAccount(t, s.db, s.Address, "ALL", "", "app")
	run(t, s.db, "ALTER USER '"+a.user+"'@'%' REQUIRE "+require)
	return a
}

// Every mode does what --ssl-mode of the mysql client does, against a server
// with TLS and one without.
func TestTLSModes(t *testing.T) {
	t.Parallel()
	server := startSecured(t)
	root := account{server.Address, server.User, server.Password}
	ca := func(s *Settings) { s.TLSCA = server.file("ca.pem") }
	tests := map[string]struct {
		mode    tlsmode.Mode
		with    func(*Settings)
		secured bool   // where the server has TLS
		without string // what is said where it has none; empty: it connects
	}{
		"disabled":                      {tlsmode.Disabled, nil, false, ""},
		"preferred":                     {tlsmode.Preferred, nil, true, ""},
		"nothing said":                  {"", nil, true, ""},
		"required":                      {tlsmode.Required, nil, true, "offers no TLS"},
		"verify-ca":                     {tlsmode.VerifyCA, ca, true, "offers no TLS"},
		"an authority and nothing else": {"", ca, true, "offers no TLS"},
		"verify-identity":               {tlsmode.VerifyIdentity, ca, true, "offers no TLS"},
		"verify, another word for that": {tlsmode.Verify, ca, true, "offers no TLS"},
		"a client certificate unasked for": {tlsmode.Required, func(s *Settings) {
			s.TLSCert, s.TLSKey = server.file("client.pem"), server.file("client.key")
		}, true, "offers no TLS"},
	}
	source := func(t *testing.T, mode tlsmode.Mode, with func(*Settings)) *Server {
		return newServer(t, root, func(s *Settings) {
			s.TLS = mode
			if with != nil {
				with(s)
			}
		}, "app")
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cipher(t, source(t, tt.mode, tt.with))
			if err != nil || (got != "") != tt.secured {
				t.Errorf("cipher %q, error %v, want it secured: %v", got, err, tt.secured)
			}
		})
	}
	server.show(t, "")
	for name, tt := range tests {
		t.Run(name+" without TLS", func(t *testing.T) {
			got, err := cipher(t, source(t, tt.mode, tt.with))
			if tt.without == "" && (err != nil || got != "") {
				t.Errorf("cipher %q, error %v, want a plain connection", got, err)
			}
			if tt.without != "" {
				requireRefusal(t, err, tt.without)
			}
		})
	}
}

// requireRefusal requires one clear line that is not tried again.
func requireRefusal(t *testing.T, err error, says string) {
	t.Helper()
	e, ok := fault.Outermost(err)
	if !ok || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), says) || e.Try == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line of a usage error that says %q, and a hint", err, says)
	}
}

// Each mismatch has a line of its own.
func TestTLSMismatches(t *testing.T) {
	t.Parallel()
	server := startSecured(t)
	root := account{server.Address, server.User, server.Password}
	client := func(name string) func(*Settings) {
		return func(s *Settings) {
			s.TLS, s.TLSCA = tlsmode.VerifyIdentity, server.file("ca.pem")
			s.TLSCert, s.TLSKey = server.file(name+".pem"), server.file(name+".key")
		}
	}
	verify := func(mode tlsmode.Mode, ca string) func(*Settings) {
		return func(s *Settings) { s.TLS, s.TLSCA = mode, server.file(ca+".pem") }
	}
	plain := func(s *Settings) { s.TLS = tlsmode.Disabled }
	x509Account, subject := server.account(t, "X509"), server.account(t, "SUBJECT '/CN=client'")
	writePEM(t, server.file("public.pem"), "PUBLIC KEY", []byte("not a key"))

	tests := map[string]struct {
		shows string // the certificate of the server
		as    account
		with  func(*Settings)
		says  string // empty: it connects
	}{
		"wrong authority":                     {"server", root, verify(tlsmode.VerifyIdentity, "stranger"), "certificate signed by unknown authority"},
		"wrong authority, name not looked at": {"server", root, verify(tlsmode.VerifyCA, "stranger"), "certificate signed by unknown authority"},
		"wrong host name":                     {"elsewhere", root, verify(tlsmode.VerifyIdentity, "ca"), "db.example.org, not 127.0.0.1|doesn't contain any IP SANs"},
		"wrong host name, not looked at":      {"elsewhere", root, verify(tlsmode.VerifyCA, "ca"), ""},
		"the system's authorities":            {"server", root, func(s *Settings) { s.TLS = tlsmode.VerifyCA }, "unknown authority"},
		"client certificate asked for":        {"server", x509Account, verify(tlsmode.VerifyIdentity, "ca"), "or its password is wrong"},
		"client certificate shown":            {"server", x509Account, client("client"), ""},
		"the certificate asked for":           {"server", subject, client("client"), ""},
		"another one than asked for":          {"server", subject, client("another"), "or its password is wrong"},
		"client certificate of a stranger":    {"server", x509Account, client("forged"), "the server breaks off TLS"},
		"account that requires TLS":           {"server", server.account(t, "SSL"), plain, "or its password is wrong"},
		"no file with authorities":            {"server", root, verify(tlsmode.VerifyCA, "gone"), "tlsCA: read certificates"},
		"authorities that are none":           {"server", root, func(s *Settings) { s.TLSCA = server.file("server.key") }, "holds no PEM certificate"},
		"no key":                              {"server", root, func(s *Settings) { client("client")(s); s.TLSKey = server.file("gone.key") }, "tlsKey: open"},
		"no certificate":                      {"server", root, func(s *Settings) { client("client")(s); s.TLSCert = server.file("gone.pem") }, "tlsCert: open"},
		"the key of another":                  {"server", root, func(s *Settings) { client("client")(s); s.TLSKey = server.file("server.key") }, "private key does not match public key"},
		"no public key":                       {"server", root, func(s *Settings) { plain(s); s.ServerPublicKey = server.file("gone.pem") }, "serverPublicKey: open"},
		"a certificate for a public key":      {"server", root, func(s *Settings) { plain(s); s.ServerPublicKey = server.file("ca.pem") }, "holds no public key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server.show(t, tt.shows)
			_, err := cipher(t, newServer(t, tt.as, tt.with, "app"))
			if tt.says == "" && err != nil {
				t.Errorf("connect: %v", err)
			}
			if tt.says != "" {
				requireRefusal(t, err, oneOf(err, tt.says))
			}
		})
	}
	t.Run("server that allows nothing else", func(t *testing.T) {
		server.show(t, "server")
		run(t, server.db, "SET GLOBAL require_secure_transport = ON")
		_, err := cipher(t, newServer(t, root, plain, "app"))
		requireRefusal(t, err, "the server allows encrypted connections only")
	})
}

// The server itself loads no certificate that has expired; one expires while it
// runs.
func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	server := startSecured(t)
	root := account{server.Address, server.User, server.Password}
	server.ours.issue(t, "brief", 3*time.Second, "127.0.0.1")
	expires := time.Now().Add(3 * time.Second)
	server.show(t, "brief")
	if err := pause(t.Context(), time.Until(expires)); err != nil {
		t.Fatal(err)
	}
	for mode, says := range map[tlsmode.Mode]string{tlsmode.VerifyIdentity: "has expired", tlsmode.VerifyCA: "has expired", tlsmode.Required: ""} {
		_, err := cipher(t, newServer(t, root, func(s *Settings) {
			if s.TLS = mode; mode != tlsmode.Required {
				s.TLSCA = server.file("ca.pem")
			}
		}, "app"))
		if says == "" && err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if says != "" {
			requireRefusal(t, err, says)
		}
	}
}

// oneOf returns the alternative of a|b that err says, or the first.
func oneOf(err error, says string) string {
	first, second, found := strings.Cut(says, "|")
	if found && err != nil && strings.Contains(err.Error(), second) {
		return second
	}
	return first
}

// A server that was set up by nobody has made itself an authority, which can
// be trusted; its certificate bears no host name.
func TestServersOwnAuthority(t *testing.T) {
	env := testbed.Need(t)
	pem, err := exec.CommandContext(t.Context(), "docker", "exec", env.MySQLContainer, "cat", "/var/lib/mysql/ca.pem").Output()
	if err != nil {
		t.Fatalf("read the server's authority: %v", err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := cipher(t, newServer(t, rootOf(env), func(s *Settings) { s.TLSCA = path }, "a")); err != nil || got == "" {
		t.Errorf("verify-ca: cipher %q, error %v", got, err)
	}
	_, err = cipher(t, newServer(t, rootOf(env), func(s *Settings) { s.TLS, s.TLSCA = tlsmode.VerifyIdentity, path }, "a"))
	requireRefusal(t, err, "certificate")
}
