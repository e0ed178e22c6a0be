package cache_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/cache"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/port"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// authority signs certificates of a test's own, as NAME.pem and NAME.key.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(t *testing.T, name string, hosts ...string) {
	t.Helper()
	template := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	a.sign(t, name, template)
}

func (a *authority) sign(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
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
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestModesOfTLS(t *testing.T) {
	env := testbed.Need(t)
	ours, others := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.issue(t, "server", "127.0.0.1")
	ours.issue(t, "misnamed", "redis.example")
	ours.issue(t, "client")
	others.issue(t, "client")
	tests := map[string]struct {
		certificate string // of the server
		demands     bool   // a certificate of the client
		change      func(s *cache.Settings)
		kind        fault.Kind
		saying      string // nothing: it works
		hint        string
	}{
		"required":                       {certificate: "server", change: func(s *cache.Settings) { s.TLS = tlsmode.Required }},
		"required, whoever it is":        {certificate: "misnamed", change: func(s *cache.Settings) { s.TLS = tlsmode.Required }},
		"verify-ca":                      {certificate: "misnamed", change: func(s *cache.Settings) { s.TLS, s.TLSCA = tlsmode.VerifyCA, ours.path("ca.pem") }},
		"an authority alone":             {certificate: "misnamed", change: func(s *cache.Settings) { s.TLSCA = ours.path("ca.pem") }},
		"verify-ca, another's":           {certificate: "server", change: func(s *cache.Settings) { s.TLSCA = others.path("ca.pem") }, kind: fault.Usage, saying: "signed by nobody who is trusted", hint: "tlsCA"},
		"verify-identity":                {certificate: "server", change: func(s *cache.Settings) { s.TLS, s.TLSCA = tlsmode.Verify, ours.path("ca.pem") }},
		"verify-identity, the system's":  {certificate: "server", change: func(s *cache.Settings) { s.TLS = tlsmode.VerifyIdentity }, kind: fault.Usage, saying: "signed by nobody who is trusted", hint: "tlsCA"},
		"verify-identity, another name":  {certificate: "misnamed", change: func(s *cache.Settings) { s.TLS, s.TLSCA = tlsmode.VerifyIdentity, ours.path("ca.pem") }, kind: fault.Usage, saying: "for another name", hint: "verify-ca"},
		"a client's certificate":         {certificate: "server", demands: true, change: func(s *cache.Settings) { withCertificate(s, ours, ours) }},
		"disabled":                       {certificate: "server", change: func(*cache.Settings) {}, kind: fault.Failed, saying: "no answer", hint: "set tls"},
		"an authority that is not there": {certificate: "server", change: func(s *cache.Settings) { s.TLSCA = ours.path("nowhere.pem") }, kind: fault.Usage, saying: "nowhere.pem", hint: "PEM"},
		"an authority that is none":      {certificate: "server", change: func(s *cache.Settings) { s.TLSCA = ours.path("client.key") }, kind: fault.Usage, saying: "holds no PEM certificate", hint: "PEM"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secured := port.Choose()
			demands := "no"
			if tt.demands {
				demands = "yes"
			}
			server := env.StartRedis(t, fmt.Sprintf("tls-port %d", secured), "tls-auth-clients "+demands,
				"tls-cert-file "+ours.path(tt.certificate+".pem"), "tls-key-file "+ours.path(tt.certificate+".key"), "tls-ca-cert-file "+ours.path("ca.pem"))
			seed(t, server.Open(t, 0), stale["USER_INFO:*"]...)
			s := settings(t, server)
			s.Address = port.Address(secured)
			tt.change(&s)
			c := newCache(t, s, false)
			purged, err := c.Purge(t.Context())
			if tt.saying != "" {
				requireFault(t, c, err, tt.kind, tt.saying, tt.hint)
				return
			}
			if err != nil || byPattern(purged, 0)["USER_INFO:*"] != 2 {
				t.Errorf("purged %v, %v", byPattern(purged, 0), err)
			}
		})
	}
}

// A server that breaks off TLS may or may not get around to saying why.
func TestACertificateThatTheServerDoesNotAccept(t *testing.T) {
	env := testbed.Need(t)
	ours, others := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.issue(t, "server", "127.0.0.1")
	others.issue(t, "client")
	for name, change := range map[string]func(*cache.Settings){
		"none":      func(s *cache.Settings) { s.TLSCA = ours.path("ca.pem") },
		"another's": func(s *cache.Settings) { withCertificate(s, ours, others) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secured := port.Choose()
			server := env.StartRedis(t, fmt.Sprintf("tls-port %d", secured), "tls-auth-clients yes",
				"tls-cert-file "+ours.path("server.pem"), "tls-key-file "+ours.path("server.key"), "tls-ca-cert-file "+ours.path("ca.pem"))
			s := settings(t, server)
			s.Address = port.Address(secured)
			change(&s)
			_, err := newCache(t, s, false).Purge(t.Context())
			e, ok := fault.Outermost(err)
			if !ok || e.Kind != fault.Usage && e.Kind != fault.Failed || !strings.Contains(e.Try, "set tlsCert and tlsKey") {
				t.Errorf("error %v, want one with a hint to set tlsCert and tlsKey", err)
			}
		})
	}
}

func withCertificate(s *cache.Settings, server, client *authority) {
	s.TLSCA, s.TLSCert, s.TLSKey = server.path("ca.pem"), client.path("client.pem"), client.path("client.key")
}

func TestSettingsThatCannotBeMeant(t *testing.T) {
	tests := map[string]struct {
		change func(*cache.Settings)
		saying string
	}{
		"no port":                      {func(s *cache.Settings) { s.Address = "redis" }, "address: it is not HOST:PORT"},
		"a user without a password":    {func(s *cache.Settings) { s.User = "u" }, "user: needs a password"},
		"no mode of TLS":               {func(s *cache.Settings) { s.TLS = "preferred" }, "tls: it is not one of"},
		"an authority unused":          {func(s *cache.Settings) { s.TLS, s.TLSCA = tlsmode.Required, "/ca" }, "tlsCA: nothing is verified"},
		"half a certificate":           {func(s *cache.Settings) { s.TLS, s.TLSKey = tlsmode.Required, "/key" }, "tlsKey: it needs tlsCert beside it"},
		"a certificate without TLS":    {func(s *cache.Settings) { s.TLSCert, s.TLSKey = "/cert", "/key" }, "no certificate is shown"},
		"a database twice":             {func(s *cache.Settings) { s.Databases = []int{1, 1} }, "databases: they are different"},
		"a database of less than none": {func(s *cache.Settings) { s.Databases = []int{-1} }, "databases: they are different"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := cache.Settings{Name: "dragonfly", Address: "redis:6379"}
			tt.change(&s)
			_, err := cache.New(s, cache.Keys{})
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.saying) {
				t.Errorf("error %v, want one of usage with %q", err, tt.saying)
			}
		})
	}
}
