package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/web"
)

// visitor asks a daemon that speaks TLS.
type visitor struct {
	t     *testing.T
	url   string
	token string
	pool  *x509.CertPool
}

// get makes a request over a connection of its own.
func (v visitor) get(path string) (*http.Response, error) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.url+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if v.token != "" {
		request.Header.Set("Authorization", "Bearer "+v.token)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.pool}, DisableKeepAlives: true}, Timeout: daemonPatience}
	return client.Do(request)
}

func (v visitor) require(path string, code int) string {
	v.t.Helper()
	answer, err := v.get(path)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != code {
		v.t.Fatalf("%s answers %d (%v), want %d: %s", path, answer.StatusCode, err, code, body)
	}
	return string(body)
}

// TestDaemonShows looks at a daemon that runs as its users do: over TLS, with the token,
// while a job runs, and until it ends.
func TestDaemonShows(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	dir := t.TempDir()
	const token = "correct horse battery staple"
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pool := testbed.Certify(t, dir)
	config := setUp(t, daemonSources(t, env, env.NewBucket(t), strings.ReplaceAll(`
daemon: {http: {token: "file:$DIR/token", certificate: "file:$DIR/tls.crt", key: "file:$DIR/tls.key"}}
objectives: {rpo: 1h}
schedules:
- {name: media, cron: "@every 2s", sources: [media]}`, "$DIR", dir)))
	p := startDaemon(t, config, "--http", "127.0.0.1:0")
	from := 0
	v := visitor{t, strings.Replace(p.address(&from), "http:", "https:", 1), token, pool}
	stranger := v
	stranger.token = ""
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/events"} {
		stranger.require(path, http.StatusUnauthorized)
	}
	stranger.require("/livez", http.StatusOK)
	stranger.require("/readyz", http.StatusOK)

	requireEvents(t, v)
	var schedules web.Schedules
	if err := json.Unmarshal([]byte(v.require("/api/v1/schedules", http.StatusOK)), &schedules); err != nil || len(schedules.Schedules) != 1 || schedules.Schedules[0].Last == nil {
		t.Errorf("schedules %+v (%v)", schedules, err)
	}
	var report status.Report
	if err := json.Unmarshal([]byte(v.require("/api/v1/status", http.StatusOK)), &report); err != nil || report.State == status.OK || report.UncoveredStores == nil {
		t.Errorf("status %+v (%v)", report, err)
	}
	if page := v.require("/", http.StatusOK); !strings.Contains(page, `data-label="Source">media<`) || !strings.Contains(page, report.Objectives.RPO.Sources[0].Point[:8]) {
		t.Errorf("the page:\n%s", page)
	}
	if metrics := v.require("/metrics", http.StatusOK); !strings.Contains(metrics, `openim_dr_storage_requests_total{class="write"} `) || strings.Contains(metrics, `openim_dr_storage_requests_total{class="write"} 0`) {
		t.Errorf("calls of the storage are not counted:\n%s", metrics)
	}

	v.pool = testbed.Certify(t, dir) // of another authority: who trusts it alone is let in now
	v.require("/livez", http.StatusOK)
	v.requireRestartForTLS(p, config)
	events, err := v.get("/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	p.stop()
	if _, err := io.Copy(io.Discard, events.Body); err != nil {
		t.Errorf("when the daemon ends the stream of events ends with %v", err)
	}
}

// requireRestartForTLS takes TLS out of the configuration of a daemon that speaks it: that
// is refused, and the daemon goes on by TLS.
func (v visitor) requireRestartForTLS(p *daemonProcess, config string) {
	v.t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		v.t.Fatal(err)
	}
	without := regexp.MustCompile(`, certificate: .*}}`).ReplaceAllString(string(text), "}}")
	writeFile(v.t, config, without)
	at := 0
	p.await(&at, "the configuration is not right", "daemon.http.certificate", "takes a new start")
	v.require("/", http.StatusOK)
	if why := v.require("/readyz", http.StatusServiceUnavailable); !strings.Contains(why, "takes a new start") {
		v.t.Errorf("/readyz says %s", why)
	}
}

// requireEvents follows a run from its beginning to the look after it.
func requireEvents(t *testing.T, v visitor) {
	t.Helper()
	answer, err := v.get("/api/v1/events")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for _, want := range []string{`"event":"begin","schedule":"media"`, `"event":"end","schedule":"media"`, `"state":"warning"`} {
		found := false
		for !found && lines.Scan() {
			found = strings.Contains(lines.Text(), want)
		}
		if !found {
			t.Fatalf("the stream ended before %s: %v", want, lines.Err())
		}
	}
}

// TestDaemonRefusesToShow: what is not as it should be ends it before it listens.
func TestDaemonRefusesToShow(t *testing.T) {
	t.Parallel()
	weak := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(weak, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ http, want string }{
		"weak":           {`{token: "file:` + weak + `"}`, "it has 7 characters, and 16 at least are wanted"},
		"not there":      {`{token: "env:OPENIM_DR_TEST_SHORT"}`, "OPENIM_DR_TEST_SHORT is not set"},
		"no key":         {`{certificate: "file:/c"}`, "TLS takes a certificate and a key"},
		"no file":        {`{certificate: "env:C", key: "file:/k"}`, "it has to be a file"},
		"no certificate": {`{certificate: "file:/nowhere/c", key: "file:/nowhere/k"}`, "/nowhere/c"},
	} {
		t.Run(name, func(t *testing.T) {
			config := setUp(t, "- {name: media, kind: buckets, endpoint: \"http://127.0.0.1:1\", accessKey: \"env:A\", secretKey: \"env:B\", buckets: [b]}\nschedules: [{name: s, cron: \"@daily\", sources: [media]}]")
			file, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString("\ndaemon: {http: " + tt.http + "}\n"); err != nil {
				t.Fatal(err)
			}
			file.Close()
			p := startDaemon(t, config, "--http", "127.0.0.1:0")
			at := 0
			p.await(&at, tt.want)
			<-p.ended
			if code := p.ProcessState.ExitCode(); code != 2 {
				t.Errorf("it ends with exit code %d", code)
			}
		})
	}
}
