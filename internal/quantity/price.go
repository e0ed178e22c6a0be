package quantity

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

var errPrice = errors.New(`it is not a price such as "0.020", with at most 9 decimals`)

// Price is what a GiB costs in a month, in billionths of some currency: prices are
// decimal numbers, and stay that.
type Price int64

// Money is an amount in billionths of some currency.
type Money int64

const (
	decimals = 9
	unit     = 1_000_000_000
	// maxPrice keeps sums of prices far from overflowing.
	maxPrice = 1_000_000 * unit
)

// ParsePrice reads a decimal number that is not negative.
func ParsePrice(s string) (Price, error) {
	whole, fraction, point := strings.Cut(strings.TrimSpace(s), ".")
	if len(fraction) > decimals || point && fraction == "" {
		return 0, errPrice
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 63)
	if err != nil || whole == "" || n > maxPrice {
		return 0, errPrice
	}
	return Price(n), nil
}

// Of is what some bytes cost in a month, rounded to the nearest billionth.
func (p Price) Of(bytes int64) Money {
	const half = 1 << 29 // of a GiB
	high, low := bits.Mul64(uint64(p), uint64(max(bytes, 0)))
	low, carry := bits.Add64(low, half, 0)
	high += carry
	if high >= 1<<29 {
		return math.MaxInt64
	}
	return Money(high<<34 | low>>30)
}

// String returns what ParsePrice reads.
func (p Price) String() string {
	text := strings.TrimRight(fmt.Sprintf("%d.%09d", p/unit, p%unit), "0")
	return strings.TrimSuffix(text, ".")
}

// MarshalText returns String.
func (p Price) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParsePrice does.
func (p *Price) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrice(string(text))
	return err
}

// Plus is the sum of two amounts.
func (m Money) Plus(other Money) Money {
	if m > math.MaxInt64-other {
		return math.MaxInt64
	}
	return m + other
}

// String writes the amount with two decimals, rounded to the nearest.
func (m Money) String() string {
	const hundredth = unit / 100
	cents := m / hundredth
	if m%hundredth >= hundredth/2 {
		cents++
	}
	return fmt.Sprintf("%d.%02d", cents/100, cents%100)
}

// MarshalText returns String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Pricing is what keeping costs in one place; nil where that is not known.
type Pricing struct {
	Currency string
	Price    Price
}

// Monthly is what some bytes cost in a month; both are empty where that is not known.
type Monthly struct {
	PerMonth *Money `json:"perMonth,omitempty"`
	Currency string `json:"currency,omitempty"`
}

// Of is what some bytes cost.
func (p *Pricing) Of(bytes int64) Monthly {
	if p == nil {
		return Monthly{}
	}
	money := p.Price.Of(bytes)
	return Monthly{&money, p.Currency}
}

// Text is the amount behind something that is said, or nothing.
func (m Monthly) Text() string {
	if m.PerMonth == nil {
		return ""
	}
	return m.PerMonth.String() + " " + m.Currency + " a month"
}
