package storage

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/cenkalti/backoff/v5"
)

// Generational is what a reader from Open may also be: it knows which
// generation it reads. Only such a reader can be resumed.
type Generational interface {
	// Generation is that of Info.
	Generation() string
}

func (r *retrying) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	body := &resumedReader{ctx: ctx, inner: r.inner, policy: r.policy, name: name, offset: offset, left: length}
	if err := r.policy.repeat(ctx, body.open); err != nil {
		return nil, err
	}
	return body, nil
}

// resumedReader reads one generation of an object through as many connections
// as it takes.
type resumedReader struct {
	ctx    context.Context // of Open: it governs the reads as well
	inner  Reader
	policy Policy
	name   string

	offset     int64 // of the next byte
	left       int64 // bytes to read, or negative: to the end
	generation string
	closed     bool
	body       io.ReadCloser // nil while there is none
	dog        *watchdog     // of body
}

// Generation implements Generational.
func (r *resumedReader) Generation() string { return r.generation }

func (r *resumedReader) open() error {
	dog := watch(r.ctx, r.policy.Idle)
	body, err := r.inner.Open(dog.ctx, r.name, r.offset, r.left)
	dog.rest()
	if err != nil {
		dog.stop()
		return explain(dog.ctx, err)
	}
	r.body, r.dog = body, dog
	generation := ""
	if g, ok := body.(Generational); ok {
		generation = g.Generation()
	}
	if r.generation != "" && generation != r.generation {
		r.drop()
		return fmt.Errorf("resume %q at byte %d: %w", r.name, r.offset, ErrChanged)
	}
	r.generation = generation
	return nil
}

// drop gives up the connection.
func (r *resumedReader) drop() {
	if r.body != nil {
		_ = r.body.Close() // it has failed or has been read: closing says nothing new
		r.dog.stop()
		r.body, r.dog = nil, nil
	}
}

func (r *resumedReader) Read(p []byte) (n int, err error) {
	ended := false
	err = r.policy.repeat(r.ctx, func() (err error) {
		n, err = r.readOnce(p)
		switch {
		case err == io.EOF: //nolint:errorlint // readOnce returns it bare
			ended = true
			return nil
		case n > 0 && Transient(err) && r.generation != "":
			return nil // the next Read resumes, with the clock started anew
		default:
			return err
		}
	})
	if ended {
		return n, io.EOF
	}
	return n, err
}

// readOnce reads from the present connection, or from a new one at the place
// where the last one broke.
func (r *resumedReader) readOnce(p []byte) (int, error) {
	if r.closed {
		return 0, backoff.Permanent(fs.ErrClosed)
	}
	if r.body == nil {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	r.dog.guard()
	n, err := r.body.Read(p)
	r.dog.rest()
	r.offset += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.left <= 0: //nolint:errorlint // a wrapped EOF is a broken connection
		return n, io.EOF
	case err == io.EOF: //nolint:errorlint // as above
		err = io.ErrUnexpectedEOF
	}
	err = explain(r.dog.ctx, err)
	r.drop()
	if r.generation == "" { // nothing says that it would be the same object
		r.closed = true
		return n, backoff.Permanent(err)
	}
	return n, err
}

// Close ends the read; the error of closing what was only read says nothing.
func (r *resumedReader) Close() error {
	r.closed = true
	r.drop()
	return nil
}

// Create opens the upload; until its first byte that can be repeated.
func (r *retrying) Create(ctx context.Context, name string) (Upload, error) {
	var upload *watchedUpload
	err := r.policy.repeat(ctx, func() error {
		dog := watch(ctx, r.policy.UploadIdle)
		inner, err := r.inner.Create(dog.ctx, name)
		dog.rest()
		if err != nil {
			dog.stop()
			return explain(dog.ctx, err)
		}
		upload = &watchedUpload{inner: inner, dog: dog}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return upload, nil
}

// watchedUpload ends an upload that has stalled.
type watchedUpload struct {
	inner Upload
	dog   *watchdog
}

// writePiece is what has to move within the idle time.
const writePiece = 256 << 10

func (u *watchedUpload) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), writePiece)]
		u.dog.guard()
		n, err := u.inner.Write(piece)
		u.dog.rest()
		written += n
		if err != nil {
			return written, explain(u.dog.ctx, err)
		}
		p = p[len(piece):]
	}
	return written, nil
}

func (u *watchedUpload) Commit() (Info, error) {
	u.dog.guard()
	info, err := u.inner.Commit()
	err = explain(u.dog.ctx, err)
	u.dog.stop()
	return info, err
}

func (u *watchedUpload) Abort() {
	u.inner.Abort()
	u.dog.stop()
}
