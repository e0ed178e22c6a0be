package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// assumedRow is the size of a row where the server has no estimate.
	assumedRow = 100
	minRows    = 1000
	// overfull is how many times its reckoned rows a range may hold before the
	// rest is cut again, and a chunk its reckoned bytes: estimates are off, and
	// keys have gaps and lumps.
	overfull = 2
)

// pace says how a table is cut, reckoned from the server's estimates.
type pace struct {
	fileBytes  int64 // of a chunk; it has up to overfull times as many
	rangeBytes int64 // that a range should hold
	rangeRows  int64 // and how many rows that is
	ranges     int64 // that the table should give
}

const (
	// rangesEach and filesEach are how many ranges and how many chunks, at least, a
	// table is to give each worker, where that does not make them too small. So
	// many ranges keep all workers busy to the end. Of its chunks each worker loses
	// one when a restore is killed, and sends it again. A range costs the server
	// some dives into the index, and what a file costs is little.
	rangesEach = 4
	filesEach  = 32
	// leastRange and leastFile are the parts of the configured size that a range
	// and a chunk have, however small their table is.
	leastRange = 8
	leastFile  = 64
)

// reckon aims at chunks of the configured size, and at smaller ones where a table
// would give too few of those.
func reckon(t *table, chunkSize int64, workers int) pace {
	share := t.estimatedBytes / int64(workers)
	p := pace{
		fileBytes:  min(chunkSize, max(share/(overfull*filesEach), chunkSize/leastFile)),
		rangeBytes: min(chunkSize, max(share/rangesEach, chunkSize/leastRange)),
	}
	rowBytes := int64(assumedRow)
	if t.estimatedRows > 0 {
		rowBytes = max(1, t.estimatedBytes/t.estimatedRows)
	}
	p.rangeRows = max(minRows, p.rangeBytes/rowBytes)
	p.ranges = max(1, (t.estimatedRows+p.rangeRows-1)/p.rangeRows)
	return p
}

// cutter cuts a range of a table's key into ranges that one worker reads in
// one go. Wherever it cuts, the ranges together are exactly the range: it cuts
// at keys that are there, and the server alone compares.
//
// It halves a range at a key that is guessed from the range's first and last,
// and goes on with whichever half holds too many rows by the optimizer's
// estimate. That costs some dives into the index. Only where no guess comes to
// anything does it walk along the index, which reads all of it.
type cutter struct {
	query   func(ctx context.Context, query string, each func(values [][]byte) error) error
	explain func(ctx context.Context, query string) ([]record, error)

	table *tableRun
	rows  int64          // that a range should hold
	found func(keyRange) // is told of each range, in ascending order
	left  int64          // how often it may halve
}

// keyValues are a row's values of the key's columns, as read.
type keyValues [][]byte

// span is a range with the keys of its first and last row, and about how many
// rows it has.
type span struct {
	keyRange
	low, high keyValues
	rows      int64
}

// cut cuts a range that is thought to give so many pieces.
func (c *cutter) cut(ctx context.Context, r keyRange, pieces int64) error {
	c.left = 8*pieces + 64
	whole := span{keyRange: r, rows: pieces * c.rows}
	var err error
	if whole.low, err = c.edge(ctx, r, first); err != nil || whole.low == nil {
		return err // no row is left
	}
	if whole.high, err = c.edge(ctx, r, last); err != nil || whole.high == nil {
		return err
	}
	return c.halve(ctx, whole)
}

// halve cuts a span until no part of it has too many rows.
func (c *cutter) halve(ctx context.Context, s span) error {
	if 2*s.rows <= 3*c.rows {
		c.found(s.keyRange)
		return nil
	}
	if c.left--; c.left < 0 {
		return c.walk(ctx, s.keyRange)
	}
	left, right, ok, err := c.split(ctx, s)
	if err != nil {
		return err
	}
	if !ok {
		return c.walk(ctx, s.keyRange)
	}
	if err := c.halve(ctx, left); err != nil {
		return err
	}
	return c.halve(ctx, right)
}

// split cuts a span in two at a guessed key; not ok where that comes to nothing.
func (c *cutter) split(ctx context.Context, s span) (left, right span, ok bool, err error) {
	key := c.table.Key
	guess, ok := key.between(s.low, s.high)
	if !ok {
		return left, right, false, nil
	}
	middle, err := c.edge(ctx, s.keyRange, first, guess)
	if err != nil || middle == nil {
		return left, right, false, err
	}
	before, err := c.edge(ctx, s.keyRange, last, key.beyond(key.place(middle), "<", "<"))
	if err != nil || before == nil {
		return left, right, false, err
	}
	at := key.place(before)
	left = span{keyRange: keyRange{after: s.after, upTo: at}, low: s.low, high: before}
	right = span{keyRange: keyRange{after: at, upTo: s.upTo}, low: middle, high: s.high}
	for _, part := range []*span{&left, &right} {
		if part.rows, err = c.estimate(ctx, part.keyRange); err != nil {
			return left, right, false, err
		}
	}
	return left, right, true, nil
}

// The two ends of a range.
const (
	first = ""
	last  = " DESC"
)

// edge returns the first or last key of a range that meets further conditions,
// or nil where there is no row.
func (c *cutter) edge(ctx context.Context, r keyRange, end string, further ...string) (keyValues, error) {
	key := c.table.Key
	query := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s)%s ORDER BY %s LIMIT 1", key.selectList(c.table.Columns), c.table.from(),
		quoteName(key.Index), c.table.where(r, further...), key.order(end))
	return c.one(ctx, query)
}

// one returns the only row of a query, or nil where there is none.
func (c *cutter) one(ctx context.Context, query string) (found keyValues, err error) {
	err = c.query(ctx, query, func(values [][]byte) error {
		found = make(keyValues, len(values))
		for i := range values {
			found[i] = slices.Clone(values[i])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cut table into ranges: %w", err)
	}
	return found, nil
}

// estimate asks the optimizer how many rows a range has. It dives into the
// index for that, and reads no row. Told to use the index by force it would
// not even dive. What is more than half of a table it calls a half.
func (c *cutter) estimate(ctx context.Context, r keyRange) (int64, error) {
	key := c.table.Key
	records, err := c.explain(ctx, fmt.Sprintf("EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM %s USE INDEX (%s)%s",
		c.table.from(), quoteName(key.Index), c.table.where(r)))
	if err != nil {
		return 0, fmt.Errorf("estimate the rows of a range: %w", err)
	}
	rows := int64(0)
	for _, r := range records {
		rows += r.number("rows")
	}
	return rows, nil
}

// walk steps along the key by the wanted number of rows. It reads the index
// once, many times faster than the rows are read, and the first ranges are on
// their way while it goes on.
func (c *cutter) walk(ctx context.Context, r keyRange) error {
	key := c.table.Key
	for {
		next, err := c.one(ctx, fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s)%s ORDER BY %s LIMIT 1 OFFSET %d", key.selectList(c.table.Columns), c.table.from(),
			quoteName(key.Index), c.table.where(r), key.order(first), c.rows-1))
		if err != nil {
			return err
		}
		if next == nil {
			c.found(r)
			return nil
		}
		at := key.place(next)
		c.found(keyRange{after: r.after, upTo: at})
		r.after = at
	}
}

// finestPiece is how small a range is cut at the end of a dump, in bytes:
// below that, another file costs more than an idle worker.
const finestPiece = 1 << 20

// finer returns into how many pieces a range is to be cut so that it keeps all
// workers busy when there is nothing else to do; 1: not at all.
func (t *tableRun) finer(workers int) int64 {
	return max(1, min(int64(2*workers), min(t.estimatedBytes, t.pace.rangeBytes)/finestPiece))
}

// whereAll joins conditions to a WHERE, or to nothing.
func whereAll(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}
