package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingInTheClear searches the repository and everything that the
// program printed, at the level of debugging, for what was seeded: messages,
// contents of objects, passwords, private keys (invariant 4).
func TestNothingInTheClear(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	repository, config := d.repository(t)
	debug := []string{"--config", config, "--log-level", "debug"}
	operator := filepath.Join(d.dir, "operator.key")
	runs := []outcome{
		d.run(t, append([]string{"backup"}, debug...)...).ok(t),
		d.run(t, append([]string{"backup"}, debug...)...).ok(t), // on the base of the first
		d.run(t, append([]string{"show", "latest", "--files"}, debug...)...).ok(t),
		d.run(t, append([]string{"doctor"}, debug...)...),
		d.run(t, append([]string{"restore", "--identity", operator, "--plan"}, debug...)...),
		d.run(t, append([]string{"restore", "--identity", operator}, debug...)...),
		d.run(t, append([]string{"restore", "--identity", filepath.Join(d.dir, "catalog.key")}, debug...)...),
	}
	for _, want := range []struct{ run, code int }{{4, 4}, {5, 4}, {6, 2}} {
		if got := runs[want.run]; got.code != want.code {
			t.Errorf("openim-dr %s: exit code %d, want %d; stderr:\n%s", got.command, got.code, want.code, got.stderr)
		}
	}
	markers := append(d.markers, d.privateKeys(t)...)
	for _, r := range runs {
		if found := findMarker([]byte(r.stdout+r.stderr), markers); found != "" {
			t.Errorf("openim-dr %s printed %.12q…", r.command, found)
		}
	}
	files := 0
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if found := findMarker(data, markers); found != "" {
			t.Errorf("%s holds %.12q… in the clear", path, found)
		}
		if found := findMarker([]byte(path), markers); found != "" {
			t.Errorf("the name %s holds %.12q…", path, found)
		}
		return err
	})
	if err != nil || files < 50 {
		t.Errorf("looked at %d files of the repository: %v", files, err)
	}
}

// TestSearchBites: the search above finds a marker wherever it stands
// (invariant 11).
func TestSearchBites(t *testing.T) {
	noise := bytes.Repeat([]byte{0, 1, 2, 3}, 1<<16)
	if found := findMarker(append(noise, "the secret"...), []string{"other", "the secret"}); found != "the secret" {
		t.Errorf("found %q", found)
	}
	if found := findMarker(noise, []string{"the secret"}); found != "" {
		t.Errorf("found %q in noise", found)
	}
}

func findMarker(data []byte, markers []string) string {
	for _, m := range markers {
		if bytes.Contains(data, []byte(m)) {
			return m
		}
	}
	return ""
}

// privateKeys returns the private halves in the key files.
func (d *seeded) privateKeys(t *testing.T) []string {
	t.Helper()
	var private []string
	for _, name := range []string{"operator", "catalog", "signing"} {
		data, err := os.ReadFile(filepath.Join(d.dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		private = append(private, lines[len(lines)-1])
	}
	return private
}
