package notify_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// A heartbeat is a GET, and what is said of one that fails has nothing of its URL.
func TestBeat(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.Path }))
	t.Cleanup(server.Close)
	if err := notify.Beat(t.Context(), held(t, server.URL+"/"+hush)); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "GET /"+hush {
		t.Errorf("the server was asked %q", got)
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, tt := range map[string]struct {
		handler http.Handler
		url     string
		want    string
	}{
		"it is not known":       {http.NotFoundHandler(), "", "the server answered 404 Not Found"},
		"it is to go elsewhere": {http.RedirectHandler(tls.URL+"/"+hush, http.StatusFound), "", "another scheme"},
		"nobody there":          {nil, gone.URL + "/" + hush, "the connection was refused"},
		"another's certificate": {nil, tls.URL + "/" + hush, "the certificate of the server is not trusted"},
		"no URL":                {nil, hush, "it is no URL"},
		"another scheme":        {nil, "ftp://" + hush + "/", "it is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := tt.url
			if tt.handler != nil {
				server := httptest.NewServer(tt.handler)
				t.Cleanup(server.Close)
				url = server.URL + "/" + hush
			}
			err := notify.Beat(t.Context(), held(t, url))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			requireHushed(t, err)
		})
	}
}

// Heartbeats are sent every so often while things are well, and sooner after a failure.
// A failure that lasts is said once.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		var beats atomic.Int32
		var log strings.Builder
		h := &notify.Heartbeat{
			Where: func() (secret.Ref, time.Duration) { return "env:OPENIM_DR_TEST_NONE", 5 * time.Minute },
			Well:  well.Load, Count: func(string) { beats.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Run(ctx)
		}()
		time.Sleep(time.Hour)
		if beats.Load() != 0 {
			t.Errorf("%d heartbeats while things were not well", beats.Load())
		}
		well.Store(true)
		time.Sleep(10*time.Minute + time.Second)
		if got := beats.Load(); got != 10 && got != 11 {
			t.Errorf("%d heartbeats in ten minutes, though each fails", got)
		}
		cancel()
		<-ended
		if n := strings.Count(log.String(), "heartbeat not sent"); n != 1 {
			t.Errorf("the failure was said %d times:\n%s", n, &log)
		}
	})
}
