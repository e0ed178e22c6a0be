package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// streamRows runs query and calls each for every row. It goes past
// database/sql, which would convert and copy every value: the values are the
// driver's own buffer and valid only during the call; nil is NULL. It returns
// nil only if the server said that the last row was the last (invariant 2).
// Integers, which the driver may have parsed, are printed again as the server
// prints them.
func streamRows(ctx context.Context, conn *sql.Conn, query string, each func(values [][]byte) error) error {
	return conn.Raw(func(raw any) error {
		open, ok := raw.(*link)
		if !ok {
			return fmt.Errorf("the connection is a %T, not one that was opened here", raw)
		}
		return clean(open.stream(ctx, query, each))
	})
}

// stream reads the rows, from the wire itself where that can be.
func (l *link) stream(ctx context.Context, query string, each func(values [][]byte) error) error {
	if l.rows != nil {
		err := l.rows.query(ctx, query, each)
		l.closeUnlessSent(err)
		return err
	}
	rows, err := l.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	if err := drain(rows, each); err != nil {
		l.closeUnlessSent(err)
		_ = rows.Close() // says nothing that the first error does not
		return err
	}
	return rows.Close()
}

// closeUnlessSent closes the connection after an error that is not the
// server's. Rows are left in the stream, perhaps millions: this ends the query
// at the server too.
func (l *link) closeUnlessSent(err error) {
	if err != nil && !errors.As(err, new(*mysql.MySQLError)) {
		_ = l.Close() // nothing of the session is wanted any more
	}
}

func drain(rows driver.Rows, each func(values [][]byte) error) error {
	sent := make([]driver.Value, len(rows.Columns()))
	values := make([][]byte, len(sent))
	var digits []byte // of the integers of one row
	for {
		if err := rows.Next(sent); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		digits = digits[:0]
		for i, v := range sent {
			switch v := v.(type) {
			case []byte:
				values[i] = v
			case nil:
				values[i] = nil
			case int64:
				start := len(digits)
				digits = strconv.AppendInt(digits, v, 10)
				values[i] = digits[start:]
			case uint64:
				start := len(digits)
				digits = strconv.AppendUint(digits, v, 10)
				values[i] = digits[start:]
			default:
				return fmt.Errorf("column %d arrived as %T, not as the text that the server sent", i+1, v)
			}
		}
		if err := each(values); err != nil {
			return err
		}
	}
}

// digestVersion names the way a row is digested, below.
const digestVersion = 1

// inlineSize is up to what size a value is copied beside its header, so that a
// row of small values is hashed in one call.
const inlineSize = 4 << 10

// tally sums up rows: their number and the digest of each.
type tally struct {
	hasher  *seal.Hasher
	scratch []byte
	rows    int64
	digest  seal.Digest
}

func newTally(key seal.DigestKey) *tally { return &tally{hasher: seal.NewHasher(key)} }

// row adds a row. Its digest is over each captured column in ordinal order: a
// byte 0 for NULL, or a byte 1, the length as eight bytes little-endian, and
// the bytes as they stand in the chunk before escaping.
func (t *tally) row(values [][]byte) {
	t.hasher.Reset()
	buf := t.scratch[:0]
	for _, value := range values {
		if value == nil {
			buf = append(buf, 0)
			continue
		}
		buf = append(buf, 1)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(len(value)))
		if len(value) <= inlineSize {
			buf = append(buf, value...)
			continue
		}
		t.hash(buf)
		t.hash(value)
		buf = buf[:0]
	}
	t.hash(buf)
	t.scratch = buf
	t.digest.Add(t.hasher.Sum())
	t.rows++
}

func (t *tally) hash(p []byte) {
	if _, err := t.hasher.Write(p); err != nil {
		panic(err) // a hash never fails to take bytes
	}
}

// take returns what was summed up and begins anew.
func (t *tally) take() (rows int64, digest seal.Digest) {
	rows, digest = t.rows, t.digest
	t.rows, t.digest = 0, seal.Digest{}
	return rows, digest
}
