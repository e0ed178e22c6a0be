package quantity_test

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 tables", 1: "1 table", 2: "2 tables", 1000: "1000 tables"} {
		if got := quantity.Count(n, "table", "tables"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
