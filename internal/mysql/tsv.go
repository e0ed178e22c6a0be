package mysql

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// flushSize is how much a worker gathers before it hands it on: with the
// driver's read buffer it is all that a worker holds (invariant 7).
const flushSize = 256 << 10

// escapePiece is how much of a value is escaped at a time, so that a value of
// any size passes through the same buffer.
const escapePiece = 64 << 10

// escapes maps a byte to the one that stands behind the backslash. These are
// the default escapes of LOAD DATA, and all that it needs.
var escapes = [256]byte{0: '0', '\t': 't', '\n': 'n', '\\': '\\'}

// appendEscaped appends value as a field of a chunk.
func appendEscaped(dst, value []byte) []byte {
	for {
		plain := plainLength(value)
		dst = append(dst, value[:plain]...)
		if plain == len(value) {
			return dst
		}
		dst = append(dst, '\\', escapes[value[plain]])
		value = value[plain+1:]
	}
}

// plainLength is how many bytes of value come before the first that needs an
// escape. It looks at eight bytes at a time: nearly all are plain.
func plainLength(value []byte) int {
	n := 0
	for ; n+8 <= len(value); n += 8 {
		word := binary.LittleEndian.Uint64(value[n:])
		if found := hasByte(word, 0) | hasByte(word, '\t') | hasByte(word, '\n') | hasByte(word, '\\'); found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(value) && escapes[value[n]] == 0 {
		n++
	}
	return n
}

const (
	eachLow  = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// hasByte is not zero where one of the eight bytes of word is b, and its lowest
// bit that is set lies in the first of them; above that one it may be mistaken
// (Henry S. Warren, Hacker's Delight, 6-1).
func hasByte(word uint64, b byte) uint64 {
	word ^= eachLow * uint64(b)
	return (word - eachLow) &^ word & eachHigh
}

// tsvWriter writes rows as LOAD DATA reads them.
type tsvWriter struct {
	to      io.Writer
	buf     []byte
	written int64 // handed on to the writer
}

// reset makes the writer begin a new file.
func (t *tsvWriter) reset(to io.Writer) {
	t.to, t.buf, t.written = to, t.buf[:0], 0
}

// size is how many bytes the file has so far.
func (t *tsvWriter) size() int64 { return t.written + int64(len(t.buf)) }

// row adds a row; a nil value is NULL.
func (t *tsvWriter) row(values [][]byte) error {
	for i, value := range values {
		if i > 0 {
			t.buf = append(t.buf, '\t')
		}
		if value == nil {
			t.buf = append(t.buf, '\\', 'N')
			continue
		}
		if err := t.value(value); err != nil {
			return err
		}
	}
	t.buf = append(t.buf, '\n')
	if len(t.buf) < flushSize {
		return nil
	}
	return t.flush()
}

func (t *tsvWriter) value(value []byte) error {
	for len(value) > escapePiece {
		t.buf = appendEscaped(t.buf, value[:escapePiece])
		value = value[escapePiece:]
		if len(t.buf) >= flushSize {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	t.buf = appendEscaped(t.buf, value)
	return nil
}

func (t *tsvWriter) flush() error {
	n, err := t.to.Write(t.buf)
	t.written += int64(n)
	t.buf = t.buf[:0]
	return err
}

// tsvReader takes a chunk apart again, for a server that allows no LOAD DATA.
type tsvReader struct {
	from    *bufio.Reader
	columns int
	text    []byte // all values of the row, one after the other
	ends    []int  // where each value ends in text; -1: NULL
	values  [][]byte
}

func newTSVReader(from io.Reader, columns int) *tsvReader {
	return &tsvReader{from: bufio.NewReaderSize(from, escapePiece), columns: columns, text: make([]byte, 0, escapePiece)}
}

var errTSV = errors.New("the chunk is not the tab-separated text it must be")

// row returns the next row, valid until the next call, or io.EOF after the
// last. A nil value is NULL.
func (t *tsvReader) row() ([][]byte, error) {
	t.text, t.ends, t.values = t.text[:0], t.ends[:0], t.values[:0]
	if _, err := t.from.Peek(1); err != nil {
		return nil, err
	}
	for {
		end, err := t.field()
		if err != nil {
			return nil, err
		}
		if end == '\n' {
			break
		}
	}
	if len(t.ends) != t.columns {
		return nil, fmt.Errorf("%w: a row has %d values, want %d", errTSV, len(t.ends), t.columns)
	}
	start := 0
	for _, end := range t.ends {
		if end < 0 {
			t.values = append(t.values, nil)
			continue
		}
		t.values = append(t.values, t.text[start:end:end])
		start = end
	}
	return t.values, nil
}

// field reads one value and returns the byte that ended it.
func (t *tsvReader) field() (end byte, err error) {
	null, start := false, len(t.text)
	for {
		special, err := t.plain()
		switch {
		case errors.Is(err, io.EOF):
			return 0, fmt.Errorf("%w: it ends in the middle of a row", errTSV)
		case err != nil:
			return 0, err
		case null && len(t.text) > start:
			return 0, fmt.Errorf("%w: a NULL goes on", errTSV)
		case special == '\t' || special == '\n':
			t.ends = append(t.ends, fieldEnd(null, len(t.text)))
			return special, nil
		case null:
			return 0, fmt.Errorf("%w: a NULL goes on", errTSV)
		case special == 0:
			return 0, fmt.Errorf("%w: it holds a byte that must be escaped", errTSV)
		}
		escaped, err := t.from.ReadByte()
		if err != nil {
			return 0, fmt.Errorf("%w: it ends in the middle of an escape", errTSV)
		}
		if escaped == 'N' && len(t.text) == start {
			null = true
			continue
		}
		value := bytes.IndexByte(escapes[:], escaped)
		if value < 0 || escaped == 0 {
			return 0, fmt.Errorf("%w: it holds an unknown escape", errTSV)
		}
		t.text = append(t.text, byte(value))
	}
}

// plain adds to the text what comes before the next byte that means something,
// and returns that byte.
func (t *tsvReader) plain() (special byte, err error) {
	for {
		if _, err := t.from.Peek(1); err != nil {
			return 0, err
		}
		buffered, err := t.from.Peek(t.from.Buffered())
		if err != nil {
			return 0, err
		}
		n := plainLength(buffered)
		t.text = append(t.text, buffered[:n]...)
		found := n < len(buffered)
		if found {
			special = buffered[n]
			n++
		}
		if _, err := t.from.Discard(n); err != nil || found {
			return special, err
		}
	}
}

func fieldEnd(null bool, end int) int {
	if null {
		return -1
	}
	return end
}
