package storage_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Keys below a directory are in another order than the names of directories, and a
// listing that ends at a key must not lose a directory for it.
func TestNoDirectoryOfASpanIsBeyondIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab0.-]{1,4}`) // "-" and "." sort before a slash
		span := storage.Span{From: rapid.StringMatching(`[ab0.-]{0,4}`).Draw(t, "from"), To: name.Draw(t, "to")}
		n := name.Draw(t, "name")
		key := n + "/" + name.Draw(t, "file")
		if span.Holds(n) && key >= span.Beyond() {
			t.Errorf("%q is in %+v, and its key %q is beyond %q", n, span, key, span.Beyond())
		}
		if span.Holds(n) && key < span.From {
			t.Errorf("%q is in %+v, and its key %q comes before", n, span, key)
		}
	})
}

func TestSpanWithoutEnds(t *testing.T) {
	if all := (storage.Span{}); !all.Holds("") || !all.Holds("\xff") || all.Beyond() != "" {
		t.Errorf("the zero span leaves something out, or ends with %q", all.Beyond())
	}
}
