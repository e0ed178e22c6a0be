package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/status"
)

// The state and why come first on the page.
func TestStatusPageBeginsWithTheState(t *testing.T) {
	for _, r := range []*status.Report{
		{State: status.OK},
		{State: status.Critical, Reasons: []status.Reason{{Severity: status.Critical, Text: "source main has no restorable point"}}},
	} {
		var p page
		writeStatus(&p, r)
		if !strings.HasPrefix(p.String(), r.State+": ") {
			t.Errorf("%s: the page begins with %q", r.State, p.String())
		}
	}
}

// A watch looks at once and every ten seconds, shows what could not be had too, and
// ends when it is interrupted.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*watchInterval-time.Second)
		defer cancel()
		var screen bytes.Buffer
		a := newApp(strings.NewReader(""), &screen, io.Discard)
		began, looks := time.Now(), []time.Duration{}
		repeat(ctx, watchInterval, func() {
			looks = append(looks, time.Since(began))
			if len(looks) == 2 {
				a.redraw(nil, errors.New("the network\nis down"))
				return
			}
			a.redraw(&status.Report{State: status.OK}, nil)
		})
		if want := []time.Duration{0, watchInterval, 2 * watchInterval}; !slices.Equal(looks, want) {
			t.Errorf("looked after %v, want %v", looks, want)
		}
		screens := strings.Split(screen.String(), "\x1b[H\x1b[2J")
		for i, want := range []string{"", "ok: every source", "unknown: the network is down\n", "ok: every source"} {
			if !strings.HasPrefix(screens[i], want) {
				t.Errorf("screen %d begins with %q, want %q", i, screens[i], want)
			}
		}
	})
}

// What is stored is counted anew when the last count is an hour old.
func TestCountsAreKeptForAnHour(t *testing.T) {
	f := repotest.New(t)
	repo := f.Open(t)
	o := newObserver(nil, nil, false)
	count := func() int64 {
		t.Helper()
		s, err := o.count(t.Context(), "here", repo)
		if err != nil {
			t.Fatal(err)
		}
		return s.Files
	}
	before := count()
	if _, err := f.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
		t.Fatal(err)
	}
	if again := count(); again != before {
		t.Errorf("%d files, before %d: it was counted again at once", again, before)
	}
	old := o.counts["here"]
	old.At = old.At.Add(-countInterval)
	o.counts["here"] = old
	if after := count(); after <= before {
		t.Errorf("%d files, before %d: it was not counted again", after, before)
	}
}

// On a terminal a watch is drawn until Ctrl-C, which is its proper end.
func TestWatchOnATerminal(t *testing.T) {
	points := pointsWithoutServers(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := os.Expand(`instance: $INSTANCE
repository:
  url: $REPO
  recipients: [$RECIPIENT]
  catalogIdentity: file:catalog.key
  signingKey: file:$SIGNING_KEY
  trustedSigners: [{key: $TRUST, roles: [writer, operator]}]
sources: [{name: main, kind: mysql, address: "127.0.0.1:1", user: nobody, schemas: [a]}]
`, func(name string) string { return points[name] })
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "status", "--watch", "--config", file}
	screen := startOnTerminal(t, cmd)
	screen.converse(t, 0, prompt("warning: no drill has shown that source main comes back", ""), prompt("again every 10s; Ctrl-C ends it", ctrlC))
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
