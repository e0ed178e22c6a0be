package seed

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// generate returns the SQL of all rows of a deployment by table.
func generate(t *testing.T, size Size) map[string]string {
	t.Helper()
	sql := map[string]string{}
	for _, schema := range newSchemas(Schemas{}.orDefault(), newPopulation(size)) {
		for _, table := range schema.tables {
			var b strings.Builder
			for number := int64(0); number*blockRows < table.rows; number++ {
				err := newBlock(schema.name, table, number).statements(size.Seed, func(s string) error {
					b.WriteString(s)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			sql[schema.name+"."+table.name] = b.String()
		}
	}
	return sql
}

func TestTheSameSizeGivesTheSameRows(t *testing.T) {
	size := Small()
	if diff := cmp.Diff(generate(t, size), generate(t, size)); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherSeedGivesOtherRows(t *testing.T) {
	size, other := Small(), Small()
	other.Seed++
	before, after := generate(t, size), generate(t, other)
	for table, sql := range before {
		if sql == after[table] {
			t.Errorf("%s is the same under seeds %d and %d", table, size.Seed, other.Seed)
		}
	}
}

func TestABlockAloneIsWhatItIsAmongOthers(t *testing.T) {
	size := Small()
	size.Rows = 3 * blockRows
	schemas := newSchemas(Schemas{}.orDefault(), newPopulation(size))
	messages := schemas[0].tables[len(schemas[0].tables)-1]
	whole := generate(t, size)["openIM_v3.chat_logs"]
	err := newBlock("openIM_v3", messages, 1).statements(size.Seed, func(sql string) error {
		_, values, _ := strings.Cut(sql, "VALUES\n")
		if values == "" || !strings.Contains(whole, values) {
			t.Errorf("%d bytes of the second block are not in the whole of %d", len(values), len(whole))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRowsAreSpreadOverAllTables(t *testing.T) {
	for name, size := range map[string]Size{"small": Small(), "demo": Demo(), "benchmark": {Rows: 4_700_000, Seed: 1}} {
		t.Run(name, func(t *testing.T) {
			var sum int64
			for _, schema := range newSchemas(Schemas{}.orDefault(), newPopulation(size)) {
				for _, table := range schema.tables {
					sum += table.rows
					if table.rows < 4 && (table.name != "object" || size.Objects > 0) {
						t.Errorf("%s has %d rows", table.name, table.rows)
					}
				}
			}
			if sum != int64(size.Rows) {
				t.Errorf("got %d rows, want %d", sum, size.Rows)
			}
		})
	}
}

func TestMarkersAreInTheRows(t *testing.T) {
	size := Small()
	var all strings.Builder
	for _, sql := range generate(t, size) {
		all.WriteString(sql)
	}
	for _, marker := range newPopulation(size).markers() {
		if !strings.Contains(all.String(), marker) {
			t.Errorf("marker %q is in no row", marker)
		}
	}
}

func TestPlainHasNothingOfAFork(t *testing.T) {
	size := Small()
	size.Plain = true
	for table := range generate(t, size) {
		if strings.Contains(table, "fork") {
			t.Errorf("got table %s", table)
		}
	}
}

func TestUserIDsAreUniqueAndShort(t *testing.T) {
	p := newPopulation(Demo())
	seen := map[string]bool{}
	for n := range p.users {
		id := strings.ToLower(p.user(n))
		if seen[id] || utf8.RuneCountInString(id) > 64 {
			t.Fatalf("user %d has id %q", n, id)
		}
		seen[id] = true
	}
}

func TestHashIsThatOfOpenIM(t *testing.T) {
	sum := func(b []byte) string { s := md5.Sum(b); return hex.EncodeToString(s[:]) }
	long := make([]byte, 2*partSize+7)
	tests := map[string]struct {
		contents []byte
		want     string
	}{
		"one part is hashed twice": {[]byte("hello"), sum([]byte(sum([]byte("hello"))))},
		"exactly one part":         {long[:partSize], sum([]byte(sum(long[:partSize])))},
		"three parts": {long, sum([]byte(strings.Join([]string{
			sum(long[:partSize]), sum(long[partSize : 2*partSize]), sum(long[2*partSize:]),
		}, ",")))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := hashOf(strings.NewReader(string(tt.contents)), int64(len(tt.contents))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestContentsReadTheSameFromAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCatalog(Size{Objects: 100, Seed: rapid.Uint64().Draw(t, "seed")})
		o := c.object(rapid.Int64Range(0, 99).Draw(t, "object"))
		o.size = rapid.Int64Range(0, 3*blockSize).Draw(t, "size")
		whole, err := io.ReadAll(o.open(0))
		if err != nil || int64(len(whole)) != o.size {
			t.Fatalf("got %d bytes and %v, want %d", len(whole), err, o.size)
		}
		from := rapid.Int64Range(0, o.size).Draw(t, "from")
		again := o.open(0)
		if _, err := again.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(again)
		if err != nil || string(rest) != string(whole[from:]) {
			t.Errorf("contents from %d on differ (%v)", from, err)
		}
	})
}

func TestContentsAreAProperReader(t *testing.T) {
	o := newCatalog(Small()).object(50)
	o.size = 2*blockSize + 100
	want, err := io.ReadAll(o.open(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(o.open(0), want); err != nil {
		t.Error(err)
	}
}

func TestGenerationsDifferAtTheSameSize(t *testing.T) {
	o := newCatalog(Small()).object(60)
	first, _ := io.ReadAll(o.open(0))
	second, _ := io.ReadAll(o.open(1))
	if len(first) != len(second) || sha256.Sum256(first) == sha256.Sum256(second) {
		t.Errorf("generations of %d and %d bytes, equal: %v", len(first), len(second), string(first) == string(second))
	}
}

func TestCatalogHoldsEveryKindOnce(t *testing.T) {
	size := Small()
	c := newCatalog(size)
	keys, classes := map[string]bool{}, map[class]int{}
	var sizes []int64
	for n := range c.count {
		o := c.object(n)
		keys[o.key(0)] = true
		classes[o.class]++
		sizes = append(sizes, o.size)
	}
	if len(keys) != size.Objects {
		t.Errorf("got %d different keys, want %d", len(keys), size.Objects)
	}
	if classes[media] != int(c.media) || classes[thumbnail] == 0 || classes[temporary] == 0 || classes[nasty] != len(nastyKeys) {
		t.Errorf("got classes %v, want %d media and some of each", classes, c.media)
	}
	if slices.Max(sizes) != size.MaxObject || !slices.Contains(sizes, smallestObject) {
		t.Errorf("largest is %d, want %d, and one of %d", slices.Max(sizes), size.MaxObject, smallestObject)
	}
}

func TestNamesOfObjectsAreUniqueAndFit(t *testing.T) {
	c := newCatalog(Demo())
	seen := map[string]bool{}
	for n := range c.names() {
		name := c.name(n)
		if seen[name] || utf8.RuneCountInString(name) > 191 || c.named(n).class != media {
			t.Fatalf("name %d is %q, of class %d", n, name, c.named(n).class)
		}
		seen[name] = true
	}
}

func TestDemoBucketHasTheSizeOfADemo(t *testing.T) {
	c := newCatalog(Demo())
	var sum, text int64
	for n := range c.count {
		o := c.object(n)
		sum += o.size
		if o.text {
			text++
		}
	}
	if sum < 200<<20 || sum > 600<<20 {
		t.Errorf("the demo's objects are %d MiB, want 200 to 600", sum>>20)
	}
	if text*5 < c.count || text*3 > c.count {
		t.Errorf("%d of %d objects are text, want a quarter", text, c.count)
	}
}

func TestClusterIsTheSameEachTime(t *testing.T) {
	one, err := newCluster(Namespaces(), 7)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newCluster(Namespaces(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.secrets, other.secrets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(one.configMaps, other.configMaps); diff != "" {
		t.Error(diff)
	}
}

func TestConfigurationHasNoPlaceholderLeft(t *testing.T) {
	c, err := newCluster(Namespaces(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.configMaps {
		if config := m.Data["config.yaml"]; strings.Contains(config, "{") {
			t.Errorf("config.yaml of %s still holds a placeholder", m.Name)
		}
	}
}
