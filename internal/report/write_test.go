package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
)

func TestWrite(t *testing.T) {
	for name, begins := range map[string]string{"r.json": "{", "r.html": "<!doctype html>", "R.HTML": "<!doctype html>"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte("an older one, which others can read"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := Prepare(path); err != nil {
				t.Fatal(err)
			}
			if err := Write(path, sample()); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil || !bytes.HasPrefix(data, []byte(begins)) || name == "r.json" && !json.Valid(data) {
				t.Errorf("wrote %.20q, %v", data, err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, want that only its owner can read it (%v)", info.Mode(), err)
			}
			requireAlone(t, path)
		})
	}
}

// requireAlone fails where something else was left in the directory.
func requireAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
}

// A report that cannot be written leaves what was there.
func TestWriteThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := os.Mkdir(path, 0o700); err != nil { // nothing can be renamed to it
		t.Fatal(err)
	}
	if err := Write(path, sample()); err == nil {
		t.Error("a directory was replaced by a file")
	}
	requireAlone(t, path)
}

// Where no report could be written the run is not begun.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, want string }{
		"no ending":             {filepath.Join(dir, "report"), "ends in neither .json nor .html"},
		"another ending":        {filepath.Join(dir, "report.pdf"), "ends in neither .json nor .html"},
		"no such directory":     {filepath.Join(dir, "none", "r.html"), "no such file or directory"},
		"below a file":          {filepath.Join(file, "r.html"), "it is not in a directory"},
		"nothing but an ending": {".html.d/", "ends in neither"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := Prepare(tt.path)
			if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if e, ok := fault.Outermost(err); !ok || e.Try == "" {
				t.Error("there is no hint")
			}
		})
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the check left something behind: %v, %v", entries, err)
	}
}
