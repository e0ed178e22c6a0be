package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One chunk and one pack of the newest point are damaged: all the rest comes
// back, what is lost is named, and the older copy that is offered repairs it.
func TestDamagedPoint(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	schema := i.stores.Schemas.Server
	i.exec(t, "UPDATE "+schema+".users SET name = CONCAT(name, '!') LIMIT 1")
	i.run(t, "backup", "--config", i.config).ok(t)
	var listed []struct{ ID string }
	i.run(t, "list", "--config", i.config, "-o", "json").ok(t).into(t, &listed)
	chunks, err := filepath.Glob(filepath.Join(i.repo, "points", listed[1].ID, "main", "*", "friends", "*.tsv.zst.age"))
	if err != nil || len(chunks) == 0 {
		t.Fatalf("no chunk of table friends: %v", err)
	}
	flip(t, chunks[0])
	newest := i.holds(t)
	i.exec(t, "DROP DATABASE "+schema, "DROP DATABASE "+i.stores.Schemas.Chat)

	if failed := i.restore(t, "--source", "main", "--plan"); failed.code != 0 {
		t.Errorf("sizes are right, and yet the plan ends with %d", failed.code)
	}
	got := i.restore(t, "--source", "main", "--keep-going")
	if got.code != 3 {
		t.Fatalf("exit code %d, want 3; stderr:\n%s", got.code, got.stderr)
	}
	var result restored
	got.into(t, &result)
	lost := result.Sources[0].Lost
	if result.Equal || len(lost) != 1 || lost[0].Object != schema+".friends" || !strings.Contains(lost[0].Offer, "restore "+listed[0].ID) {
		t.Fatalf("lost %+v", lost)
	}
	held := i.holds(t)
	friends := "table " + schema + ".friends"
	delete(held, friends)
	want := maps.Clone(newest)
	delete(want, friends)
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	offered := strings.Fields(strings.ReplaceAll(lost[0].Offer[strings.Index(lost[0].Offer, "openim-dr restore"):], "'", ""))
	target := fmt.Sprintf("mysql/%s/%s", i.env.MySQLAddress, schema)
	i.restore(t, append(offered[2:], "--overwrite", target, "--no-rollback-point")...).ok(t)
	if diff := cmp.Diff(newest, i.holds(t)); diff != "" {
		t.Errorf("with the older copy (-want +got):\n%s", diff)
	}
}

func TestDamagedPack(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	packs, err := filepath.Glob(filepath.Join(i.repo, "packs", "*", "*.tar.age"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("no packs: %v", err)
	}
	flip(t, packs[0])
	i.emptyBucket(t)
	plain := i.restore(t, "--source", "media")
	if plain.code != 3 || !strings.Contains(plain.stdout, "--keep-going") {
		t.Errorf("exit code %d, want 3 and a hint at --keep-going; stdout:\n%s", plain.code, plain.stdout)
	}
	var result restored
	plain.into(t, &result)
	got := i.restore(t, "--resume", result.Restore, "--keep-going")
	got.into(t, &result)
	lost := result.Sources[0].Lost
	if got.code != 3 || len(lost) == 0 || len(lost) > len(i.objectsOf(t, i.stores.Bucket)) {
		t.Fatalf("exit code %d, lost %+v", got.code, lost)
	}
	want := maps.Clone(i.before)
	for _, l := range lost {
		delete(want, "object "+strings.TrimPrefix(l.Object, i.stores.Bucket+"/"))
	}
	if diff := cmp.Diff(want, i.holds(t)); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
}

// flip inverts a bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
