package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
)

// insertSize is about how long a multi-row INSERT gets: far below any
// max_allowed_packet, unless a single row is longer.
const insertSize = 512 << 10

// insertRows loads a chunk by INSERT, for a server that allows no LOAD DATA
// LOCAL. The values pass through the same load expressions.
func insertRows(ctx context.Context, conn *sql.Conn, t *tableLoad, stream *verifiedStream, took *outcome) error {
	in := newTSVReader(stream, len(t.Columns))
	head := "INSERT INTO " + t.into + " (" + quoteNames(columnNames(t.Columns)) + ") VALUES "
	buf := []byte(head)
	// flush sends what was gathered before end, and keeps the rest.
	flush := func(end int) error {
		if end == len(head) {
			return nil
		}
		result, err := conn.ExecContext(ctx, string(buf[:end]))
		if err != nil {
			return clean(err)
		}
		rest := bytes.TrimPrefix(buf[end:], []byte(","))
		buf = append(buf[:len(head)], rest...)
		return took.add(ctx, conn, result)
	}
	for {
		values, err := in.row()
		if errors.Is(err, io.EOF) {
			return flush(len(buf))
		}
		if err != nil {
			return err
		}
		gathered := len(buf)
		if gathered > len(head) {
			buf = append(buf, ',')
		}
		buf = t.appendRow(buf, values)
		if len(buf) < insertSize {
			continue
		}
		// Rows that fit into a packet one by one need not fit together.
		if err := flush(gathered); err != nil {
			return err
		}
		if len(buf) < insertSize {
			continue
		}
		if err := flush(len(buf)); err != nil {
			return err
		}
	}
}

func (t *table) appendRow(buf []byte, values [][]byte) []byte {
	buf = append(buf, '(')
	for i, value := range values {
		if i > 0 {
			buf = append(buf, ',')
		}
		if value == nil {
			buf = append(buf, "NULL"...)
			continue
		}
		before, after, _ := strings.Cut(t.Columns[i].loadOf(value, "\x00"), "\x00")
		buf = append(buf, before...)
		buf = appendBinaryText(buf, value)
		buf = append(buf, after...)
	}
	return append(buf, ')')
}

// quoted are the bytes that a literal cannot hold as they are.
const quoted = "\x00'\\"

// appendBinaryText appends a literal that holds exactly these bytes and is
// text to every column: a hexadecimal one would be a number to some.
func appendBinaryText(buf, value []byte) []byte {
	buf = append(buf, "_binary'"...)
	for {
		plain := bytes.IndexAny(value, quoted)
		if plain < 0 {
			break
		}
		buf = append(buf, value[:plain]...)
		if c := value[plain]; c == 0 {
			buf = append(buf, '\\', '0')
		} else {
			buf = append(buf, '\\', c)
		}
		value = value[plain+1:]
	}
	buf = append(buf, value...)
	return append(buf, '\'')
}
