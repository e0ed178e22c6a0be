package notify_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// hush stands in every URL of these tests, in every place, and may never be seen.
const hush = "hunter2secret"

var letter = notify.Letter{Title: "openim-dr prod: critical: rpo/main", Text: "the newest restorable state is 3h old\n", Key: "openim-dr/prod/rpo/main", Severity: "critical"}

// held keeps a URL as configuration refers to it.
func held(t *testing.T, address string) secret.Ref {
	t.Helper()
	ref, release := secret.Hold(address)
	t.Cleanup(release)
	return ref
}

// webhook is the URL of a server of a test, with secrets in it.
func webhook(server *httptest.Server, scheme, query string) string {
	return "generic+" + scheme + "://" + strings.TrimPrefix(strings.TrimPrefix(server.URL, "https://"), "http://") + "/" + hush + "?template=json&@Authorization=" + hush + query
}

func requireHushed(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), hush) {
		t.Errorf("the error holds a secret: %v", err)
	}
}

// A webhook gets title and text, with what its URL says of headers.
func TestWebhook(t *testing.T) {
	t.Parallel()
	got := make(chan map[string]string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		body["path"], body["authorization"] = r.URL.Path, r.Header.Get("Authorization")
		got <- body
	}))
	defer server.Close()
	if err := sender(t).Send(t.Context(), held(t, webhook(server, "http", "")), letter); err != nil {
		t.Fatal(err)
	}
	body := <-got
	if body["title"] != letter.Title || body["message"] != letter.Text || body["path"] != "/"+hush || body["authorization"] != hush {
		t.Errorf("the server got %v", body)
	}
}

// What a server answers decides whether the message is tried again, and no part of the
// URL is in what is said of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	answering := func(status int) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, hush, status) }))
	}
	elsewhere := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	tests := map[string]struct {
		server *httptest.Server
		scheme string
		want   string
		kind   fault.Kind
	}{
		"forbidden":        {answering(403), "http", "the server answered 403 Forbidden", fault.Usage},
		"too many":         {answering(429), "http", "the server answered 429 Too Many Requests", fault.Failed},
		"out of order":     {answering(503), "http", "the server answered 503 Service Unavailable", fault.Failed},
		"another's TLS":    {httptest.NewTLSServer(http.NotFoundHandler()), "https", "the certificate of the server is not trusted", fault.Usage},
		"no TLS":           {answering(200), "https", "the server speaks no TLS", fault.Usage},
		"another scheme":   {httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/"+hush, http.StatusTemporaryRedirect)), "http", "another scheme", fault.Usage},
		"round in circles": {httptest.NewServer(http.RedirectHandler("/"+hush, http.StatusTemporaryRedirect)), "http", "too often", fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(tt.server.Close)
			err := sender(t).Send(t.Context(), held(t, webhook(tt.server, tt.scheme, "")), letter)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != tt.kind {
				t.Errorf("got %v (%v), want %q (%v)", err, fault.KindOf(err), tt.want, tt.kind)
			}
			requireHushed(t, err)
		})
	}
}

// Nobody is waited for longer than the time that a message may take: neither a web
// server nor a mail server that takes the connection and says nothing (invariant 9).
func TestSilentServers(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	address := listener.Addr().String()
	for name, url := range map[string]string{
		"a web server":  "generic+http://" + address + "/" + hush,
		"a mail server": "smtp://user:" + hush + "@" + address + "/?from=a@example.org&to=" + hush + "@example.org",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sender(t)
			s.Timeout = 2 * time.Second
			err := s.Send(t.Context(), held(t, url), letter)
			if err == nil || fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "it was not sent after 2s") {
				t.Errorf("got %v", err)
			}
			requireHushed(t, err)
		})
	}
}

// A server that is not there, and URLs that cannot be meant.
func TestUnsendable(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := map[string]struct {
		url, want string
		kind      fault.Kind
	}{
		"nobody there":       {webhook(gone, "http", ""), "the connection was refused", fault.Failed},
		"a plain secret":     {hush, "it is no URL of a service", fault.Usage},
		"an unknown service": {hush + "://" + hush, "its scheme is none of", fault.Usage},
		"half a URL":         {"slack://" + hush, "it is not what service slack takes", fault.Usage},
		"what is no URL":     {"smtp://%zz" + hush, "it is no URL of a service", fault.Usage},
		"nobody's log":       {"logger://", "its scheme is none of", fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := sender(t).Send(t.Context(), held(t, tt.url), letter)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != tt.kind {
				t.Errorf("got %v (%v), want %q (%v)", err, fault.KindOf(err), tt.want, tt.kind)
			}
			requireHushed(t, err)
		})
	}
	err := sender(t).Send(t.Context(), secret.Ref("file:"+filepath.Join(t.TempDir(), "none")), letter)
	if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without its file: %v", err)
	}
}

// URLs of every service that people have are taken, without anybody being asked.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
		"discord://token@123456789012345678",
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@channel",
		"pagerduty://events.pagerduty.com/0123456789abcdef0123456789abcdef",
		"opsgenie://api.opsgenie.com/eb243592-faa2-4ba2-a551q-1afdf565c889",
		"smtp://user:password@mail.example.org:587/?from=openim-dr@example.org&to=oncall@example.org",
		"matrix://user:password@matrix.example.org/?rooms=!abc:example.org",
		"ntfy://ntfy.sh/topic", "gotify://gotify.example.org/AzyoeNS.D4iJLVa", "pushover://shoutrrr:token@user",
		"mattermost://user@mattermost.example.org/token", "rocketchat://user@rocketchat.example.org/tokenA/tokenB/channel",
		"generic+https://example.org/hook", "generic://example.org/hook?template=json",
	} {
		if err := notify.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// What the process reads that sends is bounded, and what it says of anything else has
// nothing of it.
func TestSendReadsItsOrder(t *testing.T) {
	t.Parallel()
	err := notify.Send(strings.NewReader(hush), io.Discard)
	if err == nil {
		t.Error("it has sent something")
	}
	requireHushed(t, err)
}
