package mysql

import (
	"bytes"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// plainCharsets are those in which any text of ASCII characters is valid, and
// whose other text can be told to be. The server refuses a literal that is not.
var plainCharsets = []string{"ascii", "latin1", "utf8mb3", "utf8mb4", "utf8"}

// between returns the condition "at or behind some key that may lie in the
// middle of low and high". It is a guess: in another collation the key may lie
// elsewhere, and there may be no rows near it. Not ok where there is nothing to
// guess from.
func (k *key) between(low, high keyValues) (condition string, ok bool) {
	equal := ""
	for i := range k.Columns {
		c := &k.Columns[i]
		if bytes.Equal(low[i], high[i]) {
			equal += quoteName(c.Name) + " = " + c.literal(low[i]) + " AND "
			continue
		}
		var middle []byte
		switch {
		case slices.Contains(integerTypes, c.Type):
			middle, ok = middleNumber(low[i], high[i])
		case slices.Contains(stringTypes, c.Type) && slices.Contains(plainCharsets, c.Charset):
			small, large := lowerLetters(low[i]), lowerLetters(high[i])
			middle, ok = middleText(small, large, alphabetOf(small, large))
			ok = ok && (c.Charset == "latin1" || utf8.Valid(middle))
		case slices.Contains(binaryTypes, c.Type):
			middle, ok = middleText(low[i], high[i], allBytes)
		}
		return "(" + equal + quoteName(c.Name) + " >= " + c.literal(middle) + ")", ok
	}
	return "", false
}

// middleNumber returns the integer half way up from low to high. Signed and
// unsigned ones of 64 bits are alike, since only the distance is reckoned with.
func middleNumber(low, high []byte) (middle []byte, ok bool) {
	from, err := parseKey(string(low))
	if err != nil {
		return nil, false
	}
	to, err := parseKey(string(high))
	if err != nil {
		return nil, false
	}
	distance := to - from // modulo 2^64
	n := from + distance/2 + distance%2
	if low[0] == '-' {
		return strconv.AppendInt(nil, int64(n), 10), true // two's complement, on purpose
	}
	return strconv.AppendUint(nil, n, 10), true
}

func parseKey(s string) (uint64, error) {
	if s[0] == '-' {
		n, err := strconv.ParseInt(s, 10, 64)
		return uint64(n), err // two's complement, on purpose
	}
	return strconv.ParseUint(s, 10, 64)
}

// guessed is how many characters behind the common beginning are reckoned with.
const guessed = 8

// middleText reads the first characters in which low and high differ as digits
// of a number to the base of the alphabet, and returns the number half way.
func middleText(low, high, alphabet []byte) (middle []byte, ok bool) {
	common := 0
	for common < min(len(low), len(high)) && low[common] == high[common] {
		common++
	}
	from, to := digits(low[common:], alphabet), digits(high[common:], alphabet)
	if to <= from {
		return nil, false
	}
	sum, carry := bits.Add64(from, to, 1) // rounded up: the middle is not low itself
	n := sum/2 | carry<<63
	base := uint64(len(alphabet))
	middle = append(slices.Clone(low[:common]), make([]byte, guessed)...)
	for i := guessed - 1; i >= 0; i-- {
		middle[common+i] = alphabet[n%base]
		n /= base
	}
	return middle, true
}

// digits reads text as a number of so many digits. What is short ends in zeros,
// and what is no digit is taken for the nearest: it is but a guess.
func digits(text, alphabet []byte) (n uint64) {
	for i := range guessed {
		digit := 0
		if i < len(text) {
			digit, _ = slices.BinarySearch(alphabet, text[i])
			digit = min(digit, len(alphabet)-1)
		}
		n = n*uint64(len(alphabet)) + uint64(digit) // not negative, and 256^8 - 1 is the most
	}
	return n
}

// lowerLetters makes capital letters small: most collations see no difference.
func lowerLetters(text []byte) []byte {
	lower := slices.Clone(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// Alphabets of keys, each in the order of its bytes.
var (
	allBytes  = byteRange(0, 255)
	decimals  = byteRange('0', '9')
	printable = byteRange(' ', '~')
)

// alphabetOf returns the characters that keys like these are made of: two
// decimal numbers lead to another guess than two words.
func alphabetOf(keys ...[]byte) []byte {
	highest, decimal := byte('f'), true
	for _, c := range bytes.Join(keys, nil) {
		switch {
		case '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z':
			decimal = false
			highest = max(highest, c)
		default:
			return printable
		}
	}
	switch {
	case decimal:
		return decimals
	case highest > 'f':
		highest = 'z'
	}
	return append(slices.Clone(decimals), byteRange('a', highest)...)
}

func byteRange(from, to byte) []byte {
	all := make([]byte, 0, int(to)-int(from)+1)
	for c := int(from); c <= int(to); c++ {
		all = append(all, byte(c)) // at most 255
	}
	return all
}
