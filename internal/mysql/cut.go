package mysql

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
)

const (
	// assumedRow is the size of a row where the server has no estimate.
	assumedRow = 100
	minRows    = 1000
	// overfull is how many times its reckoned rows a range may hold before
	// the rest is cut again: estimates are off, and keys have gaps and lumps.
	overfull = 2
)

// pace says how a table is cut, reckoned from the server's estimates.
type pace struct {
	chunkBytes int64 // where a file is cut
	rangeRows  int64 // rows that a range should hold
	ranges     int64 // ranges that the table should give
}

// reckon aims at chunks of the configured size, and at smaller ones where a
// table would otherwise not keep all workers busy to the end.
func reckon(t *table, chunkSize int64, workers int) pace {
	share := t.estimatedBytes / int64(4*workers)
	p := pace{chunkBytes: min(chunkSize, max(share, chunkSize/8))}
	rowBytes := int64(assumedRow)
	if t.estimatedRows > 0 {
		rowBytes = max(1, t.estimatedBytes/t.estimatedRows)
	}
	p.rangeRows = max(minRows, p.chunkBytes/rowBytes)
	p.ranges = max(1, (t.estimatedRows+p.rangeRows-1)/p.rangeRows)
	return p
}

// cutter cuts a range of a table's key into ranges that one worker reads in
// one go. Wherever it cuts, the ranges together are exactly the range.
type cutter struct {
	query func(ctx context.Context, query string, each func(values [][]byte) error) error
	table *tableRun
}

// cut passes the ranges on as it finds them, and leaves in r what is not yet
// passed on.
func (c *cutter) cut(ctx context.Context, r *keyRange, pieces int64, found func(keyRange)) error {
	if c.table.Key.integer() {
		return c.cutInteger(ctx, r, pieces, found)
	}
	return c.walk(ctx, r, found)
}

// cutInteger reckons equal ranges between the least and the greatest key.
func (c *cutter) cutInteger(ctx context.Context, r *keyRange, pieces int64, found func(keyRange)) error {
	key := c.table.Key
	name := quoteName(key.Columns[0].Name)
	low, high := "", ""
	query := fmt.Sprintf("SELECT CONCAT(MIN(%s)), CONCAT(MAX(%s)) FROM %s%s", name, name, c.table.from(), r.where(key))
	err := c.query(ctx, query, func(values [][]byte) error {
		low, high = string(values[0]), string(values[1])
		return nil
	})
	if err != nil {
		return fmt.Errorf("cut table into ranges: %w", err)
	}
	if low == "" {
		return nil // no row is left
	}
	bounds, err := integerBounds(low, high, pieces)
	if err != nil {
		return err
	}
	for _, bound := range bounds {
		found(keyRange{after: r.after, upTo: position{bound}})
		r.after = position{bound}
	}
	found(*r)
	return nil
}

// integerBounds returns up to pieces-1 integers that lie in equal distances
// in [low, high): each is the last key of its piece. Signed and unsigned keys
// of 64 bits are alike, since only the distance is reckoned with.
func integerBounds(low, high string, pieces int64) ([]string, error) {
	signed := low[0] == '-'
	from, err := parseKey(low)
	if err != nil {
		return nil, err
	}
	to, err := parseKey(high)
	if err != nil {
		return nil, err
	}
	distance := to - from // modulo 2^64
	n := uint64(max(1, pieces))
	if distance < n {
		n = max(1, distance)
	}
	bounds := make([]string, 0, n-1)
	for i := uint64(1); i < n; i++ {
		hi, lo := bits.Mul64(distance, i)
		step, _ := bits.Div64(hi, lo, n) // hi < n, since i < n
		bounds = append(bounds, formatKey(from+step, signed))
	}
	return bounds, nil
}

func parseKey(s string) (uint64, error) {
	if s[0] == '-' {
		n, err := strconv.ParseInt(s, 10, 64)
		return uint64(n), err //nolint:gosec // two's complement, on purpose
	}
	return strconv.ParseUint(s, 10, 64)
}

func formatKey(n uint64, signed bool) string {
	if signed {
		return strconv.FormatInt(int64(n), 10) //nolint:gosec // two's complement, on purpose
	}
	return strconv.FormatUint(n, 10)
}

// walk steps along the key by the wanted number of rows, so that any type and
// collation will do: the server alone compares. It reads the index once, many
// times faster than the rows are read, and the first ranges are on their way
// while it goes on.
func (c *cutter) walk(ctx context.Context, r *keyRange, found func(keyRange)) error {
	key := c.table.Key
	for {
		query := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s)%s ORDER BY %s LIMIT 1 OFFSET %d", key.selectList(c.table.Columns), c.table.from(),
			quoteName(key.Index), r.where(key), key.order(), c.table.pace.rangeRows-1)
		var next position
		err := c.query(ctx, query, func(values [][]byte) error {
			next = make(position, len(values))
			for i := range values {
				next[i] = key.Columns[i].literal(values[i])
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("cut table into ranges: %w", err)
		}
		if next == nil {
			found(*r)
			return nil
		}
		found(keyRange{after: r.after, upTo: next})
		r.after = next
	}
}
