package seed

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"
)

// row writes the values of one row as SQL literals, column by column.
type row struct {
	*rand.Rand
	sql    []byte // the statement so far
	n      int64  // which row of its table
	column int    // which of its columns comes next
}

func (w *row) open() {
	w.sql = append(w.sql, '(')
	w.column = 0
}

func (w *row) close() {
	w.sql = append(w.sql, ')')
}

// next begins a column.
func (w *row) next() {
	if w.column > 0 {
		w.sql = append(w.sql, ',')
	}
	w.column++
}

// literal writes SQL as it stands.
func (w *row) literal(sql string) {
	w.next()
	w.sql = append(w.sql, sql...)
}

func (w *row) null() { w.literal("NULL") }

func (w *row) number(v int64) {
	w.next()
	w.sql = strconv.AppendInt(w.sql, v, 10)
}

func (w *row) flag(v bool) {
	if v {
		w.number(1)
	} else {
		w.number(0)
	}
}

func (w *row) text(s string) {
	w.next()
	w.sql = appendQuoted(w.sql, s)
}

// bytes writes a value that belongs to no character set.
func (w *row) bytes(b []byte) {
	w.next()
	w.sql = append(w.sql, "x'"...)
	w.sql = hex.AppendEncode(w.sql, b)
	w.sql = append(w.sql, '\'')
}

// label writes a nullable text: nasty ones in the first rows of a table, so that
// even a small table has its share, and in some of the others; otherwise s.
func (w *row) label(s string, characters int) {
	choices := len(nastyTexts) + 1 // the last one is NULL
	switch pick, nasty := w.nasty(choices); {
	case !nasty:
		w.text(s)
	case pick == len(nastyTexts):
		w.null()
	default:
		w.text(cut(nastyTexts[pick], characters))
	}
}

// nasty decides whether this value is a nasty one, and which of so many. Columns
// of one row differ in their choice.
func (w *row) nasty(choices int) (int, bool) {
	if w.n < int64(choices) {
		return (int(w.n) + w.column) % choices, true
	}
	if w.Uint32()&0x7f == 0 {
		return w.IntN(choices), true
	}
	return 0, false
}

// moment writes a datetime(3).
func (w *row) moment(t time.Time) {
	w.next()
	w.sql = append(w.sql, '\'')
	w.sql = t.AppendFormat(w.sql, "2006-01-02 15:04:05.000")
	w.sql = append(w.sql, '\'')
}

// nastyMoments are dates that OpenIM and MySQL know and a calendar does not:
// "never" is Unix 0 in the zone of the pod that wrote it.
var nastyMoments = []string{
	"NULL",
	"'1970-01-01 08:00:00.000'",
	"'1970-01-01 00:00:00.000'",
	"'0000-00-00 00:00:00.000'",
	"'0001-01-01 00:00:00.000'",
	"'9999-12-31 23:59:59.999'",
	"'2026-03-29 02:30:00.001'",
}

// sometime writes a nullable datetime(3) that is often a nasty one.
func (w *row) sometime(t time.Time) {
	if pick := w.IntN(3 * len(nastyMoments)); pick < len(nastyMoments) {
		w.literal(nastyMoments[pick])
		return
	}
	w.moment(t)
}

// before is a moment up to so long before the epoch.
func (w *row) before(span time.Duration) time.Time {
	return epoch.Add(-time.Duration(w.Int64N(int64(span/time.Millisecond))) * time.Millisecond)
}

// appendQuoted writes a string literal for a session without NO_BACKSLASH_ESCAPES.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := range len(s) {
		switch c := s[i]; c {
		case 0:
			b = append(b, '\\', '0')
		case '\'', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}

// quoteName quotes the name of a schema, table or column.
func quoteName(name string) string {
	b := []byte{'`'}
	for i := range len(name) {
		if name[i] == '`' {
			b = append(b, '`')
		}
		b = append(b, name[i])
	}
	return string(append(b, '`'))
}
