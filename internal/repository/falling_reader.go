package repository

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// fallingReader reads a range of a file, and goes on in the next place where one
// stops to answer: all places hold the same bytes, or the sums that whoever reads
// looks at last say that they do not. It is not safe for concurrent use.
type fallingReader struct {
	ctx      context.Context // of open: it governs the reads as well
	contents *contents
	file     File
	place    int
	offset   int64 // of the next byte
	left     int64 // bytes to read, or negative: to the end
	body     io.ReadCloser
	closed   bool
}

// open opens the rest of the range, in the first place that answers.
func (r *fallingReader) open() error {
	for {
		body, err := r.contents.places[r.place].Open(r.ctx, r.file.Path, r.offset, r.left)
		if err == nil {
			r.body = body
			return nil
		}
		if err := r.moveOn(err); err != nil {
			return err
		}
	}
}

// moveOn chooses another place after one has failed, or returns why there is none.
// What is wrong with the file itself is for whoever reads to judge.
func (r *fallingReader) moveOn(failed error) error {
	if r.ctx.Err() != nil || lacks(failed) {
		return failed
	}
	r.contents.leave(r.place, failed)
	place, whole, err := r.contents.find(r.ctx, r.file)
	if err != nil || !whole {
		return errors.Join(failed, err)
	}
	r.place = place
	return nil
}

func (r *fallingReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, fs.ErrClosed
	}
	n, err := r.body.Read(p)
	r.offset += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	_ = r.body.Close() // it has failed: closing says nothing new
	if err := r.moveOn(err); err != nil {
		r.closed = true
		return n, err
	}
	if r.left == 0 { // what had failed had nothing left to deliver
		return n, io.EOF
	}
	if err := r.open(); err != nil {
		r.closed = true
		return n, err
	}
	return n, nil
}

// Close ends the read.
func (r *fallingReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.body.Close()
}
