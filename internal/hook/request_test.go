package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// receiver is a server that keeps what it is sent.
type receiver struct {
	*httptest.Server
	requests chan received
}

type received struct {
	method string
	path   string
	header http.Header
	body   map[string]any
}

// receive starts a server that answers with the next of the codes, the last of
// which it repeats.
func receive(t *testing.T, start func(http.Handler) *httptest.Server, codes ...int) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan received, 100)}
	var n atomic.Int64
	r.Server = start(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		got := received{method: request.Method, path: request.URL.RequestURI(), header: request.Header}
		data, err := io.ReadAll(request.Body)
		if err == nil {
			err = json.Unmarshal(data, &got.body)
		}
		if err != nil {
			t.Errorf("the request is no JSON: %v", err)
		}
		r.requests <- got
		code := codes[min(int(n.Add(1)), len(codes))-1]
		if code/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, request.Header.Get("Authorization")) // as a bad server would
	}))
	t.Cleanup(r.Close)
	return r
}

func TestRequest(t *testing.T) {
	t.Setenv("TOKEN", "Bearer hunter2")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := receive(t, httptest.NewServer, 204)
	r, log := runner(Hook{
		On: Failure, URL: Address(server.URL + "/services/hunter2?key=hunter2"),
		Headers: map[string]secret.Ref{"authorization": "env:TOKEN", "X-Key": secret.Ref("file:" + file)},
	})
	r.After(t.Context(), Failure, facts())
	got := <-server.requests
	if got.method != http.MethodPost || got.path != "/services/hunter2?key=hunter2" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s %s with %v", got.method, got.path, got.header)
	}
	if got.header.Get("Authorization") != "Bearer hunter2" || got.header.Get("X-Key") != "hunter2" {
		t.Errorf("the headers are %v", got.header)
	}
	want := map[string]any{
		"event": "failure", "verb": "restore", "instance": "openim-prod", "stream": "nightly",
		"points": []any{"20261123T020000Z-k3vq", "20261124T020000Z-a2b3"}, "restore": "20261124T031500Z-zzzz", "result": "corrupt",
		"exitCode": 3.0, "equal": false, "rtoSeconds": 754.25, "seconds": 760.5, "error": "compare: 2 differences: \"a\"\nb", "hint": "look",
		"report": "/tmp/r.html",
	}
	for name, value := range want {
		if text, expected := jsonOf(t, got.body[name]), jsonOf(t, value); text != expected {
			t.Errorf("%s is %s, want %s", name, text, expected)
		}
	}
	if names := slices.Sorted(maps.Keys(got.body)); len(names) != len(want) {
		t.Errorf("the document has %v", names)
	}
	if strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "WARN") {
		t.Errorf("the log holds a secret, or a warning:\n%s", log)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Before a run little is known, and a list is a list.
func TestRequestBeforeARun(t *testing.T) {
	server := receive(t, httptest.NewServer, 200)
	r, _ := runner(Hook{On: Before, URL: Address(server.URL)})
	if err := r.Before(t.Context(), Facts{Verb: Backup}); err != nil {
		t.Fatal(err)
	}
	got := <-server.requests
	if got.body["exitCode"] != nil || got.body["equal"] != nil || jsonOf(t, got.body["points"]) != "[]" {
		t.Errorf("got %v", got.body)
	}
}

// Answers that may be different a moment later are asked for again.
func TestRequestIsRepeated(t *testing.T) {
	tests := map[string]struct {
		codes []int
		sent  int
		says  string // empty: it succeeds
	}{
		"at once":                     {[]int{200}, 1, ""},
		"after errors of the server":  {[]int{500, 502, 503, 429, 408, 201}, 6, ""},
		"not allowed":                 {[]int{403, 200}, 1, "the server answered 403 Forbidden"},
		"not there":                   {[]int{500, 404, 200}, 2, "the server answered 404 Not Found"},
		"somewhere else":              {[]int{307, 200}, 1, "the server answered 307 Temporary Redirect"},
		"with something unknown":      {[]int{299}, 1, ""},
		"somewhere else, permanently": {[]int{301, 200}, 1, "the server answered 301 Moved Permanently"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := receive(t, httptest.NewServer, tt.codes...)
			r, _ := runner(Hook{On: Before, URL: Address(server.URL)})
			err := r.Before(t.Context(), Facts{Verb: Restore})
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if got := len(server.requests); got != tt.sent {
				t.Errorf("sent %d times, want %d", got, tt.sent)
			}
		})
	}
}

func TestServerThatComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	r, _ := runner(Hook{On: Before, URL: Address("http://" + address)})
	var tries atomic.Int64
	var server *receiver
	r.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if tries.Add(1) == 3 { // after two real refusals it is there
			server = receive(t, func(h http.Handler) *httptest.Server {
				s := httptest.NewUnstartedServer(h)
				s.Listener.Close()
				if s.Listener, err = net.Listen("tcp", address); err != nil {
					t.Error(err)
				}
				s.Start()
				return s
			}, 200)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	if err := r.Before(t.Context(), Facts{}); err != nil || len(server.requests) != 1 {
		t.Errorf("got %v", err)
	}
}

// The time limit is for all tries together, and what went wrong is said.
func TestRequestThatIsNeverAnswered(t *testing.T) {
	released := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(released) })
	busy := receive(t, httptest.NewServer, 503)
	tests := map[string]struct {
		url  string
		want string
	}{
		"silent":    {silent.URL, "no answer: it was not done after 100ms"},
		"too busy":  {busy.URL, "it was not done after 100ms; before that: the server answered 503 Service Unavailable"},
		"not there": {"http://127.0.0.1:1", "it was not done after 100ms; before that: dial tcp 127.0.0.1:1: connect: connection refused"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := runner(Hook{On: Before, URL: Address(tt.url + "/hunter2"), Timeout: 100 * time.Millisecond})
			r.retry.longest = 20 * time.Millisecond
			r.retry.first = r.retry.longest
			err := r.Before(t.Context(), Facts{Verb: Restore})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A certificate that nobody trusted has signed is refused, and not tried again.
func TestCertificatesAreVerified(t *testing.T) {
	server := receive(t, httptest.NewTLSServer, 200)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	r, _ := runner(Hook{On: Before, URL: Address(server.URL + "/hunter2")})
	err := r.Before(t.Context(), Facts{Verb: Restore})
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if len(server.requests) != 0 {
		t.Error("the facts were sent all the same")
	}
	r.client.Transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	if err := r.Before(t.Context(), Facts{Verb: Restore}); err != nil {
		t.Errorf("with its authority: %v", err)
	}
}

// TestSecretsAreNeverLogged lets a request fail in every way, with secrets in its
// URL and its headers (invariant 4).
func TestSecretsAreNeverLogged(t *testing.T) {
	server := receive(t, httptest.NewServer, 403)
	t.Setenv("URL_SECRET", server.URL+"/hunter2")
	t.Setenv("BROKEN", "hunter2\nhunter2: x")
	t.Setenv("NO_URL", "hunter2")
	tests := map[string]struct {
		hook Hook
		want string
	}{
		"refused":               {Hook{URL: Address(server.URL + "/hunter2"), Headers: map[string]secret.Ref{"X": "env:NO_URL"}}, "403 Forbidden"},
		"unreachable":           {Hook{URL: "http://127.0.0.1:1/hunter2", Timeout: time.Millisecond}, "it was not done after 1ms"},
		"secret URL":            {Hook{URL: "env:URL_SECRET"}, "403 Forbidden"},
		"secret that is no URL": {Hook{URL: "env:NO_URL"}, "what env:NO_URL holds is no URL"},
		"no such secret":        {Hook{URL: "env:NOT_THERE"}, "environment variable NOT_THERE is not set"},
		"no such header":        {Hook{URL: Address(server.URL), Headers: map[string]secret.Ref{"X": "file:/no/such/file"}}, "header X: read secret: open /no/such/file"},
		"header of two lines":   {Hook{URL: Address(server.URL), Headers: map[string]secret.Ref{"X": "env:BROKEN"}}, "header X: it holds a line break"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.hook.On = Failure
			r, log := runner(tt.hook)
			r.After(t.Context(), Failure, facts())
			if !strings.Contains(log.String(), tt.want) || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log lacks %q:\n%s", tt.want, log)
			}
			tt.hook.On = Before
			r, _ = runner(tt.hook)
			err := r.Before(t.Context(), facts())
			if err == nil || strings.Contains(err.Error()+log.String(), "hunter2") {
				t.Errorf("a secret is printed: %v\n%s", err, log)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	tests := map[string]struct {
		text  string
		shown string // empty: refused
	}{
		"https":             {text: "https://hooks.example.org/services/T0/B0/xyz", shown: "https://hooks.example.org"},
		"http with a port":  {text: "http://alertmanager:9093/api/v2/alerts", shown: "http://alertmanager:9093"},
		"of an environment": {text: "env:PAGER_URL", shown: "env:PAGER_URL"},
		"of a file":         {text: "file:/etc/pager", shown: "file:/etc/pager"},
		"another scheme":    {text: "ftp://host/hunter2"},
		"no host":           {text: "https:///hunter2"},
		"a user":            {text: "https://me:hunter2@host/"},
		"no scheme":         {text: "hunter2"},
		"a broken one":      {text: "https://host/%zz hunter2\x00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var a Address
			err := a.UnmarshalText([]byte(tt.text))
			if (err == nil) != (tt.shown != "") || a.String() != tt.shown {
				t.Errorf("got %q, %v; want %q", a, err, tt.shown)
			}
			if err != nil && (!errors.Is(err, errAddress) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("the error quotes the text: %v", err)
			}
		})
	}
}
