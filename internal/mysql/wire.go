package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	mysql "github.com/go-sql-driver/mysql"
)

// rowReader runs a query over a connection on which a session has been opened,
// and reads its rows without a copy or an allocation per value, which make up
// a fifth of the work of a dump when they go through the driver. It speaks the
// text protocol as MySQL's documentation of the client/server protocol has it
// (COM_QUERY response). It is not safe for concurrent use.
type rowReader struct {
	conn net.Conn
	idle time.Duration // longest silence of the server; 0 is without end

	buf        []byte
	start, end int    // of what was read and not consumed yet
	long       []byte // a row that takes more than one packet
	wide       wideRow
	wideHeld   bool
	sequence   byte
	values     [][]byte
}

// readSize is how much is asked of the connection at a time.
const readSize = 128 << 10

const (
	comQuery = 0x03

	headerOK    = 0x00
	headerNull  = 0xfb // also: the server asks for a local file
	headerEOF   = 0xfe
	headerError = 0xff

	maxPacket = 1<<24 - 1 // a payload of that length goes on in the next packet
	shortEOF  = 5         // length of the packet between columns and rows, for old clients
)

// newRowReader returns a reader that takes wide rows in turn with others.
func newRowReader(conn net.Conn, idle time.Duration, wide wideRow) *rowReader {
	return &rowReader{conn: conn, idle: idle, wide: wide}
}

// errProtocol means that the server sent what the protocol does not allow.
var errProtocol = errors.New("the server's answer is not of the form it must be")

// query runs the query and calls each for every row. Values are valid only
// during the call; nil is NULL. An error that the server sent is a
// *mysql.MySQLError and leaves the session usable; after any other error the
// connection has to be closed.
func (r *rowReader) query(ctx context.Context, query string, each func(values [][]byte) error) (err error) {
	// Both the end of ctx and a silent server end a read (invariant 9).
	stop := context.AfterFunc(ctx, func() { _ = r.conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		r.giveWide()
		if !stop() && ctx.Err() != nil && err != nil {
			err = ctx.Err()
		}
	}()
	if err := r.send(query); err != nil {
		return err
	}
	columns, err := r.columns(ctx)
	if err != nil {
		return err
	}
	if cap(r.values) < columns {
		r.values = make([][]byte, columns)
	}
	for {
		packet, err := r.packet(ctx)
		if err != nil {
			return err
		}
		switch {
		case packet[0] == headerError:
			return serverSent(packet)
		case packet[0] == headerEOF && len(packet) < maxPacket:
			return r.conn.SetDeadline(time.Time{})
		}
		values := r.values[:columns]
		if err := splitRow(packet, values); err != nil {
			return err
		}
		if err := each(values); err != nil {
			return err
		}
	}
}

func (r *rowReader) send(query string) error {
	length := 1 + len(query)
	if length >= maxPacket {
		return fmt.Errorf("query of %d bytes: %w", len(query), errProtocol)
	}
	packet := make([]byte, 0, 4+length)
	packet = append(packet, byte(length), byte(length>>8), byte(length>>16), 0, comQuery)
	packet = append(packet, query...)
	if err := r.extend(r.conn.SetWriteDeadline); err != nil {
		return err
	}
	r.sequence = 1
	_, err := r.conn.Write(packet)
	return err
}

// extend gives the server its time anew.
func (r *rowReader) extend(set func(time.Time) error) error {
	if r.idle == 0 {
		return nil
	}
	return set(time.Now().Add(r.idle))
}

// columns reads the head of a result, and returns how many columns its rows have.
func (r *rowReader) columns(ctx context.Context) (int, error) {
	packet, err := r.packet(ctx)
	if err != nil {
		return 0, err
	}
	switch packet[0] {
	case headerError:
		return 0, serverSent(packet)
	case headerOK, headerNull:
		return 0, fmt.Errorf("no rows: %w", errProtocol)
	}
	count, size, ok := lengthEncoded(packet)
	if !ok || size != len(packet) || count > 4096 { // the most columns that a server sends
		return 0, fmt.Errorf("number of columns: %w", errProtocol)
	}
	for range count {
		if _, err := r.packet(ctx); err != nil {
			return 0, err
		}
	}
	return int(count), r.skipShortEOF(ctx) // at most 4096
}

// skipShortEOF consumes the packet that stands before the rows unless client
// and server have agreed to leave it out. The last packet of a result, which
// stands here too where there are no rows, is then longer than this one.
func (r *rowReader) skipShortEOF(ctx context.Context) error {
	if err := r.fill(ctx, 4+1); err != nil {
		return err
	}
	head := r.buf[r.start:]
	if length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16; length != shortEOF || head[4] != headerEOF {
		return nil
	}
	_, err := r.packet(ctx)
	return err
}

// packet returns the next payload, which is never empty.
func (r *rowReader) packet(ctx context.Context) ([]byte, error) {
	r.giveWide() // a row that was longer than a packet is done with
	for {
		if err := r.fill(ctx, 4); err != nil {
			return nil, err
		}
		head := r.buf[r.start:]
		length, sequence := int(head[0])|int(head[1])<<8|int(head[2])<<16, head[3]
		if sequence != r.sequence || length == 0 && len(r.long) == 0 {
			return nil, fmt.Errorf("packet %d of length %d: %w", sequence, length, errProtocol)
		}
		r.sequence++
		if err := r.fill(ctx, 4+length); err != nil {
			return nil, err
		}
		payload := r.buf[r.start+4 : r.start+4+length]
		r.start += 4 + length
		if length < maxPacket && len(r.long) == 0 {
			return payload, nil
		}
		if !r.wideHeld {
			if err := r.takeWide(ctx, payload); err != nil {
				return nil, err
			}
		}
		r.long = append(r.long, payload...)
		if length < maxPacket {
			return r.long, nil
		}
	}
}

// fill reads until n bytes are there.
func (r *rowReader) fill(ctx context.Context, n int) error {
	if r.end-r.start >= n {
		return nil
	}
	r.makeRoom(n)
	for r.end-r.start < n {
		if err := r.extend(r.conn.SetReadDeadline); err != nil {
			return err
		}
		// Only now: had ctx ended before, this would have undone the deadline
		// that its end has set.
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := r.conn.Read(r.buf[r.end:])
		r.end += got
		switch {
		case r.end-r.start >= n:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the server sent nothing for %s: %w", r.idle, err)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return err
		}
	}
	return nil
}

// makeRoom moves what is left to the front of a buffer that takes n bytes. The
// buffer of a long row is given back behind it (invariant 7).
func (r *rowReader) makeRoom(n int) {
	left := r.buf[r.start:r.end]
	if len(r.buf) < n || len(r.buf) > readSize && n <= readSize {
		r.buf = make([]byte, max(n, len(left), readSize))
	}
	r.end = copy(r.buf, left)
	r.start = 0
}

// splitRow takes a row apart.
func splitRow(packet []byte, values [][]byte) error {
	at := 0
	for i := range values {
		if at >= len(packet) {
			return fmt.Errorf("a row ends in its column %d: %w", i+1, errProtocol)
		}
		length := int(packet[at])
		switch {
		case length < headerNull:
			at++
		case length == headerNull:
			values[i] = nil
			at++
			continue
		default:
			long, size, ok := lengthEncoded(packet[at:])
			if !ok || long > uint64(len(packet)) {
				return fmt.Errorf("a row ends in its column %d: %w", i+1, errProtocol)
			}
			length = int(long) // no longer than the packet
			at += size
		}
		if length > len(packet)-at {
			return fmt.Errorf("a row ends in its column %d: %w", i+1, errProtocol)
		}
		values[i] = packet[at : at+length : at+length]
		at += length
	}
	if at != len(packet) {
		return fmt.Errorf("a row goes on behind its last column: %w", errProtocol)
	}
	return nil
}

// lengthEncoded reads an integer of the protocol's own form, and how long it is.
func lengthEncoded(p []byte) (n uint64, size int, ok bool) {
	if len(p) == 0 {
		return 0, 0, false
	}
	switch p[0] {
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	case headerNull, headerError:
		return 0, 0, false
	default:
		return uint64(p[0]), 1, true
	}
	if len(p) < size {
		return 0, 0, false
	}
	var wide [8]byte
	copy(wide[:], p[1:size])
	return binary.LittleEndian.Uint64(wide[:]), size, true
}

// serverSent reads the server's error.
func serverSent(packet []byte) error {
	if len(packet) < 3 {
		return fmt.Errorf("error packet: %w", errProtocol)
	}
	sent := &mysql.MySQLError{Number: binary.LittleEndian.Uint16(packet[1:])}
	text := packet[3:]
	if len(text) >= 6 && text[0] == '#' {
		copy(sent.SQLState[:], text[1:6])
		text = text[6:]
	}
	sent.Message = string(text)
	return sent
}
