package gcs

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	gcs "cloud.google.com/go/storage"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Create starts an object. Nothing is sent before a chunk is full or Commit is
// called.
func (s *Store) Create(ctx context.Context, name string) (storage.Upload, error) {
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sending, cancel := context.WithCancel(ctx)
	w := s.object(name).If(gcs.Conditions{DoesNotExist: true}).NewWriter(sending)
	w.ChunkSize = s.options.ChunkSize
	w.ChunkTransferTimeout = s.options.ChunkTimeout
	w.ChunkRetryDeadline = s.options.ChunkDeadline
	// A content type that is not given would be guessed from the content.
	w.ContentType = "application/octet-stream"
	return &upload{ctx: ctx, cancel: cancel, store: s, name: name, writer: w}, nil
}

// upload is one writer of the client library, which sends from a goroutine of
// its own and computes a checksum that the service verifies.
type upload struct {
	ctx    context.Context // of Create: Commit may have to look at what exists
	cancel context.CancelFunc
	store  *Store
	name   string
	writer *gcs.Writer

	size   int64
	crc32c uint32 // of the bytes as they were handed to us
	taken  bool   // an object of that name exists
	err    error  // why nothing more can be done
}

func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, fmt.Errorf("write %q: %w", u.name, u.err)
	}
	u.size += int64(len(p))
	u.crc32c = crc32.Update(u.crc32c, storage.Castagnoli(), p)
	if u.taken {
		return len(p), nil
	}
	n, err := u.writer.Write(p)
	if err == nil {
		return n, nil
	}
	if isTaken(err) {
		// Whether it is the same content can be told only when all of it is
		// known, so the rest is taken in and not sent.
		u.taken = true
		return len(p), nil
	}
	return n, u.fail(u.store.mapError("write", u.name, err))
}

// Commit closes the writer, which sends the rest and finishes the object.
func (u *upload) Commit() (storage.Info, error) {
	if u.err != nil {
		return storage.Info{}, fmt.Errorf("commit %q: %w", u.name, u.err)
	}
	if err := u.ctx.Err(); err != nil {
		return storage.Info{}, u.fail(err)
	}
	err := u.writer.Close()
	u.end(errors.New("upload has been committed"))
	if isTaken(err) {
		return u.compare()
	}
	if err != nil {
		return storage.Info{}, u.store.mapError("create", u.name, err)
	}
	info := u.store.info(u.writer.Attrs())
	if err := info.Check(u.size, u.crc32c); err != nil {
		return storage.Info{}, fmt.Errorf("create: %w", err)
	}
	return info, nil
}

// compare decides about a name that is taken (invariant 10): the same content
// is success, since it may be our own whose reply was lost.
func (u *upload) compare() (storage.Info, error) {
	info, err := u.store.Stat(u.ctx, u.name)
	if errors.Is(err, storage.ErrNotExist) {
		return storage.Info{}, fmt.Errorf("create %q: refused for an object that has been deleted meanwhile", u.name)
	}
	if err != nil {
		return storage.Info{}, fmt.Errorf("compare with existing: %w", err)
	}
	if info.Check(u.size, u.crc32c) != nil {
		return storage.Info{}, fmt.Errorf("create %q: %w", u.name, storage.ErrExist)
	}
	return info, nil
}

// Abort gives up. Closing a writer commits what was sent so far, so its context
// is ended first; closing it then only waits for its goroutine.
func (u *upload) Abort() {
	if u.err == nil {
		_ = u.fail(errors.New("upload has been aborted"))
	}
}

func (u *upload) fail(err error) error {
	u.end(err)
	_ = u.writer.Close() // its error is that of the context
	return err
}

func (u *upload) end(err error) {
	u.err = err
	u.cancel()
}
