package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// TestDaemonsTakeOver suspends and kills the daemon that leads, of three: another one
// goes on, what wakes up does no harm, and nothing is run twice (invariant 8).
func TestDaemonsTakeOver(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	elections := map[string]string{
		"repository": "daemon: {election: repository}",
		"kubernetes": "daemon: {election: kubernetes, lease: {kubeconfig: " + env.Kubeconfig + ", namespace: " + env.NewNamespace(t) + ", length: 9s}}",
	}
	for name, election := range elections {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := setUp(t, daemonSources(t, env, env.NewBucket(t), "\n"+election+`
schedules:
- {name: media, cron: "@every 1s", sources: [media]}`))
			first := startDaemon(t, config)
			at := 0
			first.await(&at, "run is noted")
			others := startFollowers(t, config)
			second := whoever(t, others, "run is noted", func() { first.signal(syscall.SIGSTOP) })
			first.signal(syscall.SIGCONT)
			first.await(&at, "does not lead")
			rest := slices.DeleteFunc(append(others, first), func(p *daemonProcess) bool { return p == second })
			whoever(t, rest, "run is noted", func() {
				second.signal(syscall.SIGKILL)
				<-second.ended
			})
			for _, p := range rest {
				p.stop()
			}
			requireNoneTwice(t, filepath.Join(filepath.Dir(config), "repo", "schedules", "test@media"))
		})
	}
}

// TestDaemonCutOffFromTheCluster parts the leader of three from the API server, and from
// nothing else: it could still write to the repository, and does not; another one goes on,
// and once it is connected again it stands by.
func TestDaemonCutOffFromTheCluster(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	kubeconfig, err := os.ReadFile(env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`https://([0-9.]+:[0-9]+)`).FindStringSubmatch(string(kubeconfig))
	if server == nil {
		t.Fatalf("%s names no server", env.Kubeconfig)
	}
	way := network.New(t, server[1], "upstream", network.StallAll, math.MaxInt64)
	parted := filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, parted, strings.ReplaceAll(string(kubeconfig), server[1], way.Address()))

	config := setUp(t, daemonSources(t, env, env.NewBucket(t), "\ndaemon: {election: kubernetes, lease: {kubeconfig: "+env.Kubeconfig+", namespace: "+env.NewNamespace(t)+`, length: 9s}}
schedules:
- {name: media, cron: "@every 1s", sources: [media]}`))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	ofFirst := filepath.Join(filepath.Dir(config), "first.yaml")
	writeFile(t, ofFirst, strings.Replace(string(text), env.Kubeconfig, parted, 1))
	first := startDaemon(t, ofFirst)
	at := 0
	first.await(&at, "run is noted")
	others := startFollowers(t, config)
	whoever(t, others, "run is noted", func() {
		way.Rearm(1)
		first.await(&at, "does not lead")
	})
	for _, direction := range []string{"upstream", "downstream"} {
		way.Remove(t, "timeout_"+direction)
	}
	first.await(&at, "another daemon leads")
	for _, p := range append(others, first) {
		p.stop()
	}
	requireNoneTwice(t, filepath.Join(filepath.Dir(config), "repo", "schedules", "test@media"))
}

// startFollowers starts two daemons beside one that leads.
func startFollowers(t *testing.T, config string) []*daemonProcess {
	t.Helper()
	all := []*daemonProcess{startDaemon(t, config), startDaemon(t, config)}
	for _, p := range all {
		at := 0
		p.await(&at, "another daemon leads")
	}
	return all
}

// requireNoneTwice reads how runs of a schedule ended.
func requireNoneTwice(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d runs are noted (%v)", len(files), err)
	}
	due := map[time.Time]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var run repository.ScheduleRun
		if err := json.Unmarshal(data, &run); err != nil {
			t.Fatal(err)
		}
		if due[run.Due] {
			t.Errorf("%s is a second run for %s", file, run.Due)
		}
		due[run.Due] = true
	}
}
