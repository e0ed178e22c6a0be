package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// seeded is an OpenIM-like deployment on the real servers, with a
// configuration and keys, and no repository yet.
type seeded struct {
	env     *testbed.Env
	stores  seed.Stores
	size    seed.Size
	markers []string          // what must never stand anywhere in the clear
	dir     string            // keys, passwords and configuration
	config  string            // the configuration's text but for the repository's URL
	public  map[string]string // public halves of the keys, by kind
}

// seedDeployment fills all three stores. It is large enough that every phase
// of a run has several storage calls, and small enough to be run many times.
func seedDeployment(t *testing.T) *seeded {
	t.Helper()
	return seedDeploymentOf(t, seed.Size{Rows: 400, Objects: 40, Seed: 7, MaxObject: 32 << 10})
}

func seedDeploymentOf(t *testing.T, size seed.Size) *seeded {
	t.Helper()
	d := &seeded{env: testbed.Need(t), dir: t.TempDir(), size: size}
	d.stores = seed.Stores{
		DB: d.env.OpenMySQL(t), Schemas: seed.Schemas{Server: d.env.NewSchema(t), Chat: d.env.NewSchema(t)},
		S3: d.env.S3(t), Bucket: d.env.NewBucket(t), Kubernetes: d.env.Kubernetes(t),
	}
	for range seed.Namespaces() {
		d.stores.Namespaces = append(d.stores.Namespaces, d.env.NewNamespace(t))
	}
	rows, err := seed.MySQL(t.Context(), d.stores.DB, d.stores.Schemas, d.size)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := seed.Bucket(t.Context(), d.stores.S3, d.stores.Bucket, d.size)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := seed.Kubernetes(t.Context(), d.stores.Kubernetes, d.stores.Namespaces, d.size)
	if err != nil {
		t.Fatal(err)
	}
	d.markers = append(seed.Join(rows, objects, documents).Markers(), d.env.MySQLPassword, d.env.S3SecretKey)
	d.writeConfig(t)
	return d
}

func (d *seeded) writeConfig(t *testing.T) {
	t.Helper()
	d.public = map[string]string{}
	for _, kind := range []string{"operator", "catalog", "signing"} {
		var made struct{ Recipient, PublicKey string }
		d.run(t, "keygen", kind, "--out", filepath.Join(d.dir, kind+".key"), "-o", "json").ok(t).into(t, &made)
		d.public[kind] = made.Recipient + made.PublicKey
	}
	for name, value := range map[string]string{"mysql.password": d.env.MySQLPassword, "s3.access": d.env.S3AccessKey, "s3.secret": d.env.S3SecretKey} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.config = fmt.Sprintf(`instance: test
repository:
  url: %%s
  recipients: [%s]
  catalogIdentity: file:%s/catalog.key
  signingKey: file:%s/signing.key
  trustedSigners: [{key: %s, roles: [writer, operator]}]
  leaseLength: 3s
sources:
  - {name: main, kind: mysql, address: "%s", user: %s, password: "file:%s/mysql.password", schemas: [%s, %s], accounts: none}
  - {name: media, kind: buckets, endpoint: "%s", accessKey: "file:%s/s3.access", secretKey: "file:%s/s3.secret", buckets: [%s]}
  - {name: cluster, kind: kubernetes, kubeconfig: "%s", cluster: test, namespaces: [%s]}
`, d.public["operator"], d.dir, d.dir, d.public["signing"], d.env.MySQLAddress, d.env.MySQLUser,
		d.dir, d.stores.Schemas.Server, d.stores.Schemas.Chat, d.env.S3Endpoint, d.dir, d.dir, d.stores.Bucket,
		d.env.Kubeconfig, strings.Join(d.stores.Namespaces, ", "))
}

// repository creates an empty repository in a new directory and returns the
// directory and the configuration that names it.
func (d *seeded) repository(t *testing.T) (dir, config string) {
	t.Helper()
	return d.repositoryThat(t, func(outcome) {})
}

// repositoryThat also shows what init printed, as JSON.
func (d *seeded) repositoryThat(t *testing.T, printed func(outcome)) (dir, config string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "repository")
	config = filepath.Join(filepath.Dir(dir), "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, d.config, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	printed(d.run(t, "init", "--config", config, "-o", "json").ok(t))
	return dir, config
}

// outcome is how a command ended.
type outcome struct {
	command        string
	code           int
	stdout, stderr string
}

// run runs openim-dr in the test's own process, where the race detector is.
func (d *seeded) run(t *testing.T, args ...string) outcome {
	t.Helper()
	got, _ := d.runOver(t, faulty.Plan{}, args...)
	return got
}

// runOver runs openim-dr over a storage in which calls go wrong, and returns
// all calls that were made.
func (d *seeded) runOver(t *testing.T, plan faulty.Plan, args ...string) (outcome, []faulty.Call) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := newApp(strings.NewReader(""), &stdout, &stderr)
	var store *faulty.Store
	a.wrap = func(s storage.Storage) storage.Storage {
		store = faulty.New(s, plan)
		return store
	}
	code := a.execute(append(args, "--no-progress"))
	var calls []faulty.Call
	if store != nil {
		calls = store.Calls()
	}
	return outcome{strings.Join(args, " "), code, stdout.String(), stderr.String()}, calls
}

// ok requires success.
func (o outcome) ok(t *testing.T) outcome {
	t.Helper()
	if o.code != 0 {
		t.Fatalf("openim-dr %s: exit code %d; stdout:\n%s\nstderr:\n%s", o.command, o.code, o.stdout, o.stderr)
	}
	return o
}

// into reads the JSON that was printed.
func (o outcome) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(o.stdout), v); err != nil {
		t.Fatalf("openim-dr %s printed no JSON: %v\n%s", o.command, err, o.stdout)
	}
}

// points lists the points of a repository and requires that each is complete
// and that all of its files are there and right.
func (d *seeded) points(t *testing.T, config string) []string {
	t.Helper()
	var listed []struct {
		ID       string
		Complete bool
	}
	d.run(t, "list", "--all", "--config", config, "-o", "json").ok(t).into(t, &listed)
	ids := make([]string, 0, len(listed))
	for _, p := range listed {
		if !p.Complete {
			t.Errorf("list shows point %s, which is not complete", p.ID)
		}
		d.run(t, "show", p.ID, "--files", "--config", config).ok(t)
		ids = append(ids, p.ID)
	}
	return ids
}
