package bucket

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
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
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "the certificate of ") {
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
	client.use(newS3(&s.source.settings, client.options.Credentials, 1, &http.Client{Transport: transport}))
	s.requireRoundTrip()
	if _, found := hosts.Load(s.bucket + "." + s.env.S3Domain + ":80"); !found {
		t.Error("no request was sent to the bucket's own host")
	}
	if _, found := hosts.Load(s.env.S3Domain + ":80"); found {
		t.Error("a request was sent to the host without a bucket")
	}
}

// keyFiles are keys that somebody renews.
type keyFiles struct {
	testing.TB
	dir string
}

func newKeyFiles(t testing.TB) *keyFiles { return &keyFiles{t, t.TempDir()} }

func (f *keyFiles) ref(name string) secret.Ref {
	return secret.Ref("file:" + filepath.Join(f.dir, name))
}

func (f *keyFiles) write(name, value string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(value), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *keyFiles) settings() *Settings {
	return &Settings{AccessKey: f.ref("access"), SecretKey: f.ref("secret"), SessionToken: f.ref("token")}
}

// Keys that stand in files are read again, whole generations of them.
func TestKeysThatAreRenewed(t *testing.T) {
	files := newKeyFiles(t)
	names := []string{"access", "secret", "token"}
	write := func(generation string, pause time.Duration) {
		for _, name := range names {
			files.write(name, name+generation)
			time.Sleep(pause)
		}
	}
	write("1", 0)
	synctest.Test(t, func(t *testing.T) {
		provider, err := newCredentials(files.settings())
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
		write("2", 0)
		require("1")
		time.Sleep(keyLife)
		require("2")

		// One file after the other, while they are read.
		time.Sleep(keyLife)
		go write("3", settlePause/2)
		synctest.Wait()
		require("3")

		// One of them is not there for a moment.
		time.Sleep(keyLife)
		if err := os.Remove(filepath.Join(files.dir, "token")); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(settlePause)
			write("4", 0)
		}()
		require("4")
	})
}

// Keys of the environment never change.
func TestKeysOfTheEnvironment(t *testing.T) {
	t.Setenv("OPENIM_DR_TEST_KEY", "constant")
	provider, err := newCredentials(&Settings{AccessKey: "env:OPENIM_DR_TEST_KEY", SecretKey: "env:OPENIM_DR_TEST_KEY"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := provider.Retrieve(t.Context()); err != nil || c.AccessKeyID != "constant" {
		t.Errorf("keys %+v, %v", c, err)
	}
	if provider.(*keyring).renewed() {
		t.Error("keys of the environment are said to have been renewed")
	}
}

// A server that refuses the keys of a moment ago is asked again with the new
// ones; one that goes on refusing is asked once.
func TestRefusedKeysAreReadAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	files := newKeyFiles(t)
	files.write("access", s.env.S3AccessKey)
	files.write("secret", "expired")
	s.settings = func(settings *Settings) {
		settings.AccessKey, settings.SecretKey = files.ref("access"), files.ref("secret")
	}
	s.source = s.openAt(s.endpoint, Options{})

	_, err := s.TryCapture(t.Context(), t, "media", Kind, s.source)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "refuses the access key") {
		t.Errorf("with expired keys: %v", err)
	}
	before := s.source.client.requests.Load()
	if _, err := s.source.api().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.bucket}); !isDenied(err) {
		t.Errorf("with expired keys: %v", err)
	}
	if n := s.source.client.requests.Load() - before; n != 1 {
		t.Errorf("a server that refuses the keys was asked %d times, want once", n)
	}
	files.write("secret", s.env.S3SecretKey)
	s.requireRoundTrip()
}

// What an operator reads of a failed call is its reason: not the SDK's own words,
// and no object's key, which stands in the URL.
func TestReasonsArePlain(t *testing.T) {
	t.Parallel()
	source, err := New("media", &Settings{Endpoint: "http://127.0.0.1:1", AccessKey: inFile(t, "a"), SecretKey: inFile(t, "s"), Buckets: []string{"b"}}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int, api error) error {
		return &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: api,
		}}
	}
	_, refused := source.client.getObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("private-key")})
	tests := map[string]struct {
		err  error
		says string
	}{
		"nobody listens": {refused, "read at http://127.0.0.1:1: nothing listens at 127.0.0.1:1 (connection refused)"},
		"an answer": {
			answer(http.StatusInternalServerError, &smithy.GenericAPIError{Code: "InternalError", Message: "try again"}),
			"read at http://127.0.0.1:1: gave up after 0s: the server answers 500 InternalError: try again",
		},
		"no more than an error": {io.ErrUnexpectedEOF, "read at http://127.0.0.1:1: gave up after 0s: unexpected EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := source.explain(t.Context(), "read", tt.err, time.Now())
				if err.Error() != tt.says || !errors.Is(err, tt.err) {
					t.Errorf("got %q, want %q", err, tt.says)
				}
			})
		})
	}
}
