package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestRunbookOnAnEmptyMachine has a page written without a configuration, from
// the bucket in which the repository is, and types what it says into a file as
// the page itself proposes: everything is filled in by hand. Accounts come
// back, and keys that only some servers hold.
func TestRunbookOnAnEmptyMachine(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	source, target := env.StartMySQL(t), env.StartMySQL(t)
	addAccounts(t, source)
	client := env.S3At(t, env.VersitygwEndpoint)
	bucket, empty := testbed.NewBucketAt(t, client), testbed.NewBucketAt(t, client)
	putOddKeys(t, client, bucket)

	keys, work := newKeys(t), t.TempDir()
	files := map[string]string{
		"source.password": source.Password, "target.password": target.Password,
		"s3.access": env.S3AccessKey, "s3.secret": env.S3SecretKey,
	}
	for name, content := range files {
		writeFile(t, filepath.Join(keys.dir, name), content)
	}
	url := "gs://" + env.NewGCSBucket(t) + "/a b/point+s"
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, fmt.Sprintf(`instance: test
repository: {url: "%s", recipients: [%s], catalogIdentity: "file:%s/catalog.key", signingKey: "file:%[3]s/signing.key", trustedSigners: [{key: %s, roles: [writer, operator]}]}
sources:
  - {name: data-base, kind: mysql, address: "%s", user: root, password: "file:%[3]s/source.password", schemas: [shop], excludeAccounts: ["root@*"]}
  - {name: media, kind: buckets, endpoint: "%[6]s", accessKey: "file:%[3]s/s3.access", secretKey: "file:%[3]s/s3.secret", buckets: [%[7]s]}
`, url, keys.operator, keys.dir, keys.signing, source.Address, env.VersitygwEndpoint, bucket))
	run := func(args ...string) string {
		return runProcess(t, []string{"STORAGE_EMULATOR_HOST=" + env.StorageEmulatorHost}, args...)
	}
	run("init", "--config", config)
	run("backup", "--config", config)
	page := run("runbook", "latest", "--repository", url, "--trust", keys.signing)

	writeFile(t, filepath.Join(work, "PAGE.md"), page)
	host, port, err := net.SplitHostPort(target.Address)
	if err != nil {
		t.Fatal(err)
	}
	filled := map[string]string{
		"IDENTITY": keys.dir + "/operator.key", "FETCH_WITH": "curl", "GCS": strings.Replace(pageVariable(t, page, "GCS"), "https://storage.googleapis.com", env.StorageEmulatorHost, 1),
		"DATA_BASE_HOST": host, "DATA_BASE_PORT": port, "DATA_BASE_USER": "root", "DATA_BASE_PASSWORD_FILE": keys.dir + "/target.password",
		"MEDIA_ENDPOINT": env.VersitygwEndpoint, "MEDIA_ACCESS_KEY_FILE": keys.dir + "/s3.access", "MEDIA_SECRET_KEY_FILE": keys.dir + "/s3.secret", "MEDIA_BUCKET_1": empty,
	}
	script := scriptOfPage(t, page)
	for name, value := range filled {
		script += fmt.Sprintf("sed -i %s page.sh\n", shellQuote("s|^"+name+"=.*|"+name+"='"+value+"'|"))
	}
	out, err := env.RunTools(t, work, []string{keys.dir}, script+"sh -e page.sh\n")
	if err != nil || strings.Contains(out, "STOP") || !strings.Contains(out, "OK: block 5:") {
		t.Fatalf("the page ended with %v, and printed:\n%s", err, out)
	}
	requireSame(t, "schema", schemaState(t, source.Open(t), "shop"), schemaState(t, target.Open(t), "shop"))
	requireSame(t, "accounts", accountState(t, source.Open(t)), accountState(t, target.Open(t)))
	requireSame(t, "bucket", bucketState(t, client, bucket), bucketState(t, client, empty))
}

// scriptOfPage is the command by which the page says that it becomes a script.
func scriptOfPage(t *testing.T, page string) string {
	t.Helper()
	_, rest, _ := strings.Cut(page, "````sed -n ")
	command, _, found := strings.Cut(rest, "````")
	if !found {
		t.Fatalf("the page does not say how it becomes a script:\n%.2000s", page)
	}
	return "sed -n " + command + "\n"
}

func pageVariable(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, _ := strings.Cut(page, "\n"+name+"='")
	value, _, found := strings.Cut(rest, "'")
	if !found {
		t.Fatalf("the page has no %s", name)
	}
	return value
}

// addAccounts makes a schema with one table, users of several kinds and a role.
func addAccounts(t *testing.T, server *testbed.MySQL) {
	t.Helper()
	db := server.Open(t)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.goods (id int PRIMARY KEY, name varchar(20))", "INSERT INTO shop.goods VALUES (1, 'tea'), (2, NULL)",
		"CREATE VIEW shop.names AS SELECT name FROM shop.goods",
		"CREATE ROLE reader", "GRANT SELECT ON shop.* TO reader",
		`CREATE USER 'it''s "me"'@'%' IDENTIFIED BY 'a''b\\c'`, "CREATE USER app@`10.0.0.%` IDENTIFIED BY 'x' REQUIRE SSL",
		`GRANT reader TO 'it''s "me"'@'%'`, `SET DEFAULT ROLE reader TO 'it''s "me"'@'%'`, "GRANT INSERT (name) ON shop.goods TO app@`10.0.0.%`",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v: %s", err, statement)
		}
	}
}

// accountState is what the server says of all accounts that are not its own.
func accountState(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, account := range oneColumn(t, db, "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user NOT IN ('root', 'mysql.sys', 'mysql.session', 'mysql.infoschema')") {
		state[account] = strings.Join(slices.Concat(oneColumn(t, db, "SHOW CREATE USER "+account), oneColumn(t, db, "SHOW GRANTS FOR "+account)), "; ")
	}
	return state
}

func oneColumn(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// putOddKeys uploads objects under keys that a server holds which keeps them as
// files.
func putOddKeys(t *testing.T, client *s3.Client, bucket string) {
	t.Helper()
	for _, key := range []string{"dir/", "line\nfeed", "delete\x7f", " blanks ", "a+b", "%41", "-o", "ü/ü", "c:\\d", "&lt;&amp;'\""} {
		body := key
		if strings.HasSuffix(key, "/") {
			body = ""
		}
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body), ContentType: aws.String("text/x-odd"), Metadata: map[string]string{"n": "ü"}})
		if err != nil {
			t.Fatalf("put %q: %v", key, err)
		}
	}
}

// someKeys are one of every use, with the public halves of two.
type someKeys struct{ dir, operator, signing string }

func newKeys(t *testing.T) someKeys {
	t.Helper()
	d := &seeded{dir: t.TempDir()}
	public := map[string]string{}
	for _, kind := range []string{"operator", "catalog", "signing"} {
		var made struct{ Recipient, PublicKey string }
		d.run(t, "keygen", kind, "--out", filepath.Join(d.dir, kind+".key"), "-o", "json").ok(t).into(t, &made)
		public[kind] = made.Recipient + made.PublicKey
	}
	return someKeys{d.dir, public["operator"], public["signing"]}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runProcess runs openim-dr in a process of its own, with an environment of its
// own, and returns what it printed.
func runProcess(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Args = append([]string{"openim-dr"}, append(args, "--no-progress")...) // TestMain knows it by its name
	cmd.Env = append(os.Environ(), environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("openim-dr %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String()
}
