package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestDashboardShowsADaemon has a daemon do by schedule what a deployment has it do, a
// drill among it, and asks what the chart's dashboard asks, of what the daemon's metrics
// were before and after: Prometheus itself answers each question with numbers.
func TestDashboardShowsADaemon(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	schema := env.NewSchema(t)
	if _, err := env.OpenMySQL(t).ExecContext(t.Context(), "CREATE TABLE "+sqlName(schema)+".m (id INT PRIMARY KEY) AS SELECT 1 AS id"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "password"), env.MySQLPassword)
	config := setUp(t, daemonSources(t, env, env.NewBucket(t), strings.NewReplacer(
		"$DIR", dir, "$ADDRESS", env.MySQLAddress, "$USER", env.MySQLUser, "$SCHEMA", schema,
		"$MYSQL", env.MySQLImage, "$SEAWEEDFS", env.SeaweedFSImage, "$NOTIFICATIONS", newReceiver(t).configuration(t),
	).Replace(`
- {name: main, kind: mysql, address: "$ADDRESS", user: $USER, password: "file:$DIR/password", schemas: [$SCHEMA], accounts: none}
verify: {identity: "file:$DIR/operator.key", mysqlImage: "$MYSQL", seaweedfsImage: "$SEAWEEDFS"}
copies: [{name: disk, url: $DIR/copy}]
objectives: {rpo: 1h, rto: 1h}
$NOTIFICATIONS
schedules:
- {name: all, cron: "@every 2s", sources: [main, media]}
- {name: copy, cron: "@every 3s", copy: disk}
- {name: drill, cron: "@every 4s", verify: latest}`)))
	if err := os.Rename(filepath.Join(filepath.Dir(config), "operator.key"), filepath.Join(dir, "operator.key")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.Replace(string(text), "roles: [writer, ", "roles: [writer, drill, ", 1))

	p := startDaemon(t, config, "--http", "127.0.0.1:0")
	from := 0
	url := p.address(&from)
	scrape := func(name string) string {
		status, body := fetch(t, url+"/metrics")
		if status != http.StatusOK {
			t.Fatalf("/metrics answers %d: %s", status, body)
		}
		writeFile(t, filepath.Join(dir, name), body)
		return filepath.Join(dir, name)
	}
	p.await(&from, "run ended well", `"schedule":"all"`)
	before := scrape("before")
	for _, schedule := range []string{"copy", "drill"} {
		at := 0
		p.await(&at, "run ended well", `"schedule":"`+schedule+`"`)
	}
	awaitReason(t, url, status.ProofMissing, false)
	p.await(&from, "run ended well", `"schedule":"all"`)
	after := scrape("after")
	p.stop()

	ask := exec.CommandContext(t.Context(), "go", "run", "-C", "../../deploy/helm/alerts", "-trimpath", "./panels", "../openim-dr/files/dashboard.json", before, after)
	if answer, err := ask.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, answer)
	}
}
