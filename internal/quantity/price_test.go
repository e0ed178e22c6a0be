package quantity_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

func TestParsePrice(t *testing.T) {
	tests := map[string]string{
		"0.020": "0.02", "0": "0", "12": "12", "0.000000001": "0.000000001", " 1.5 ": "1.5", "1000000": "1000000",
		"": "", ".5": "", "1.": "", "-1": "", "+1": "", "1e3": "", "1,5": "", "0.0000000001": "", "1000000.1": "", "0.02 USD": "", "0x1": "", "1_0": "", "1.-5": "", "99999999999999999999": "",
	}
	for text, want := range tests {
		p, err := quantity.ParsePrice(text)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, p, err, want)
		}
	}
}

func TestPriceOf(t *testing.T) {
	const gib = 1 << 30
	tests := map[string]struct {
		price string
		bytes int64
		want  string
	}{
		"nothing":                       {"0.02", 0, "0.00"},
		"a GiB":                         {"0.02", gib, "0.02"},
		"half a cent is rounded up":     {"0.01", gib / 2, "0.01"},
		"less than half a cent is none": {"0.01", gib/2 - 200, "0.00"},
		"a TiB":                         {"0.0125", 1024 * gib, "12.80"},
		"more than there is money for":  {"1000000", math.MaxInt64, "9223372036.85"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := quantity.ParsePrice(tt.price)
			if got := p.Of(tt.bytes).String(); err != nil || got != tt.want {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

// What bytes cost is what a calculation without bounds says.
func TestPriceIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := quantity.Price(rapid.Int64Range(0, 1e15).Draw(t, "price"))
		bytes := rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes")
		want := new(big.Int).Mul(big.NewInt(int64(p)), big.NewInt(bytes))
		want.Add(want, big.NewInt(1<<29)).Rsh(want, 30)
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		if got := p.Of(bytes); int64(got) != want.Int64() {
			t.Errorf("%d bytes at %v cost %d, want %v", bytes, p, got, want)
		}
	})
}

func TestMoneyAddsUp(t *testing.T) {
	if got := quantity.Money(math.MaxInt64).Plus(1); got != math.MaxInt64 {
		t.Errorf("%d", got)
	}
	if got := quantity.Money(4_000_000).Plus(4_000_000).String(); got != "0.01" { // each alone is 0.00
		t.Errorf("%s", got)
	}
}
