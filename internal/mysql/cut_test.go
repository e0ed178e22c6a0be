package mysql

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Wherever a range of integers is cut, every key is in exactly one piece.
func TestIntegerBoundsPartitionTheRange(t *testing.T) {
	unsigned := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}))
	signed := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt64}))
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.Int64Range(1, 300).Draw(t, "pieces")
		var low, high string
		var less func(a, b string) bool
		if rapid.Bool().Draw(t, "unsigned") {
			a, b := unsigned.Draw(t, "a"), unsigned.Draw(t, "b")
			low, high = strconv.FormatUint(min(a, b), 10), strconv.FormatUint(max(a, b), 10)
			less = func(a, b string) bool { return mustParse(t, strconv.ParseUint, a) < mustParse(t, strconv.ParseUint, b) }
		} else {
			a, b := signed.Draw(t, "a"), signed.Draw(t, "b")
			low, high = strconv.FormatInt(min(a, b), 10), strconv.FormatInt(max(a, b), 10)
			less = func(a, b string) bool { return mustParse(t, strconv.ParseInt, a) < mustParse(t, strconv.ParseInt, b) }
		}
		bounds, err := integerBounds(low, high, pieces)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(bounds)) > pieces-1 {
			t.Fatalf("%d bounds for %d pieces", len(bounds), pieces)
		}
		// In strictly rising order, from low on and below high: no piece is
		// empty by construction and the last one holds high.
		for i, bound := range bounds {
			if less(bound, low) || !less(bound, high) || i > 0 && !less(bounds[i-1], bound) {
				t.Fatalf("bounds %v of %s to %s are not in order", bounds, low, high)
			}
		}
	})
}

func mustParse[T any](t *rapid.T, parse func(string, int, int) (T, error), s string) T {
	n, err := parse(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRangesAsConditions(t *testing.T) {
	one := &key{Index: "PRIMARY", Columns: []keyColumn{{Name: "id", Type: "int"}}}
	two := &key{Index: "k", Columns: []keyColumn{{Name: "a`b", Type: "varchar", Charset: "latin1"}, {Name: "at", Type: "datetime"}}}
	place := two.position(func(i int) []byte { return []byte("x'") })
	tests := map[string]struct {
		key  *key
		r    keyRange
		want string
	}{
		"the whole table": {one, keyRange{}, ""},
		"between":         {one, keyRange{position{"1"}, position{"9"}}, " WHERE `id` > 1 AND `id` <= 9"},
		"behind a tuple": {two, keyRange{after: place},
			" WHERE (`a``b` >= _latin1 0x7827 AND ((`a``b` > _latin1 0x7827) OR (`a``b` = _latin1 0x7827 AND `at` > 'x\\'')))"},
		"up to a tuple": {two, keyRange{upTo: position{"1", "2"}},
			" WHERE (`a``b` <= 1 AND ((`a``b` < 1) OR (`a``b` = 1 AND `at` <= 2)))"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.r.where(tt.key)); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
		})
	}
}
