package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// hush is the secret in URLs of receivers.
const hush = "hunter2secret"

// receiver is a server that is told what is wrong, and asked for heartbeats.
type receiver struct {
	*httptest.Server

	told  chan string // "TITLE\nTEXT"
	beats chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{told: make(chan string, 100), beats: make(chan struct{}, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet {
			r.beats <- struct{}{}
			return
		}
		var letter struct{ Title, Message string }
		_ = json.NewDecoder(request.Body).Decode(&letter) // it is shown where it is not what is waited for
		r.told <- letter.Title + "\n" + letter.Message
	}))
	t.Cleanup(r.Close)
	return r
}

// configuration keeps the URLs of the receiver in files, and refers to them.
func (r *receiver) configuration(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, url := range map[string]string{
		"notify": "generic+" + r.URL + "/" + hush + "?template=json&@Authorization=" + hush, "beat": r.URL + "/" + hush,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(`
notifications: [{name: oncall, url: "file:$DIR/notify"}]
heartbeat: {url: "file:$DIR/beat"}
`, "$DIR", dir)
}

// heard are the messages that have come, by their titles.
func (r *receiver) heard() map[string][]string {
	all := map[string][]string{}
	for {
		select {
		case text := <-r.told:
			title, body, _ := strings.Cut(text, "\n")
			title = strings.TrimPrefix(title, "openim-dr test: ")
			all[title] = append(all[title], body)
		default:
			return all
		}
	}
}

// TestDaemonTells has a schedule fail and end well again: the first failure is told,
// once, with why, and that it is over; by the next daemon nothing is told again. No
// secret of a URL is printed, shown, or in the repository (invariant 4).
func TestDaemonTells(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	bucket := env.NewBucket(t)
	r := newReceiver(t)
	gate := filepath.Join(t.TempDir(), "gate")
	config := setUp(t, daemonSources(t, env, bucket, r.configuration(t)+`
hooks: [{on: before, for: [backup], command: ["test", "-e", "`+gate+`"]}]
schedules: [{name: media, cron: "@every 2s", sources: [media], retryFor: 0s}]`))
	first := startDaemon(t, config, "--http", "127.0.0.1:0")
	from := 0
	url := first.address(&from)
	sent := func(p *daemonProcess, about string, over string) {
		t.Helper()
		at := 0
		p.await(&at, "notification sent", `"about":"openim-dr/test/`+about+`"`, `"over":`+over)
	}
	sent(first, "schedule/media", "false")
	for range 3 {
		first.await(&from, "schedule: run failed")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sent(first, "schedule/media", "true")
	sent(first, "rpo/media", "true") // there was no point before
	sent(first, "proof", "false")    // and there is no drill
	<-r.beats
	if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, `openim_dr_notifications_total{notification="oncall",result="ok"}`) || !strings.Contains(body, `openim_dr_heartbeats_total{result="ok"}`) || strings.Contains(body, hush) {
		t.Errorf("/metrics:\n%s", body)
	}
	first.stop()
	heard := r.heard()
	titles := []string{"critical: rpo/media", "warning: schedule/media", "over: schedule/media", "over: rpo/media", "warning: proof"}
	for _, title := range titles {
		if len(heard[title]) != 1 {
			t.Fatalf("%q was told %d times", title, len(heard[title]))
		}
	}
	if text := heard["warning: schedule/media"][0]; !strings.Contains(text, "Why: run the hook before the backup test: it ended with exit code 1") {
		t.Errorf("it says\n%s", text)
	}
	if text := heard["over: schedule/media"][0]; !strings.Contains(text, "\nmedia=") {
		t.Errorf("it names no head of a stream:\n%s", text)
	}
	second := startDaemon(t, config)
	at := 0
	second.await(&at, "this daemon leads")
	second.await(&at, "run is noted")
	second.await(&at, "run is noted")
	second.stop()
	heard = r.heard() // that it has missed something may be among it
	for _, title := range titles {
		if len(heard[title]) > 0 {
			t.Errorf("the next daemon has told %q again", title)
		}
	}
	requireHushed(t, first.lines, second.lines)
	requireNoSecretBelow(t, filepath.Join(filepath.Dir(config), "repo"))
}

func requireHushed(t *testing.T, logs ...[]string) {
	t.Helper()
	for _, lines := range logs {
		for _, line := range lines {
			if strings.Contains(line, hush) {
				t.Errorf("a secret was printed: %s", line)
			}
		}
	}
}

func requireNoSecretBelow(t *testing.T, dir string) {
	t.Helper()
	notices, err := filepath.Glob(filepath.Join(dir, "schedules", "test@@notices", "*.json"))
	if err != nil || len(notices) < 2 {
		t.Fatalf("%d records of what was told (%v)", len(notices), err)
	}
	for _, file := range notices {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), hush) {
			t.Errorf("%s holds a secret", file)
		}
	}
}
