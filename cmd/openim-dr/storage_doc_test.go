package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// TestStorageIsDocumented ties docs/STORAGE.md to the doctor: every check of a bucket
// or directory stands in its table, and no other, and the role of a writer is what the
// doctor holds the rights against.
func TestStorageIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "STORAGE.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	hidden := asRecommended()
	hidden.Lifecycle = storage.Unknown[[]storage.LifecycleRule](storage.ErrDenied)
	var want []string
	for _, findings := range [][]source.Finding{
		judgeBucket(asRecommended(), false), judgeBucket(hidden, false), judgeBucket(amazon(), false),
		judgeVolume("/", &storage.Volume{}, nil, false),
	} {
		for _, f := range findings {
			want = append(want, f.Check)
		}
	}
	slices.Sort(want)
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(storage\\.[A-Za-z]+)` \\|").FindAllStringSubmatch(page, -1) {
		got = append(got, row[1])
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("docs/STORAGE.md (-doctor +page):\n%s", diff)
	}
	if role := "--permissions=" + strings.Join(writerRights, ",") + "\n"; !strings.Contains(page, role) {
		t.Errorf("docs/STORAGE.md makes no role with %s", role)
	}
}
