package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Body is what a driver's Open returns of an answer whose length is known: it turns
// one that ends early into an error, and tells the generation (Generational).
type Body struct {
	From      io.ReadCloser
	Left      int64 // bytes that are still to come
	Generated string
	MapError  func(error) error // names the object; nil stays nil
}

// EmptyBody is the one that has no bytes.
func EmptyBody(generation string) *Body {
	return &Body{From: io.NopCloser(strings.NewReader("")), Generated: generation}
}

// Generation implements Generational.
func (b *Body) Generation() string { return b.Generated }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.From.Read(p)
	b.Left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && b.Left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, b.MapError(err)
}

// Close implements io.Closer.
func (b *Body) Close() error { return b.From.Close() }

// OpenEnd serves the one range that services have no answer to: from the end of the
// object to its end.
func OpenEnd(ctx context.Context, r Reader, name string, offset, length int64) (io.ReadCloser, error) {
	info, err := r.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if offset != info.Size || length > 0 {
		return nil, OutOfRange(name, offset, length, info.Size)
	}
	return EmptyBody(info.Generation), nil
}

// OutOfRange says that an object of some bytes does not have a range.
func OutOfRange(name string, offset, length, size int64) error {
	return fmt.Errorf("open %q: range %d+%d is not within its %d bytes", name, offset, length, size)
}
