package repository_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// stock runs a program that users have anyway.
func stock(t *testing.T, dir, program string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed: make testbed installs it", program)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", program, args, err, stderr.String())
	}
	return out
}

// A point without openim-dr: minisign, sha256sum, age, zstd and tar.
func TestStockToolsSuffice(t *testing.T) {
	f := repotest.New(t)
	want := sample()
	want.Tables["openIM_v3/users"] = strings.Repeat("1\tAnn\n", 20_000)
	id := mustTake(t, f.Writer(t), "manual", want).Point
	work := t.TempDir()
	operator := filepath.Join(work, "operator.key")
	if err := os.WriteFile(operator, []byte(f.Operator.Secret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	below := func(path string) string { return filepath.Join(f.Dir(), path) }
	manifest := below("points/" + id + "/manifest.json")

	said := stock(t, work, "minisign", "-V", "-P", f.Signer.PublicKey(), "-m", manifest)
	if !strings.Contains(string(said), "points/"+id+"/manifest.json") {
		t.Errorf("minisign says %s", said)
	}
	m := readManifest(t, manifest)
	for _, file := range m.Files {
		if sum := string(stock(t, work, "sha256sum", below(file.Path))); !strings.HasPrefix(sum, file.SHA256) {
			t.Errorf("%s has %s, want %s", file.Path, sum, file.SHA256)
		}
	}

	fingerprint := f.Operator.Recipient().Fingerprint()
	unwrap := func(key, into string) string {
		stock(t, work, "age", "-d", "-i", operator, "-o", into, below("keys/"+key+"/"+fingerprint+".age"))
		return filepath.Join(work, into)
	}
	pointKey := unwrap(m.Keys.Point, "point.key")
	stock(t, work, "age", "-d", "-i", pointKey, "-o", "users.tsv.zst", below("points/"+id+"/main/open+i+m_v3/users/000001.tsv.zst.age"))
	stock(t, work, "zstd", "-d", "-q", "users.tsv.zst")
	requireContent(t, filepath.Join(work, "users.tsv"), want.Tables["openIM_v3/users"])

	packKey := unwrap(m.Keys.Packs[0], "packs.key")
	entry, pack := indexLine(t, f, id, "big", packKey, work)
	stock(t, work, "age", "-d", "-i", packKey, "-o", "pack.tar", below("packs/"+pack[:2]+"/"+pack+".tar.age"))
	stock(t, work, "tar", "xf", "pack.tar")
	var big bytes.Buffer
	for ordinal := entry.Ordinal; ordinal < entry.Ordinal+entry.Members; ordinal++ {
		big.Write(memberContent(t, work, ordinal))
	}
	if big.String() != want.Objects["big"] {
		t.Errorf("the object has %d bytes, want %d", big.Len(), len(want.Objects["big"]))
	}
}

func readManifest(t *testing.T, path string) *repository.Manifest {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := new(repository.Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func requireContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s has %d bytes, %v; want %d", path, len(got), err, len(want))
	}
}

// indexLine finds an object's line in the segments that the bucket list names.
func indexLine(t *testing.T, f *repotest.Fixture, id, key, packKey, work string) (repository.IndexEntry, string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.Dir(), "points", id, "main", "media.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list repository.BucketList
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	for _, segment := range list.Segments {
		name := segment.ID + ".jsonl"
		stock(t, work, "age", "-d", "-i", packKey, "-o", name+".zst", filepath.Join(f.Dir(), "index", name+".zst.age"))
		for line := range bytes.Lines(stock(t, work, "zstd", "-d", "-q", "-c", name+".zst")) {
			var entry repository.IndexEntry
			if err := json.Unmarshal(line, &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Key == key {
				return entry, entry.Pack
			}
		}
	}
	t.Fatalf("no segment names %q", key)
	return repository.IndexEntry{}, ""
}

func memberContent(t *testing.T, work string, ordinal int) []byte {
	t.Helper()
	name := []byte("000000")
	for i := len(name) - 1; ordinal > 0; i, ordinal = i-1, ordinal/10 {
		name[i] += byte(ordinal % 10)
	}
	if content, err := os.ReadFile(filepath.Join(work, string(name))); err == nil {
		return content
	}
	return stock(t, work, "zstd", "-d", "-q", "-c", string(name)+".zst")
}
