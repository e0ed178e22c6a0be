package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest   = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	writtenTest = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// testNames are those of every test of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if name := d.Name(); d.IsDir() && strings.HasPrefix(name, ".") && name != ".." {
			return fs.SkipDir // of servers that run, and of git: what is there comes and goes
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range writtenTest.FindAllSubmatch(text, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestThreatsAreShown ties docs/SECURITY.md to the tests: each row of what
// somebody can and cannot do names at least one, and each of them is there.
func TestThreatsAreShown(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| who has | can | cannot | shown by |\n|---|---|---|---|\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !found || !ended {
		t.Fatal("docs/SECURITY.md has no table of threats")
	}
	names := testNames(t)
	for row := range strings.Lines(table) {
		tests := namedTest.FindAllStringSubmatch(row, -1)
		if len(tests) == 0 {
			t.Errorf("no test shows: %s", row)
		}
		for _, name := range tests {
			if !names[name[1]] {
				t.Errorf("there is no %s, which shall show: %s", name[1], row)
			}
		}
	}
}
