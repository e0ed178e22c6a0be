package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Create starts an object in a temporary file.
func (s *Store) Create(ctx context.Context, name string) (storage.Upload, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.prepareTemp(); err != nil {
		return nil, mapCreateError(name, err)
	}
	temp := path.Join(tempDir, rand.Text())
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, mapCreateError(name, err)
	}
	return &upload{ctx: ctx, store: s, name: name, temp: temp, file: f}, nil
}

// upload is one temporary file on its way to a name.
type upload struct {
	ctx   context.Context // of Create: when it ends nothing may be committed
	store *Store
	name  string
	temp  string
	file  *os.File // nil once the upload has ended

	size   int64
	crc32c uint32
	err    error // the first failure: nothing can be committed after it
}

func (u *upload) Write(p []byte) (int, error) {
	if err := u.usable(); err != nil {
		return 0, err
	}
	n, err := u.file.Write(p)
	u.size += int64(n)
	u.crc32c = crc32.Update(u.crc32c, storage.Castagnoli(), p[:n])
	if err != nil {
		return n, u.fail(mapError("write", u.name, err))
	}
	return n, nil
}

// Commit links the file to its name. The order is what makes it safe against a
// power cut: content, then name, then the directory that holds the name.
func (u *upload) Commit() (storage.Info, error) {
	if err := u.usable(); err != nil {
		return storage.Info{}, err
	}
	if err := u.finish(); err != nil {
		return storage.Info{}, u.fail(mapError("sync", u.name, err))
	}
	if err := u.usable(); err != nil { // syncing may have taken long
		return storage.Info{}, err
	}
	err := u.store.publish(u.temp, u.name)
	exists := errors.Is(err, fs.ErrExist)
	if err != nil && !exists {
		return storage.Info{}, u.fail(mapCreateError(u.name, err))
	}
	// Also for a file that exists: whoever linked it may not have come so far.
	if err := u.store.syncDir(path.Dir(u.name)); err != nil {
		return storage.Info{}, u.fail(mapCreateError(u.name, err))
	}
	if exists {
		err = u.compare()
	}
	if err != nil {
		return storage.Info{}, u.fail(err)
	}
	info, err := u.store.lstat("stat", u.name)
	u.Abort() // of the temporary name; the object has its own
	u.err = errors.New("upload has been committed")
	info.CRC32C = &u.crc32c
	return info, err
}

// usable ends the upload when its context has ended.
func (u *upload) usable() error {
	if u.err != nil {
		return fmt.Errorf("write %q: %w", u.name, u.err)
	}
	if err := u.ctx.Err(); err != nil {
		return u.fail(err)
	}
	return nil
}

// fail gives the upload up at once, so that a full disk is not full for longer
// than it must be.
func (u *upload) fail(err error) error {
	u.Abort()
	u.err = err
	return err
}

// Abort removes the temporary file. One that cannot be removed does no harm: it
// is in no listing and is swept later.
func (u *upload) Abort() {
	if u.file == nil {
		return
	}
	_ = u.file.Close()
	_ = u.store.root.Remove(u.temp)
	u.file = nil
	u.err = errors.New("upload has been aborted")
}

// finish makes the content durable and its time distinct.
func (u *upload) finish() error {
	fi, err := u.file.Stat()
	if err != nil {
		return err
	}
	if fi.Size() != u.size {
		return fmt.Errorf("file has %d bytes, want %d: %w", fi.Size(), u.size, storage.ErrChecksum)
	}
	modified, err := distinct(fi.ModTime())
	if err != nil {
		return err
	}
	if err := u.store.root.Chtimes(u.temp, time.Time{}, modified); err != nil {
		return err
	}
	return u.file.Sync()
}

// distinct replaces the digits below a millisecond. The time stays the file
// system's own, whose clock advances in steps of some milliseconds only: files
// written within one step would be told apart by nothing but their inodes,
// which are used again.
func distinct(t time.Time) (time.Time, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(time.Millisecond)))
	if err != nil {
		return time.Time{}, err
	}
	return t.Truncate(time.Millisecond).Add(time.Duration(n.Int64())), nil
}

// compare decides about a name that is taken (invariant 10): the same content
// is success, since it may be our own whose reply was lost.
func (u *upload) compare() error {
	existing, err := u.store.Open(u.ctx, u.name, 0, -1)
	if err != nil {
		return err
	}
	defer func() { _ = existing.Close() }() // it was only read
	sum := crc32.New(storage.Castagnoli())
	size, err := io.Copy(sum, existing)
	if err != nil {
		return fmt.Errorf("compare with existing %q: %w", u.name, err)
	}
	if size != u.size || sum.Sum32() != u.crc32c {
		return fmt.Errorf("create %q: %w", u.name, storage.ErrExist)
	}
	return nil
}
