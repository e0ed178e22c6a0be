package mysql

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A guess lies above the first key and no higher than the last.
func TestMiddleLiesBetween(t *testing.T) {
	t.Run("unsigned", rapid.MakeCheck(func(t *rapid.T) {
		edges := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}))
		a, b := edges.Draw(t, "a"), edges.Draw(t, "b")
		if a == b {
			return
		}
		low, high := min(a, b), max(a, b)
		text, ok := middleNumber(strconv.AppendUint(nil, low, 10), strconv.AppendUint(nil, high, 10))
		if n, err := strconv.ParseUint(string(text), 10, 64); !ok || err != nil || n <= low || n > high {
			t.Fatalf("between %d and %d: %s", low, high, text)
		}
	}))
	t.Run("signed", rapid.MakeCheck(func(t *rapid.T) {
		edges := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt64}))
		a, b := edges.Draw(t, "a"), edges.Draw(t, "b")
		if a == b {
			return
		}
		low, high := min(a, b), max(a, b)
		text, ok := middleNumber(strconv.AppendInt(nil, low, 10), strconv.AppendInt(nil, high, 10))
		if n, err := strconv.ParseInt(string(text), 10, 64); !ok || err != nil || n <= low || n > high {
			t.Fatalf("between %d and %d: %s", low, high, text)
		}
	}))
	for name, alphabet := range map[string][]byte{"decimals": decimals, "printable": printable, "bytes": allBytes} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			keys := rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 20)
			low, high := keys.Draw(t, "a"), keys.Draw(t, "b")
			if bytes.Compare(low, high) > 0 {
				low, high = high, low
			}
			middle, ok := middleText(low, high, alphabet)
			if !ok {
				return // they are the same as far as is looked
			}
			// The guess may be as short as the digits that were looked at.
			if bytes.Compare(middle, low[:min(len(low), len(middle))]) < 0 || bytes.Compare(middle[:min(len(high), len(middle))], high) > 0 {
				t.Fatalf("between %q and %q: %q", low, high, middle)
			}
		}))
	}
}

// Keys of all kinds are cut into ranges of about the wanted size, which
// together are the whole table.
func TestRangesAreEven(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	const rows = 20000
	keys := map[string]struct{ column, key, value string }{
		"counted":           {"k BIGINT", "k", "i"},
		"negative":          {"k INT", "k", "i * 50000 - 1000000000"},
		"two far lumps":     {"k BIGINT UNSIGNED", "k", "IF(i % 2, i, 18446744073709551615 - i)"},
		"hexadecimal":       {"k CHAR(64)", "k", "SHA2(i, 256)"},
		"decimal users":     {"k VARCHAR(64)", "k", "IF(i < 19000, 1000000000 + i, 2000000000 + 977 * i)"},
		"one prefix":        {"k VARCHAR(128) COLLATE utf8mb4_unicode_ci", "k", "CONCAT('si_', 1000000000 + i % 200, '_', i)"},
		"capitals":          {"k VARCHAR(64) COLLATE utf8mb4_0900_ai_ci", "k", "CONCAT(IF(i % 2, 'Abc', 'aBD'), LPAD(CONV(i, 10, 36), 6, '0'))"},
		"words":             {"k VARCHAR(64) COLLATE utf8mb4_bin", "k", "CONCAT(ELT(1 + i % 5, 'Anna', 'bob', 'Zoë', 'émile', '李'), '-', i)"},
		"bytes":             {"k VARBINARY(32)", "k", "UNHEX(SHA2(i, 256))"},
		"two-byte text":     {"k VARCHAR(64) CHARACTER SET utf16", "k", "SHA2(i, 256)"},
		"dates":             {"k DATETIME(3)", "k", "'2020-01-01' + INTERVAL i MINUTE"},
		"one leading value": {"a CHAR(8) DEFAULT 'same', k INT", "a, k", "i"},
		"two columns":       {"a CHAR(8), k INT", "a, k", "i"},
	}
	for name, tt := range keys {
		t.Run(name, func(t *testing.T) {
			table := "`" + schema + "`.`" + name + "`"
			create := fmt.Sprintf("CREATE TABLE %s (%s, filler CHAR(50) DEFAULT 'x', PRIMARY KEY (%s))", table, tt.column, tt.key)
			insert := fmt.Sprintf("INSERT INTO %s (k) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT /*+ SET_VAR(cte_max_recursion_depth = %d) */ %s FROM n", table, rows, rows, tt.value)
			if name == "two columns" {
				insert = strings.Replace(strings.Replace(insert, "(k)", "(a, k)", 1), "*/ i", "*/ CONCAT('u', i DIV 7), i", 1)
			}
			run(t, db, create, insert, "ANALYZE TABLE "+table)
			requireEvenRanges(t, newServer(t, rootOf(env), nil, schema), schema, name, rows)
		})
	}
}

func requireEvenRanges(t *testing.T, s *Server, schema, name string, rows int64) {
	t.Helper()
	client, conn, d := definedIn(t, s, schema)
	table := newTableRun(schema, d.byName()[name], minChunkSize*8, 2)
	var sum, most int64
	ranges := 0
	query := func(ctx context.Context, query string, each func(values [][]byte) error) error {
		return streamRows(ctx, conn, query, each)
	}
	explain := func(ctx context.Context, query string) ([]record, error) { return queryRecords(ctx, conn, query) }
	c := cutter{query: query, explain: explain, table: table, rows: table.pace.rangeRows, found: func(r keyRange) {
		n, err := strconv.ParseInt(text(t, client.DB, "SELECT COUNT(*) FROM "+table.from()+whereAll(r.conditions(table.Key))), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ranges, sum, most = ranges+1, sum+n, max(most, n)
	}}
	if err := c.cut(t.Context(), keyRange{}, table.pieces()); err != nil {
		t.Fatal(err)
	}
	if sum != rows {
		t.Errorf("the ranges hold %d rows together, want %d", sum, rows)
	}
	if limit := overfull * table.pace.rangeRows; most > limit || int64(ranges) > 4*rows/table.pace.rangeRows {
		t.Errorf("%d ranges of up to %d rows, want about %d of %d, and none above %d", ranges, most, rows/table.pace.rangeRows, table.pace.rangeRows, limit)
	}
	t.Logf("%d ranges of up to %d rows, %d wanted each, %d times halved", ranges, most, table.pace.rangeRows, 8*table.pieces()+64-c.left)
}

func TestRangesAsConditions(t *testing.T) {
	one := &key{Index: "PRIMARY", Columns: []keyColumn{{Name: "id", Type: "int"}}}
	two := &key{Index: "k", Columns: []keyColumn{{Name: "a`b", Type: "varchar", Charset: "latin1"}, {Name: "at", Type: "datetime"}}}
	place := two.place(keyValues{[]byte("x'"), []byte("x'")})
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
			if diff := cmp.Diff(tt.want, whereAll(tt.r.conditions(tt.key))); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
		})
	}
}
