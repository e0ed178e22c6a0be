package mysql

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// randomColumn is a type and a generator of literals for it.
type randomColumn struct {
	declared string
	literal  *rapid.Generator[string]
	keyed    bool // may be a primary key
}

func integers(low, high int64) *rapid.Generator[string] {
	edges := rapid.SampledFrom([]int64{low, high, 0, 1})
	return rapid.Map(rapid.OneOf(edges, rapid.Int64Range(low, high)), func(n int64) string { return strconv.FormatInt(n, 10) })
}

func randomBytes(most int) *rapid.Generator[string] {
	value := rapid.OneOf(rapid.SliceOfN(rapid.SampledFrom([]byte("\x00\t\n\\N'\"\x1a \xff")), 0, most), rapid.SliceOfN(rapid.Byte(), 0, most))
	return rapid.Map(value, func(b []byte) string { return "x'" + hex.EncodeToString(b) + "'" })
}

func randomText(charset string, runes []rune, most int) *rapid.Generator[string] {
	return rapid.Map(rapid.StringOfN(rapid.SampledFrom(runes), 0, most, -1), func(s string) string {
		return "CONVERT(_utf8mb4 x'" + hex.EncodeToString([]byte(s)) + "' USING " + charset + ")"
	})
}

func randomFloat(most float64) *rapid.Generator[string] {
	bits := rapid.Map(rapid.Uint64(), math.Float64frombits)
	return rapid.Map(rapid.OneOf(bits, rapid.Float64()), func(f float64) string {
		if math.IsNaN(f) || math.Abs(f) > most {
			return "-0e0"
		}
		return strconv.FormatFloat(f, 'e', -1, 64)
	})
}

func randomDecimal(whole, scale int) *rapid.Generator[string] {
	digits := func(n int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 1, n, -1)
	}
	return rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + digits(whole).Draw(t, "whole") + "." + digits(scale).Draw(t, "fraction")
	})
}

func randomTime(fractions int) *rapid.Generator[string] {
	return rapid.Map(rapid.Int64Range(-3020399*1e6, 3020399*1e6), func(micro int64) string {
		return fmt.Sprintf("TRUNCATE(SEC_TO_TIME(%d.%06d), %d)", micro/1e6, max(micro, -micro)%1e6, fractions)
	})
}

func randomDate(fractions int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := func(name string, low, high int) int { return rapid.IntRange(low, high).Draw(t, name) }
		return fmt.Sprintf("'%04d-%02d-%02d %02d:%02d:%02d.%0*d'", n("year", 0, 9999), n("month", 0, 12), n("day", 0, 28), n("hour", 0, 23), n("minute", 0, 59), n("second", 0, 59), max(1, fractions), n("fraction", 0, int(math.Pow10(fractions))-1))
	})
}

// randomJSON makes documents of everything that JSON knows inside MySQL.
func randomJSON() *rapid.Generator[string] {
	leaf := rapid.OneOf(
		integers(math.MinInt64, math.MaxInt64), rapid.Map(rapid.Uint64(), func(n uint64) string { return fmt.Sprintf("CAST(%d AS UNSIGNED)", n) }),
		randomFloat(math.MaxFloat64), randomDecimal(30, 30), randomBytes(20), randomText("utf8mb4", wideRunes, 10),
		rapid.Map(randomDate(6), func(s string) string { return "CAST(" + s + " AS DATETIME(6))" }), randomTime(6),
		rapid.SampledFrom([]string{"TRUE", "FALSE", "NULL", "DATE'2020-01-01'", "CAST('0000-00-00' AS DATE)", "1.50", "'~'", "'!'"}),
	)
	return rapid.Custom(func(t *rapid.T) string { return nestedJSON(t, leaf, 3) })
}

func nestedJSON(t *rapid.T, leaf *rapid.Generator[string], depth int) string {
	kind := rapid.IntRange(0, 2).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		return "JSON_EXTRACT(JSON_ARRAY(" + leaf.Draw(t, "leaf") + "), '$[0]')"
	}
	n := rapid.IntRange(0, 4).Draw(t, "length")
	parts := make([]string, 0, 2*n)
	for i := range n {
		if kind == 1 {
			parts = append(parts, quoteText(rapid.StringOfN(rapid.SampledFrom(wideRunes), 0, 6, -1).Draw(t, "key")+strconv.Itoa(i)))
		}
		parts = append(parts, nestedJSON(t, leaf, depth-1))
	}
	return map[int]string{1: "JSON_OBJECT(", 2: "JSON_ARRAY("}[kind] + strings.Join(parts, ", ") + ")"
}

var (
	wideRunes   = []rune("aZ09 \t\n\\'\"`\x00.$[]{}~!éß中😀")
	latinRunes  = []rune("aZ09 \t\n\\'\"`\x00éß")
	chineseRune = []rune("aZ09 \t\n\\'\"`中文誠表")
)

func randomColumns() []randomColumn {
	return []randomColumn{
		{"TINYINT", integers(-128, 127), true}, {"SMALLINT UNSIGNED", integers(0, 65535), true}, {"MEDIUMINT", integers(-8388608, 8388607), true},
		{"INT ZEROFILL", integers(0, 4294967295), true}, {"BIGINT", integers(math.MinInt64, math.MaxInt64), true},
		{"BIGINT UNSIGNED", rapid.Map(rapid.Uint64(), func(n uint64) string { return strconv.FormatUint(n, 10) }), true},
		{"FLOAT", randomFloat(math.MaxFloat32), false}, {"DOUBLE", randomFloat(math.MaxFloat64), false},
		{"DECIMAL(65,30)", randomDecimal(35, 30), true}, {"DECIMAL(20,0)", randomDecimal(20, 1), true},
		{"BIT(7)", integers(0, 127), false}, {"BIT(64)", rapid.Map(rapid.Uint64(), func(n uint64) string { return strconv.FormatUint(n, 10) }), false},
		{"YEAR", rapid.OneOf(rapid.Just("0"), integers(1901, 2155)), false}, {"DATE", randomDate(0), true}, {"DATETIME(6)", randomDate(6), true}, {"DATETIME", randomDate(0), true},
		{"TIME(6)", randomTime(6), true}, {"TIME", randomTime(0), true}, {"TIMESTAMP(3) NULL", rapid.Map(integers(1, 2147483646), func(s string) string { return "FROM_UNIXTIME(" + s + ".25)" }), false},
		{"CHAR(20)", randomText("utf8mb4", wideRunes, 20), true}, {"VARCHAR(30) COLLATE utf8mb4_bin", randomText("utf8mb4", wideRunes, 30), true},
		{"VARCHAR(30) CHARACTER SET latin1", randomText("latin1", latinRunes, 30), true}, {"VARCHAR(30) CHARACTER SET gbk", randomText("gbk", chineseRune, 30), true},
		{"VARCHAR(30) CHARACTER SET utf16", randomText("utf16", wideRunes, 30), true}, {"TEXT CHARACTER SET sjis", randomText("sjis", []rune("aZ\\表ソ\n"), 30), false},
		{"LONGTEXT", randomText("utf8mb4", wideRunes, 300), false}, {"BINARY(16)", randomBytes(16), true}, {"VARBINARY(40)", randomBytes(40), true}, {"LONGBLOB", randomBytes(300), false},
		{"ENUM('', 'a', '0', 'ü')", integers(1, 4), false}, {"SET('x', 'y', 'zé')", integers(0, 7), false}, {"JSON", randomJSON(), false},
		{"POINT", rapid.Custom(func(t *rapid.T) string {
			return "POINT(" + randomFloat(1e300).Draw(t, "x") + ", " + randomFloat(1e300).Draw(t, "y") + ")"
		}), false},
	}
}

// randomTable returns the statements that make and fill a table.
func randomTable(name string) *rapid.Generator[[]string] {
	columns := randomColumns()
	return rapid.Custom(func(t *rapid.T) []string {
		chosen := rapid.SliceOfN(rapid.SampledFrom(columns), 1, 6).Draw(t, "columns")
		key := rapid.SampledFrom([]string{"PRIMARY KEY", "UNIQUE KEY", "KEY", ""}).Draw(t, "key")
		items := make([]string, 0, len(chosen)+1)
		for i, c := range chosen {
			items = append(items, fmt.Sprintf("c%d %s", i, c.declared))
		}
		if key != "" && chosen[0].keyed {
			items = append(items, key+" (c0)")
		}
		statements := []string{"CREATE TABLE " + name + " (" + strings.Join(items, ", ") + ")"}
		for range rapid.IntRange(0, 12).Draw(t, "rows") {
			values := make([]string, len(chosen))
			for i, c := range chosen {
				if values[i] = "NULL"; rapid.IntRange(0, 5).Draw(t, "null") > 0 || i == 0 {
					values[i] = c.literal.Draw(t, c.declared)
				}
			}
			// A key that occurs twice is left out.
			statements = append(statements, "INSERT IGNORE INTO "+name+" VALUES ("+strings.Join(values, ", ")+")")
		}
		return statements
	})
}

// Invariant 3: random rows of random tables come back, by our digests and by
// what the server shows.
func TestRandomTablesComeBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	const tables = 40
	for i := range tables {
		seedFile(t, db, schema, strings.Join(randomTable(fmt.Sprintf("t%02d", i)).Example(i), "\n$$\n"))
	}
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for _, table := range captured.Schemas[0].Tables {
		rows += table.Rows
	}
	if got := len(captured.Schemas[0].Tables); got != tables || rows < 3*tables {
		t.Fatalf("captured %d rows of %d tables, want at least %d rows of %d", rows, got, 3*tables, tables)
	}
	requireEqual(t, bringBack(t, s, point, map[string]string{schema: copied}))
	requireSame(t, observe(t, db, schema), observe(t, db, copied))
}
