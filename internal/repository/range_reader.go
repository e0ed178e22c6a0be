package repository

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// ageChunk is an encrypted chunk of age's STREAM: 64 KiB and a 16 byte tag.
const (
	agePlainChunk = 64 << 10
	ageChunk      = agePlainChunk + 16
	// ageHead is enough for the header of a pack, which has one recipient,
	// post-quantum ones included, and the nonce.
	ageHead = 8 << 10
)

// rangeReader serves age's random reads of one extent with three requests: the
// head, the final chunk (which age authenticates the size with), and the
// chunks of the extent as one stream. Each is read once and in order, as age
// does. It is not safe for concurrent use.
type rangeReader struct {
	ctx      context.Context // of OpenExtent; io.ReaderAt takes none
	contents *contents
	pack     File
	name     string
	size     int64
	extent   Extent

	head   []byte
	tail   []byte // the bytes from tailAt on
	tailAt int64
	stream io.ReadCloser
	at     int64 // position of stream
	err    error // what the storage ended with
}

// ReadAt implements io.ReaderAt for the reads that age makes.
func (r *rangeReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.readAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (r *rangeReader) readAt(p []byte, off int64) (int, error) {
	if err := r.fetchEnds(); err != nil {
		return 0, err
	}
	switch {
	case off+int64(len(p)) <= int64(len(r.head)):
		return copy(p, r.head[off:]), nil
	case off < int64(len(r.head)) && off+int64(len(p)) <= ageHead:
		return copy(p, r.head[off:]), io.EOF
	case off >= r.tailAt:
		n := copy(p, r.tail[off-r.tailAt:])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	default:
		return r.readStream(p, off)
	}
}

func (r *rangeReader) fetchEnds() (err error) {
	if r.head != nil {
		return nil
	}
	if r.head, err = r.fetch(0, min(ageHead, r.size)); err != nil {
		return err
	}
	r.tailAt = max(0, r.size-ageChunk)
	r.tail, err = r.fetch(r.tailAt, r.size-r.tailAt)
	return err
}

func (r *rangeReader) fetch(off, length int64) ([]byte, error) {
	body, err := r.open(off, length)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, length)
	_, err = r.fill(body, buf)
	return buf, errors.Join(err, body.Close())
}

// open opens a range. A range that does not lie within the object is an error
// of the storage like any other: its size tells whether bytes are missing.
func (r *rangeReader) open(off, length int64) (io.ReadCloser, error) {
	body, err := r.contents.open(r.ctx, r.pack, off, length)
	if err == nil || errors.Is(err, storage.ErrNotExist) {
		return body, err
	}
	if damage, again := r.contents.look(r.ctx, r.pack); again == nil && (damage == Truncated || damage == Altered) {
		return nil, r.short()
	}
	return nil, err
}

func (r *rangeReader) short() error {
	return fmt.Errorf("%w: it does not have its %d bytes", seal.ErrAltered, r.size)
}

// fill is io.ReadFull, but for an end that comes too early: that is altered
// bytes, and not the network's own io.ErrUnexpectedEOF.
func (r *rangeReader) fill(body io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = body.Read(p[n:])
		n += more
	}
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, r.short()
	default:
		return n, err
	}
}

func (r *rangeReader) readStream(p []byte, off int64) (int, error) {
	if r.stream == nil || r.at != off {
		if err := r.Close(); err != nil {
			return 0, err
		}
		// Whole chunks up to the end of the extent, and some room for the head.
		end := min(r.size, (((r.extent.Offset+r.extent.Length)/agePlainChunk)+1)*ageChunk+ageHead)
		end = max(end, min(r.size, off+int64(len(p))))
		var err error
		if r.stream, err = r.open(off, end-off); err != nil {
			return 0, err
		}
		r.at = off
	}
	n, err := r.fill(r.stream, p)
	r.at += int64(n)
	return n, err
}

// blame prefers what the storage said over what age made of it.
func (r *rangeReader) blame(err error) error {
	var noKey *seal.KeyError
	switch {
	case r.err != nil:
		return r.err
	case errors.As(err, &noKey):
		return noKey.Err
	case fault.KindOf(err) != fault.Failed:
		return err
	default:
		return fmt.Errorf("%w: %w", seal.ErrAltered, err)
	}
}

// Close ends the stream.
func (r *rangeReader) Close() error {
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	return err
}
