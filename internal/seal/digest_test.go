package seal_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// vectors are those of the reference implementation (google/highwayhash,
// kExpected128) for the key 00 01 … 1f and the messages of n bytes 00 01 …
var vectors = []string{
	"c7fe8f9d8f26ed0f6f3e097f765e5633",
	"a8e7813689a8b0d6b4dc9cebf91d29dc",
}

func TestHighwayHashVectors(t *testing.T) {
	var key seal.DigestKey
	for i := range key {
		key[i] = byte(i)
	}
	h := seal.NewHasher(key)
	for n, want := range vectors {
		h.Reset()
		for i := range n {
			mustWrite(t, h, []byte{byte(i)})
		}
		if got := h.Sum().String(); got != want {
			t.Errorf("digest of %d bytes is %s, want %s", n, got, want)
		}
	}
}

func mustWrite(t rapid.TB, h *seal.Hasher, p []byte) {
	t.Helper()
	if _, err := h.Write(p); err != nil {
		t.Fatal(err)
	}
}

func TestSumDoesNotDependOnOrder(t *testing.T) {
	h := seal.NewHasher(seal.GenerateDigestKey())
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 2, 20).Draw(t, "records")
		sum := func() (d seal.Digest) {
			for _, r := range records {
				h.Reset()
				mustWrite(t, h, r)
				d.Add(h.Sum())
			}
			return d
		}
		want := sum()
		rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if got := sum(); got != want {
			t.Fatalf("in another order the sum is %s, not %s", got, want)
		}
		records[0] = append([]byte{1}, records[0]...)
		if sum() == want {
			t.Fatal("a changed record does not change the sum")
		}
	})
}

func TestSumIsModulo128(t *testing.T) {
	tests := map[string]struct{ a, b, want string }{
		"carry into the high half": {"0000000000000000ffffffffffffffff", "00000000000000000000000000000001", "00000000000000010000000000000000"},
		"overflow is dropped":      {"ffffffffffffffffffffffffffffffff", "00000000000000000000000000000002", "00000000000000000000000000000001"},
		"zero is neutral":          {"0123456789abcdef0123456789abcdef", "00000000000000000000000000000000", "0123456789abcdef0123456789abcdef"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := parseDigest(t, tt.a), parseDigest(t, tt.b)
			if a.Add(b); a.String() != tt.want {
				t.Errorf("got %s, want %s", a, tt.want)
			}
		})
	}
}

func parseDigest(t *testing.T, text string) (d seal.Digest) {
	t.Helper()
	if err := d.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDigestText(t *testing.T) {
	h := seal.NewHasher(seal.GenerateDigestKey())
	mustWrite(t, h, []byte("row"))
	want := h.Sum()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got seal.Digest
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{"", "00", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef00"} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a digest", bad)
		}
	}
}

// Rows are digested by the million.
func TestHasherDoesNotAllocate(t *testing.T) {
	h := seal.NewHasher(seal.GenerateDigestKey())
	row := []byte("a row of a table that is longer than one block of the hash")
	var sum seal.Digest
	if n := testing.AllocsPerRun(100, func() {
		h.Reset()
		_, _ = h.Write(row)
		sum.Add(h.Sum())
	}); n != 0 {
		t.Errorf("%v allocations a row, want none", n)
	}
}

func TestKeyDecidesDigest(t *testing.T) {
	a, b := seal.NewHasher(seal.GenerateDigestKey()), seal.NewHasher(seal.GenerateDigestKey())
	mustWrite(t, a, []byte("row"))
	mustWrite(t, b, []byte("row"))
	if a.Sum() == b.Sum() {
		t.Error("two keys give one digest")
	}
}
