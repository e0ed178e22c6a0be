package network_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/network"
)

// get is what a client of HTTP says of an address, wrapped as libraries do.
func get(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
		t.Fatalf("%s answers", url)
	}
	return fmt.Errorf("operation Get, exceeded maximum number of attempts, 6: %w", err)
}

// speaks answers each connection with the same bytes, whatever it is asked.
func speaks(t *testing.T, greeting string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // what is asked, lest closing cuts it off
			_, _ = conn.Write([]byte(greeting))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

func TestWhyThereIsNoAnswer(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	sealed := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(sealed.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := map[string]struct {
		url        string
		kind       fault.Kind
		text, hint string // $HOST is HOST:PORT
	}{
		"nobody listens":          {gone.URL, fault.Failed, "nothing listens at $HOST (connection refused)", "$HOST can be reached"},
		"no such name":            {"http://s3.invalid:8333/", fault.Failed, `no address is known for the name "s3.invalid"`, "spelled"},
		"TLS where there is none": {strings.Replace(plain.URL, "http:", "https:", 1), fault.Usage, "$HOST does not speak TLS", "http://"},
		"an authority of its own": {sealed.URL, fault.Usage, "the certificate of $HOST is not accepted: x509:", "SSL_CERT_FILE"},
		"another protocol":        {"http://" + speaks(t, "J\x00\x00\x00\n9.7.4\x00"), fault.Failed, "what answers at $HOST does not speak HTTP", "port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			host := network.HostOf(tt.url)
			err := get(t, tt.url)
			got := network.Fault("list bucket", host, "SSL_CERT_FILE", err)
			if got == nil {
				t.Fatalf("nothing is said of %v", err)
			}
			want := "list bucket: " + strings.ReplaceAll(tt.text, "$HOST", host)
			if !strings.HasPrefix(got.Error(), want) || !strings.Contains(got.Try, strings.ReplaceAll(tt.hint, "$HOST", host)) || got.Kind != tt.kind {
				t.Errorf("got %v %q, hint %q; want %v %q…, hint …%q…", got.Kind, got.Error(), got.Try, tt.kind, want, tt.hint)
			}
			for _, internal := range []string{"dial tcp", "attempts", "Get"} {
				if strings.Contains(got.Error(), internal) {
					t.Errorf("%q has %q in it", got.Error(), internal)
				}
			}
			if !errors.Is(got, errors.Unwrap(err)) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestWhatIsNotOfTheNetworkIsLeftAlone(t *testing.T) {
	for _, err := range []error{nil, errors.New("status 403"), fmt.Errorf("list: %w", context.Canceled)} {
		if got := network.Fault("list", "h:1", "", err); got != nil {
			t.Errorf("of %v it says %v", err, got)
		}
	}
}

// A server that speaks first, as MySQL's does, may be heard before anything is asked:
// net/http then says so in words that are an accident, which this pins.
func TestAServerThatSpeaksUnasked(t *testing.T) {
	unasked := &url.Error{Op: "Get", URL: "http://db:3306", Err: errors.New("readLoopPeekFailLocked: %!w(<nil>)")}
	if got := network.Fault("list bucket", "", "SSL_CERT_FILE", unasked); got == nil || !strings.Contains(got.Error(), "what answers at db:3306 does not speak HTTP") {
		t.Errorf("got %v", got)
	}
	cut := &url.Error{Op: "Get", URL: "http://db:3306", Err: fmt.Errorf("readLoopPeekFailLocked: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET})}
	if got := network.Fault("list bucket", "", "SSL_CERT_FILE", cut); got == nil || !strings.Contains(got.Error(), "no connection to db:3306") {
		t.Errorf("a connection that was reset: got %v", got)
	}
}
