package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// streamRows runs query and calls each for every row. It goes past
// database/sql, which would convert and copy every value: the values are the
// driver's own buffer and valid only during the call; nil is NULL. It returns
// nil only if the server said that the last row was the last (invariant 2).
func streamRows(ctx context.Context, conn *sql.Conn, query string, each func(values [][]byte) error) error {
	return conn.Raw(func(raw any) error {
		open, ok := raw.(interface {
			driver.Conn
			driver.QueryerContext
		})
		if !ok {
			return errors.New("the driver has no QueryContext")
		}
		rows, err := open.QueryContext(ctx, query, nil)
		if err != nil {
			return clean(err)
		}
		if err := drain(rows, each); err != nil {
			var sent *serverError
			if !errors.As(err, &sent) {
				// Rows are left in the stream, perhaps millions: closing the
				// connection ends the query at the server too.
				_ = open.Close()
			}
			_ = rows.Close() // says nothing that the first error does not
			return err
		}
		return clean(rows.Close())
	})
}

func drain(rows driver.Rows, each func(values [][]byte) error) error {
	sent := make([]driver.Value, len(rows.Columns()))
	values := make([][]byte, len(sent))
	for {
		if err := rows.Next(sent); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return clean(err)
		}
		for i, v := range sent {
			switch v := v.(type) {
			case []byte:
				values[i] = v
			case nil:
				values[i] = nil
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
