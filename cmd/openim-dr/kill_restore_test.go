package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// restorePhases are what a restore's storage calls are about.
var restorePhases = []string{"begin", "journal", "rows", "index", "packs", "documents"}

func restorePhase(c faulty.Call) string {
	elements := strings.Split(c.Name, "/")
	switch {
	case c.Kind == faulty.Stat: // while it is planned
		return "begin"
	case elements[0] == "packs", elements[0] == "index":
		return elements[0]
	case elements[0] == "restores":
		return "journal"
	case strings.Contains(c.Name, ".tsv"):
		return "rows"
	case len(elements) > 3 && elements[2] == "cluster":
		return "documents"
	default:
		return "begin"
	}
}

// killedRestores is a deployment whose restores are killed.
type killedRestores struct {
	*seeded
	config       string
	dir          string // of the repository
	mysql, media *network.Network
	calls        []faulty.Call
	bytes        int64 // that a whole restore sends

	mu   sync.Mutex
	hit  map[string]int
	sent []float64 // by all processes of a restore, as a share of bytes
}

// TestKilledRestore kills restores with SIGKILL at moments spread evenly over
// the storage calls of one that was not killed, and resumes each: it ends equal,
// and little is sent to the servers a second time.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	k := newKilledRestores(t)
	random := rand.New(rand.NewPCG(2, uint64(len(k.calls))))
	for i := range kills() {
		at := 1 + (i*len(k.calls)+random.IntN(len(k.calls)))/kills()
		t.Run("ahead of "+strconv.Itoa(at), func(t *testing.T) { k.killAndResume(t, strconv.Itoa(at)) })
	}
	for _, p := range restorePhases { // a phase of few calls may have been missed
		if k.hit[p] == 0 {
			t.Run("ahead of "+p, func(t *testing.T) { k.killAndResume(t, p) })
		}
	}
	t.Run("ahead of the last word", func(t *testing.T) { k.killAndResume(t, k.lastRecord()) })
	worst, sum := 0.0, 0.0
	for _, share := range k.sent {
		worst, sum = max(worst, share-1), sum+share-1
	}
	mean := sum / float64(len(k.sent))
	t.Logf("of %d storage calls, killed ahead of %v; sent again of %d bytes: %.1f %% on average, %.1f %% at most", len(k.calls), k.hit, k.bytes, 100*mean, 100*worst)
	if mean > 0.05 {
		t.Errorf("%.1f %% of all bytes were sent again on average, want at most 5 %%", 100*mean)
	}
	for _, p := range restorePhases {
		if k.hit[p] == 0 {
			t.Errorf("no kill hit the phase %q: %v", p, k.hit)
		}
	}
}

// lastRecord is the name of the journal's last record.
func (k *killedRestores) lastRecord() string {
	last := ""
	for _, c := range k.calls {
		if _, n, ok := repository.RestoreOf(c.Name); ok {
			last = max(last, fmt.Sprintf("%012d", n))
		}
	}
	return last
}

func newKilledRestores(t *testing.T) *killedRestores {
	t.Helper()
	k := &killedRestores{seeded: seedDeploymentOf(t, seed.Size{Rows: 20000, Objects: 60, Seed: 7, MaxObject: 512 << 10}), hit: map[string]int{}}
	k.mysql = network.New(t, k.env.MySQLAddress, "upstream", network.None, 0)
	k.media = network.New(t, strings.TrimPrefix(k.env.S3Endpoint, "http://"), "upstream", network.None, 0)
	k.dir, k.config = k.repository(t)
	text, err := os.ReadFile(k.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(k.env.MySQLAddress, k.mysql.Address(), k.env.S3Endpoint, "http://"+k.media.Address(),
		"accounts: none", "accounts: none, chunkSize: 64KiB").Replace(string(text))
	if err := os.WriteFile(k.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	k.run(t, "backup", "--config", k.config).ok(t)
	before := k.passed()
	got, calls := k.runOver(t, faulty.Plan{}, append([]string{"restore"}, k.order(t)...)...)
	got.ok(t)
	k.calls, k.bytes = calls, k.passed()-before
	return k
}

func (k *killedRestores) passed() int64 { return k.mysql.Passed() + k.media.Passed() }

// order restores everything under new names.
func (k *killedRestores) order(t *testing.T) []string {
	t.Helper()
	args := []string{"--config", k.config, "--identity", filepath.Join(k.seeded.dir, "operator.key"), "-o", "json"}
	rename := func(source, old, renamed string) { args = append(args, "--rename", source+"/"+old+"="+renamed) }
	rename("main", k.stores.Schemas.Server, k.env.NewSchema(t))
	rename("main", k.stores.Schemas.Chat, k.env.NewSchema(t))
	rename("media", k.stores.Bucket, k.env.NewBucket(t))
	for _, namespace := range k.stores.Namespaces {
		rename("cluster", namespace, k.env.NewNamespace(t))
	}
	return args
}

// killAndResume kills one restore, and goes on with it.
func (k *killedRestores) killAndResume(t *testing.T, at string) {
	order, before := k.order(t), k.passed()
	known := k.restores(t)
	ahead, code, stderr := killed(t, at, append([]string{"restore"}, order...)...)
	if code != -1 && code != 0 { // two runs differ by a few calls, so the last one may not come
		t.Fatalf("exit code %d, want death by a signal; stderr:\n%s", code, stderr)
	}
	var result struct{ Equal, Resumable bool }
	begun := k.restores(t)
	for id := range known {
		delete(begun, id)
	}
	again := append([]string{"restore"}, order...) // it had not begun
	for id := range begun {
		again = []string{"restore", "--resume", id, "--config", k.config, "--identity", filepath.Join(k.seeded.dir, "operator.key"), "-o", "json"}
	}
	if code == -1 {
		k.run(t, again...).ok(t).into(t, &result)
		if !result.Equal || result.Resumable {
			t.Errorf("killed ahead of %v and resumed: %+v", ahead, result)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hit[restorePhase(ahead)]++
	k.sent = append(k.sent, float64(k.passed()-before)/float64(k.bytes))
}

// restores lists the restores that the repository has a journal of.
func (k *killedRestores) restores(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(k.dir, "restores"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(fmt.Errorf("list journals: %w", err))
	}
	ids := map[string]bool{}
	for _, e := range entries {
		ids[e.Name()] = true
	}
	return ids
}

// Ctrl-C ends a restore cleanly, with the command that goes on.
func TestInterruptedRestore(t *testing.T) {
	t.Setenv(interruptVariable, "yes")
	i := newIncident(t)
	i.exec(t, "DROP DATABASE "+i.stores.Schemas.Server, "DROP DATABASE "+i.stores.Schemas.Chat)
	identity := filepath.Join(i.seeded.dir, "operator.key")
	_, code, stderr := killed(t, "rows", "restore", "--config", i.config, "--identity", identity, "--source", "main")
	_, hint, _ := strings.Cut(stderr, "hint: openim-dr ")
	if code != 1 || !strings.Contains(stderr, "it was stopped") || !strings.HasPrefix(hint, "restore --resume ") {
		t.Fatalf("exit code %d; stderr:\n%s", code, stderr)
	}
	i.run(t, strings.Fields(hint)...).ok(t)
	i.requireBefore(t)
}
