package dir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// reader reads a range of an open file.
type reader struct {
	ctx        context.Context // of Open: it governs the reads as well
	file       *os.File
	name       string
	generation string
	left       int64
}

func newReader(ctx context.Context, f *os.File, name string, offset, length int64) (*reader, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, mapError("open", name, err)
	}
	if !fi.Mode().IsRegular() {
		return nil, irregular("open", name, fi.Mode())
	}
	if length < 0 {
		length = fi.Size() - offset
	}
	if offset < 0 || length < 0 || length > fi.Size()-offset {
		return nil, storage.OutOfRange(name, offset, length, fi.Size())
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, mapError("open", name, err)
	}
	return &reader{ctx: ctx, file: f, name: name, generation: info(name, fi).Generation, left: length}, nil
}

// Generation implements storage.Generational.
func (r *reader) Generation() string { return r.generation }

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.file.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) { // the file was cut while it was being read
		err = io.ErrUnexpectedEOF
	}
	return n, mapError("read", r.name, err)
}

func (r *reader) Close() error { return r.file.Close() }
