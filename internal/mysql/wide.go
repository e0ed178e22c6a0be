package mysql

import (
	"context"
	"slices"
)

// wideRow is the only place for a row of more than one packet (16 MiB) that the
// readers of a server share: each waits for its turn, so that memory is bounded
// by one such row, however many sessions meet some (invariant 7). The server
// bears with the wait: see net_write_timeout.
type wideRow chan []byte

func newWideRow() wideRow {
	w := make(wideRow, 1)
	w <- nil
	return w
}

// takeWide waits for the place, and makes it large enough for the row that
// begins so, as far as can be told.
func (r *rowReader) takeWide(ctx context.Context, begins []byte) error {
	select {
	case place := <-r.wide:
		r.long = slices.Grow(place[:0], rowLength(begins))
		r.wideHeld = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveWide lets the next one have the place.
func (r *rowReader) giveWide() {
	if r.wideHeld {
		r.wide <- r.long[:0]
		r.long, r.wideHeld = nil, false
	}
}

// rowLength reckons the length of a row from its beginning: to the end of the
// value that goes beyond it, and something for small ones behind it.
func rowLength(begins []byte) int {
	at := 0
	for at < len(begins) {
		if begins[at] == headerNull {
			at++
			continue
		}
		length, size, ok := lengthEncoded(begins[at:])
		if !ok || length > maxWide {
			break
		}
		at += size + int(length) // bounded
	}
	return max(at, len(begins)) + readSize
}

// maxWide is the longest row that a server sends (max_allowed_packet).
const maxWide = 1 << 30
