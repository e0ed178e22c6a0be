package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// mostResident is what was promised of a daemon that waits for its next run.
const mostResident = 40 << 20

// idle is a configuration with a source of each kind, of which nothing is due for years.
const idle = `
instance: idle
repository:
  url: $DIR/repository
  recipients: [$OPERATOR]
  catalogIdentity: file:$DIR/catalog.key
  signingKey: file:$DIR/signing.key
  trustedSigners: [{key: $SIGNER, roles: [writer, operator, pruner]}]
sources:
- {name: main, kind: mysql, address: "$MYSQL", user: $USER, password: "env:MYSQL_PASSWORD", schemas: ["*"]}
- {name: media, kind: buckets, endpoint: "$S3", accessKey: "env:S3_ACCESS_KEY", secretKey: "env:S3_SECRET_KEY", buckets: [$BUCKET]}
- {name: cluster, kind: kubernetes, kubeconfig: $KUBECONFIG, namespaces: [default]}
retention: {last: 10}
objectives: {rpo: 1h, rto: 30m}
schedules:
- {name: nightly, cron: "CRON_TZ=Asia/Shanghai 0 2 29 2 *", sources: [main, media, cluster]}
- {name: hourly, cron: "7 * 29 2 *", sources: [main]}
- {name: prune, cron: "0 6 29 2 *", prune: true}
- {name: check, cron: "0 7 29 2 *", check: 1/30}
`

// isSmallWhenIdle runs the program of the image as a daemon, lets it look at everything
// and be looked at, and asks the kernel what it has in memory. Of the program's file that
// is the pages that it has used since it let go of those of its start, and some around
// each: as many on an idle machine as on a busy one, and fewer where they had to be read.
func (m *made) isSmallWhenIdle(t *testing.T) {
	env, dir := testbed.Need(t), t.TempDir()
	program := filepath.Join(m.dir, "linux-"+runtime.GOARCH, "openim-dr")
	public := map[string]string{}
	for _, kind := range []string{"operator", "catalog", "signing"} {
		var key struct{ Recipient, PublicKey string }
		decode(t, []byte(run(t, program, "keygen", kind, "--out", filepath.Join(dir, kind+".key"), "-o", "json")), &key)
		public[kind] = key.Recipient + key.PublicKey
	}
	config := filepath.Join(dir, "config.yaml")
	text := strings.NewReplacer("$DIR", dir, "$OPERATOR", public["operator"], "$SIGNER", public["signing"], "$MYSQL", env.MySQLAddress, "$USER", env.MySQLUser,
		"$S3", env.S3Endpoint, "$BUCKET", env.S3Bucket, "$KUBECONFIG", env.Kubeconfig).Replace(idle)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, program, "init", "--config", config)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	daemon := exec.CommandContext(ctx, program, "run", "--config", config, "--http", "127.0.0.1:0")
	daemon.Env = append(os.Environ(), "MYSQL_PASSWORD="+env.MySQLPassword, "S3_ACCESS_KEY="+env.S3AccessKey, "S3_SECRET_KEY="+env.S3SecretKey)
	stderr, err := daemon.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	var listening struct{ Address string }
	decode(t, lineWith(t, log, "answering probes"), &listening)
	lineWith(t, log, "how things stand has changed")
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/readyz"} {
		visit(ctx, t, "http://"+listening.Address+path)
	}
	resident := residentOf(t, daemon.Process.Pid)
	t.Logf("in memory are %d KiB", resident>>10)
	if resident > mostResident {
		t.Errorf("the daemon has %d KiB in memory, want %d at most", resident>>10, mostResident>>10)
	}
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for log.Scan() {
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

// lineWith reads a log up to a line that holds a text.
func lineWith(t *testing.T, log *bufio.Scanner, text string) []byte {
	t.Helper()
	var before strings.Builder
	for log.Scan() {
		if strings.Contains(log.Text(), text) {
			return log.Bytes()
		}
		before.WriteString(log.Text() + "\n")
	}
	t.Fatalf("the daemon ended (%v) and never said %q:\n%s", log.Err(), text, &before)
	return nil
}

func visit(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s answers %d (%v)", url, answer.StatusCode, err)
	}
}

// residentOf is what a process has in memory, in bytes: of its own, of files, and shared.
func residentOf(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && strings.HasPrefix(fields[0], "Rss") {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(strings.Join(fields, " "))
			bytes += kib << 10
		}
	}
	if bytes == 0 {
		t.Fatalf("the kernel does not say what is in memory:\n%s", text)
	}
	return bytes
}
