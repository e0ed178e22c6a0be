package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestRunbookStopsAtDamage damages what the page fetches, and requires that
// nothing goes on from there.
func TestRunbookStopsAtDamage(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	for name, c := range map[string]struct {
		damage func(t *testing.T, h *hands, repository, point string)
		says   string // empty: all is well
	}{
		"nothing": {func(*testing.T, *hands, string, string) {}, ""},
		"an altered file": {func(t *testing.T, _ *hands, repository, point string) {
			alter(t, filepath.Join(repository, "points", point, "main/notes/schema.sql.zst.age"))
		}, "STOP: files are damaged or missing"},
		"a missing file": {func(t *testing.T, _ *hands, repository, point string) {
			remove(t, filepath.Join(repository, "points", point, "main/notes/schema.sql.zst.age"))
		}, "cannot stat"},
		"an altered manifest": {func(t *testing.T, _ *hands, repository, point string) {
			alter(t, filepath.Join(repository, "points", point, "manifest.json"))
		}, "STOP: the manifest is not the one for which this page was written"},
		"the signature of another": {func(t *testing.T, h *hands, _, _ string) {
			h.change(t, "SIGNER", newKeys(t).signing)
		}, "is not signed by"},
		"the key of another": {func(t *testing.T, h *hands, _, _ string) {
			keys := newKeys(t)
			h.mounts = append(h.mounts, keys.dir)
			h.change(t, "IDENTITY", keys.dir+"/operator.key")
		}, "does not open the key"},
		"an altered wrap": {func(t *testing.T, _ *hands, repository, _ string) {
			wraps, err := filepath.Glob(filepath.Join(repository, "keys", "*", "*.age"))
			if err != nil || len(wraps) == 0 {
				t.Fatalf("found %d wraps: %v", len(wraps), err)
			}
			for _, wrap := range wraps {
				alter(t, wrap)
			}
		}, "does not open the key"},
		"no key at all": {func(t *testing.T, h *hands, _, _ string) {
			h.change(t, "IDENTITY", "")
		}, "STOP: fill in IDENTITY"},
		"a relative directory": {func(t *testing.T, h *hands, _, _ string) {
			h.change(t, "WORK", "work")
		}, "STOP: give the whole path of work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := pointsWithoutServers(t)
			repository := variables["REPO"]
			d := &seeded{}
			page := d.run(t, "runbook", variables["POINT1"], "--repository", repository, "--trust", variables["TRUST"]).ok(t).stdout
			h := newHands(t, env, page, repository, filepath.Dir(variables["IDENTITY"]))
			h.change(t, "IDENTITY", variables["IDENTITY"])
			h.change(t, "MAIN_HOST", "nowhere.example")
			h.change(t, "MAIN_USER", "nobody")
			h.change(t, "MAIN_PASSWORD_FILE", variables["IDENTITY"])
			c.damage(t, h, repository, variables["POINT1"])
			blocks := h.steps[:4]
			if c.says == "" {
				h.ok(t, blocks...)
				return
			}
			h.stops(t, c.says, blocks...)
		})
	}
}

// alter changes a byte in the middle of a file that nobody may write.
func alter(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	remove(t, path)
	writeFile(t, path, string(data))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
