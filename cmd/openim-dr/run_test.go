package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// daemonPatience is how long something may take that must come.
const daemonPatience = 3 * time.Minute

// daemonProcess is an openim-dr run of its own.
type daemonProcess struct {
	*exec.Cmd

	t     *testing.T
	ended chan struct{}

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed when there are more lines, or no more come
}

func startDaemon(t *testing.T, config string, args ...string) *daemonProcess {
	t.Helper()
	return startDaemonWith(t, nil, config, args...)
}

// startDaemonWith gives it more of an environment.
func startDaemonWith(t *testing.T, env []string, config string, args ...string) *daemonProcess {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	cmd.Args = append([]string{"openim-dr", "run", "--config", config, "--log-level", "debug"}, args...) // TestMain knows it by its name
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &daemonProcess{Cmd: cmd, t: t, ended: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.add(lines.Text())
		}
		_ = cmd.Wait() // how it ended is asked of its state
		p.add("ended")
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has ended
		<-p.ended
		if t.Failed() {
			t.Logf("daemon %d:\n%s", cmd.Process.Pid, strings.Join(p.lines, "\n"))
		}
	})
	return p
}

func (p *daemonProcess) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

// await waits for a line that holds all of some texts, after the lines that were
// awaited before, and returns it.
func (p *daemonProcess) await(from *int, texts ...string) string {
	p.t.Helper()
	late := time.After(daemonPatience)
	for {
		p.mu.Lock()
		for ; *from < len(p.lines); *from++ {
			if line := p.lines[*from]; holdsAll(line, texts) {
				*from++
				p.mu.Unlock()
				return line
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-late:
			p.t.Fatalf("daemon %d never said %q", p.Process.Pid, texts)
		}
	}
}

// said is how many lines the daemon has written.
func (p *daemonProcess) said() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// whoever calls act, waits for a line that any of some daemons writes then, and returns
// that daemon.
func whoever(t *testing.T, daemons []*daemonProcess, text string, act func()) *daemonProcess {
	t.Helper()
	said := make([]int, len(daemons))
	for i, p := range daemons {
		said[i] = p.said()
	}
	act()
	found := make(chan *daemonProcess, len(daemons))
	for i, p := range daemons {
		go func() { // until the line comes, or the daemon has ended, as all do with the test
			for from := said[i]; ; {
				line, more := p.line(from)
				switch {
				case strings.Contains(line, text):
					found <- p
					return
				case line != "":
					from++
					continue
				}
				select {
				case <-more:
				case <-p.ended:
					return
				}
			}
		}()
	}
	select {
	case p := <-found:
		return p
	case <-time.After(daemonPatience):
		t.Fatalf("no daemon said %q", text)
		return nil
	}
}

// line returns one line, or what is closed when there are more.
func (p *daemonProcess) line(at int) (line string, more <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at < len(p.lines) {
		return p.lines[at], nil
	}
	return "", p.more
}

func holdsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

func (p *daemonProcess) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends the daemon as a pod is ended.
func (p *daemonProcess) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	<-p.ended
	if code := p.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("the daemon ended with exit code %d", code)
	}
}

// address is where the daemon answers.
func (p *daemonProcess) address(from *int) string {
	p.t.Helper()
	var line struct{ Address string }
	if err := json.Unmarshal([]byte(p.await(from, "answering probes")), &line); err != nil {
		p.t.Fatal(err)
	}
	return "http://" + line.Address
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// awaitReason follows the looks of a daemon until one gives a reason, or does not give it
// any more, and returns what it says.
func awaitReason(t *testing.T, url string, code status.Code, there bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), daemonPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	var report status.Report
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if lines.Text() != "event: status" {
			continue
		}
		_, body := fetch(t, url+"/api/v1/status")
		report = status.Report{}
		if err := json.Unmarshal([]byte(body), &report); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		i := slices.IndexFunc(report.Reasons, func(r status.Reason) bool { return r.Code == code })
		switch {
		case i >= 0 && there:
			return report.Reasons[i].Text
		case i < 0 && !there:
			return ""
		}
	}
	t.Fatalf("that %s is there was never %t: %+v", code, there, report.Reasons)
	return ""
}

// daemonSources is a source of one bucket, and what follows the sources.
func daemonSources(t *testing.T, env *testbed.Env, bucket, rest string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{"access": env.S3AccessKey, "secret": env.S3SecretKey} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("$ENDPOINT", env.S3Endpoint, "$DIR", dir, "$BUCKET", bucket).Replace(
		`- {name: media, kind: buckets, endpoint: "$ENDPOINT", accessKey: "file:$DIR/access", secretKey: "file:$DIR/secret", buckets: [$BUCKET]}`) + rest
}

// TestDaemon runs every kind of job of a real deployment by schedule, shows how it
// fares, takes up a change of its configuration, and ends when it is told to.
func TestDaemon(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	bucket := env.NewBucket(t)
	config := setUp(t, daemonSources(t, env, bucket, `
copies: [{name: disk, url: `+t.TempDir()+`/copy}]
retention: {last: 100}
schedules:
- {name: media, cron: "@every 2s", sources: [media]}
- {name: prune, cron: "@every 3s", prune: true}
- {name: check, cron: "@every 3s", check: all}
- {name: copy, cron: "@every 3s", copy: disk}`))
	p := startDaemon(t, config, "--http", "127.0.0.1:0")
	from := 0
	url := p.address(&from)
	for _, schedule := range []string{"media", "prune", "check", "copy", "media"} {
		at := from
		p.await(&at, "run ended well", `"schedule":"`+schedule+`"`)
	}
	seen := 0
	p.await(&seen, "how things stand has changed", `"state":"warning"`) // there is a point, and no drill
	if status, body := fetch(t, url+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d: %s", status, body)
	}
	if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, `openim_dr_schedule_attempts_total{result="ok",schedule="media"}`) || !strings.Contains(body, "openim_dr_leader 1") || !strings.Contains(body, `openim_dr_source_newest_point_timestamp_seconds{source="media"}`) {
		t.Errorf("/metrics:\n%s", body)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(string(text) + "\n- {name: more, cron: never, prune: true}\n")
	p.await(&from, "the configuration is not right", "line ")
	if status, body := fetch(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "configuration: ") {
		t.Errorf("with a wrong configuration /readyz answers %d: %s", status, body)
	}
	if why := awaitReason(t, url, status.DaemonConfiguration, true); !strings.Contains(why, "line ") {
		t.Errorf("the status says of the configuration %q", why)
	}
	if _, page := fetch(t, url+"/"); !strings.Contains(page, ">configuration: ") || !strings.Contains(page, "<code>openim-dr config check</code>") {
		t.Errorf("the page does not say what is wrong with the configuration:\n%s", page)
	}
	rewrite(string(text) + "\n- {name: more, cron: \"@every 1s\", prune: true}\n")
	p.await(&from, "run ended well", `"schedule":"more"`)
	if status, body := fetch(t, url+"/readyz"); status != http.StatusOK {
		t.Errorf("after it was mended /readyz answers %d: %s", status, body)
	}
	awaitReason(t, url, status.DaemonConfiguration, false)
	p.stop()
	requireRunsTold(t, p.lines)
	requireOutput(t, " media ", "list", "--config", config)
	requireNothingDamaged(t, config)
}

// requireRunsTold: every line of a run says which run it is, those of the steps of a
// backup among them.
func requireRunsTold(t *testing.T, lines []string) {
	t.Helper()
	steps := map[string][]string{} // of runs of media
	for _, text := range lines {
		var line struct{ Msg, Schedule, Run string }
		if json.Unmarshal([]byte(text), &line) != nil || line.Schedule == "" {
			continue // the last one is the test's own
		}
		if line.Run == "" && !strings.Contains(line.Msg, "without a run") {
			t.Errorf("it does not say of which run it is: %s", text)
		}
		if line.Schedule == "media" {
			steps[line.Run] = append(steps[line.Run], line.Msg)
		}
	}
	for _, told := range steps {
		if slices.Contains(told, "schedule: run begins") && slices.Contains(told, "source captured") && slices.Contains(told, "point committed") && slices.Contains(told, "schedule: run ended well") {
			return
		}
	}
	t.Errorf("no run of media has all of its steps: %q", steps)
}

// requireNothingDamaged checks a repository in which a run may have been stopped: what
// that left behind is unreferenced, and nothing is worse.
func requireNothingDamaged(t *testing.T, config string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := newApp(strings.NewReader(""), &stdout, &stderr).execute([]string{"check", "--config", config, "-o", "json"})
	var found struct {
		Points   int
		Findings []struct{ Kind, File string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &found); err != nil || code != 0 || found.Points == 0 {
		t.Fatalf("check ends with exit code %d (%v):\n%s%s", code, err, &stdout, &stderr)
	}
	for _, f := range found.Findings {
		if f.Kind != "unreferenced" {
			t.Errorf("check finds %s %s", f.Kind, f.File)
		}
	}
}
