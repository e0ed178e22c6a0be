package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// stockPrograms are all that restoring by hand may use.
var stockPrograms = []string{
	"sh", "age", "minisign", "zstd", "tar", "mysql", "sha256sum",
	"awk", "sed", "grep", "cut", "cat", "basename", "mkdir", "printf",
}

// TestStockTools does to the letter what docs/RUNBOOK.md says about restoring
// by hand, with a PATH that holds nothing but the programs it names: one table
// and one object of a point come back without openim-dr.
func TestStockTools(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	compressed, raw := d.someObjects(t)
	repository, config := d.repository(t)
	d.run(t, "backup", "--config", config).ok(t)
	point := d.points(t, config)[0]
	schema, table := d.stores.Schemas.Server, "chat_logs"
	want := d.checksum(t, schema, table)
	if _, err := d.stores.DB.ExecContext(t.Context(), "DROP DATABASE "+schema); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{compressed, raw} {
		work := t.TempDir()
		d.byHand(t, work, map[string]string{
			"REPO": repository, "POINT": point, "IDENTITY": filepath.Join(d.dir, "operator.key"),
			"SIGNER": d.public["signing"], "RECIPIENT": d.public["operator"],
			"SCHEMA": schema, "TABLE": table, "BUCKET": d.stores.Bucket, "KEY": key,
		})
		if got := d.checksum(t, schema, table); got != want {
			t.Errorf("table %s.%s: %s, want %s", schema, table, got, want)
		}
		object, err := os.ReadFile(filepath.Join(work, "object"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sha256.Sum256(object), d.objectSum(t, key); hex.EncodeToString(got[:]) != want {
			t.Errorf("object %s: SHA-256 %x, want %s", key, got, want)
		}
		if _, err := d.stores.DB.ExecContext(t.Context(), "DROP DATABASE "+schema); err != nil {
			t.Fatal(err)
		}
	}
}

// byHand runs the runbook's commands but for the first block, whose variables
// are given here.
func (d *seeded) byHand(t *testing.T, work string, variables map[string]string) {
	t.Helper()
	script := strings.Join(shellBlocks(t)[1:], "\n")
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	cmd.Dir = work
	cmd.Env = []string{"PATH=" + onlyStock(t), "HOME=" + d.clientHome(t), "LC_ALL=C.UTF-8"}
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "Warning") {
		t.Errorf("the mysql client warned:\n%s", out)
	}
}

// shellBlocks returns the blocks marked sh below "By hand".
func shellBlocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	_, byHand, found := strings.Cut(string(text), "\n## By hand\n")
	parts := strings.Split(byHand, "\n```sh\n")
	if !found || len(parts) < 5 {
		t.Fatalf("the runbook has %d blocks below By hand, want more", len(parts)-1)
	}
	var blocks []string
	for _, part := range parts[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}

// onlyStock makes a directory of links to the stock programs.
func onlyStock(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range stockPrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: the testbed installs it", err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// clientHome makes a home whose .my.cnf leads the mysql client to the testbed.
func (d *seeded) clientHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(d.env.MySQLAddress)
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("[client]\nprotocol=tcp\nhost=%s\nport=%s\nuser=%s\npassword=%s\n", host, port, d.env.MySQLUser, d.env.MySQLPassword)
	if err := os.WriteFile(filepath.Join(dir, ".my.cnf"), []byte(options), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checksum is what the server itself says of a table.
func (d *seeded) checksum(t *testing.T, schema, table string) string {
	t.Helper()
	var name, sum string
	var rows int
	err := d.stores.DB.QueryRowContext(t.Context(), "CHECKSUM TABLE "+schema+"."+table+" EXTENDED").Scan(&name, &sum)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.stores.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+schema+"."+table).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows == 0 {
		t.Fatalf("table %s.%s is empty and shows nothing", schema, table)
	}
	return fmt.Sprintf("%d rows, checksum %s", rows, sum)
}

// someObjects uploads two objects, of which one compresses.
func (d *seeded) someObjects(t *testing.T) (compressed, raw string) {
	t.Helper()
	compressed, raw = "runbook/text.txt", "runbook/noise.bin"
	noise := sha256.Sum256([]byte(raw))
	for key, content := range map[string]string{compressed: strings.Repeat("compressible ", 2000), raw: string(noise[:])} {
		_, err := d.stores.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &d.stores.Bucket, Key: aws.String(key), Body: strings.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return compressed, raw
}

func (d *seeded) objectSum(t *testing.T, key string) string {
	t.Helper()
	object, err := d.stores.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &d.stores.Bucket, Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, object.Body); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
