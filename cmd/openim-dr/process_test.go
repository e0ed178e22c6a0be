package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSignalEndsTheCommand stops a backup that waits for a server which never
// answers (invariant 9).
func TestSignalEndsTheCommand(t *testing.T) {
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			config := setUpRepository(t, silentServer(t))
			code, log := whileBackupRuns(t, config, func(backup *os.Process) {
				if err := backup.Signal(signal); err != nil {
					t.Fatal(err)
				}
			})
			if code != 1 || !strings.Contains(log, "error: backup: it was stopped: ") {
				t.Errorf("exit code %d, want 1; stderr:\n%s", code, log)
			}
			requireOutput(t, "no points", "list", "--config", config)
		})
	}
}

// TestASilentStorageIsTold: who waits for it learns that before it is given up.
func TestASilentStorageIsTold(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "list", "--repository", "s3://backups/prod?endpoint=http://" + silentServer(t)}
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stderr)
	if !said.Scan() || !strings.Contains(said.Text(), "storage does not answer, and is tried further") || !strings.Contains(said.Text(), "s3://backups/prod") {
		t.Errorf("it says %q", said.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// TestHooksLearnOfASignal: whoever is paged when a backup fails is paged when it
// was stopped.
func TestHooksLearnOfASignal(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	config := setUp(t, `- {name: media, kind: buckets, endpoint: "http://`+silentServer(t)+`", buckets: [openim]}
hooks:
- {on: failure, for: [backup], command: [sh, -c, 'echo "$OPENIM_DR_EVENT $OPENIM_DR_VERB $OPENIM_DR_RESULT $OPENIM_DR_EXIT_CODE $OPENIM_DR_STREAM: $OPENIM_DR_ERROR" > "$0"', "`+told+`"]}
- {on: success, command: ["false"]}`)
	code, log := whileBackupRuns(t, config, func(backup *os.Process) {
		if err := backup.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	})
	data, err := os.ReadFile(told)
	want := "failure backup stopped 1 manual: backup: it was stopped: "
	if code != 1 || err != nil || !strings.HasPrefix(string(data), want) {
		t.Errorf("exit code %d; the hook was told %q (%v), want %q; stderr:\n%s", code, data, err, want, log)
	}
}

// TestSecondBackupIsBusy starts one beside another of the same stream
// (invariant 8).
func TestSecondBackupIsBusy(t *testing.T) {
	config := setUpRepository(t, silentServer(t))
	whileBackupRuns(t, config, func(backup *os.Process) {
		var stdout, stderr bytes.Buffer
		if code := newApp(strings.NewReader(""), &stdout, &stderr).execute([]string{"backup", "--config", config}); code != 5 {
			t.Errorf("exit code %d, want 5; stderr:\n%s", code, &stderr)
		}
		if err := backup.Kill(); err != nil {
			t.Fatal(err)
		}
	})
}

// whileBackupRuns starts a backup of its own process, calls fn once it is
// under way, and returns how it ended.
func whileBackupRuns(t *testing.T, config string, fn func(backup *os.Process)) (code int, log string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "backup", "--config", config, "--no-progress"} // TestMain knows it by its name
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var read strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		read.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "source begun") {
			fn(cmd.Process)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("the backup ended with %v", err)
		return 0, read.String()
	}
	return exit.ExitCode(), read.String()
}

// silentServer accepts connections and never says a word.
func silentServer(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) // connections are closed with the process
	return listener.Addr().String()
}

// setUpRepository makes keys, a configuration with one source, and the
// repository, and returns the configuration's path.
func setUpRepository(t *testing.T, address string) string {
	t.Helper()
	return setUp(t, `- {name: media, kind: buckets, endpoint: "http://`+address+`", buckets: [openim]}`)
}

// setUp does the same with other sources, and whatever else follows them.
func setUp(t *testing.T, sources string) (config string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	operator, private, err := makeKey("operator", false)
	if err != nil {
		t.Fatal(err)
	}
	_, catalog, err := makeKey("catalog", false)
	if err != nil {
		t.Fatal(err)
	}
	signer, signing, err := makeKey("signing", false)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("$DIR", dir, "$OPERATOR", operator.Recipient, "$SIGNER", signer.PublicKey).Replace(`
instance: test
repository:
  url: $DIR/repo
  recipients: [$OPERATOR]
  catalogIdentity: file:$DIR/catalog.key
  signingKey: file:$DIR/signing.key
  leaseLength: 1s
  trustedSigners: [{key: $SIGNER, roles: [writer, operator]}]
sources:
`) + sources + "\n"
	for name, content := range map[string][]byte{"operator.key": private, "catalog.key": catalog, "signing.key": signing, "config.yaml": []byte(text)} {
		if err := os.WriteFile(at(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	requireOutput(t, "RECOVERY KIT", "init", "--config", at("config.yaml"))
	return at("config.yaml")
}

func requireOutput(t *testing.T, want string, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := newApp(strings.NewReader(""), &stdout, &stderr).execute(args); code != 0 || !strings.Contains(stdout.String(), want) {
		t.Fatalf("openim-dr %s: exit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
}
