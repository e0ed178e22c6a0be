package bucket

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// requireRoundTrip says that what the source captures comes back through it.
func (s *stand) requireRoundTrip() {
	s.Helper()
	s.put(zoo()[:12]...)
	copied, _ := s.restore(s.capture())
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		s.Errorf("restored (-want +got):\n%s", diff)
	}
}

// A server's certificate may be signed by an authority of one's own; without it
// nothing is sent.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	server, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	way := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(server)
		r.Out.Host = r.In.Host // which is signed
	}})
	t.Cleanup(way.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: way.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}

	s.source = s.openAt(way.URL, impatient)
	_, err = s.TryCapture(t.Context(), t, "media", Kind, s.source)
	if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the authority: %v", err)
	}
	s.settings = func(settings *Settings) { settings.CA = ca }
	s.source = s.openAt(way.URL, Options{})
	s.requireRoundTrip()
}

// The bucket may stand in the host's name. Names are resolved here as by a
// wildcard in DNS.
func TestBucketInTheHostName(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	no := false
	s.settings = func(settings *Settings) { settings.PathStyle = &no }
	s.source = s.openAt("http://"+s.env.S3Domain, Options{})
	var hosts sync.Map
	server := strings.TrimPrefix(s.endpoint, "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		hosts.Store(address, true)
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := s.source.client
	client.s3 = newS3(&s.source.settings, client.s3.Options().Credentials, 1, &http.Client{Transport: transport})
	s.requireRoundTrip()
	if _, found := hosts.Load(s.bucket + "." + s.env.S3Domain + ":80"); !found {
		t.Error("no request was sent to the bucket's own host")
	}
	if _, found := hosts.Load(s.env.S3Domain + ":80"); found {
		t.Error("a request was sent to the host without a bucket")
	}
}

// Keys that stand in files are read again, and those of the environment are not.
func TestKeysThatAreRenewed(t *testing.T) {
	dir := t.TempDir()
	write := func(generation string) {
		for _, name := range []string{"access", "secret", "token"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name+generation), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(name string) secret.Ref { return secret.Ref("file:" + filepath.Join(dir, name)) }
	write("1")
	synctest.Test(t, func(t *testing.T) {
		provider, err := newCredentials(&Settings{AccessKey: file("access"), SecretKey: file("secret"), SessionToken: file("token")})
		if err != nil {
			t.Fatal(err)
		}
		require := func(generation string) {
			t.Helper()
			c, err := provider.Retrieve(t.Context())
			if err != nil || c.AccessKeyID != "access"+generation || c.SecretAccessKey != "secret"+generation || c.SessionToken != "token"+generation {
				t.Errorf("keys %+v, %v, want those of generation %s", c, err, generation)
			}
		}
		require("1")
		write("2")
		require("1")
		time.Sleep(keyLife)
		require("2")
	})

	t.Setenv("OPENIM_DR_TEST_KEY", "constant")
	fixed := &keys{"env:OPENIM_DR_TEST_KEY", "env:OPENIM_DR_TEST_KEY", ""}
	if c, err := fixed.Retrieve(t.Context()); err != nil || c.CanExpire {
		t.Errorf("keys of the environment: %+v, %v", c, err)
	}
}
