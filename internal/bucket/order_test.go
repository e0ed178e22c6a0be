package bucket

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPathOrderPutsTheSlashFirst(t *testing.T) {
	keys := []string{"a.txt", "a0", "a-c", "a/b", "a", "A", "a/b/c", "a/b-c"}
	slices.SortFunc(keys, byPath.compare)
	want := []string{"A", "a", "a/b", "a/b/c", "a/b-c", "a-c", "a.txt", "a0"}
	if !slices.Equal(keys, want) {
		t.Errorf("sorted %q, want %q", keys, want)
	}
}

// TestPathOrderIsAWalk: sorting keys as paths is sorting their elements.
func TestPathOrderIsAWalk(t *testing.T) {
	key := rapid.StringMatching(`[ab.\-0/]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		want := slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		if got := byPath.compare(a, b); got != want {
			t.Errorf("compare(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}
