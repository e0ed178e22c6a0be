// Package dir keeps objects as files below a directory. An object is written
// to a temporary file, synced, and linked to its name, so that it appears
// whole or not at all and never in place of another; then the directory is
// synced.
//
// The directory is taken to be local or on a network file system with atomic
// link(2) (NFS, for one). Several processes may use it at once.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	// tempDir holds uploads that have not been committed. Create makes it,
	// listings skip it, no name may lie in it. What a killed process leaves
	// there is removed by a later writer once it is older than tempAge.
	tempDir = ".tmp"
	tempAge = 24 * time.Hour

	// Backups are for their owner alone.
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Store is a directory of objects. It implements storage.Storage.
type Store struct {
	path string   // as the operator wrote it
	root *os.Root // no name and no symbolic link leads out of it

	link func(temp, name string) error // of link(2), a field for tests

	mu      sync.Mutex
	tempOK  bool                // tempDir exists and was swept
	durable map[string]struct{} // directories whose entry in their parent was synced
}

var _ storage.Storage = (*Store)(nil)

// ErrAbsent means that there is no such directory.
var ErrAbsent = errors.New("it does not exist")

// Open opens the directory at path, which must exist. Its error is ErrAbsent
// where it does not.
func Open(path string) (*Store, error) {
	root, err := os.OpenRoot(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Usage, "open directory", "%w", ErrAbsent).On(path).
			Hint("check the spelling and that the volume is mounted")
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fault.New(fault.Usage, "open directory", "it is not a directory").On(path).
			Hint("name a directory that holds the repository and nothing else")
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.Usage, "open directory", "%w", storage.ErrDenied).On(path).
			Hint("run as the owner of the directory")
	case err != nil:
		return nil, fmt.Errorf("open directory %s: %w", path, err)
	}
	s := &Store{path: path, root: root, durable: map[string]struct{}{}}
	s.link = root.Link
	return s, nil
}

// Create makes the directory at path, and those above it, where they are
// missing, and opens it.
func Create(path string) (*Store, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, mapError("create directory", path, err)
	}
	if err := syncPath(filepath.Dir(filepath.Clean(path))); err != nil {
		return nil, err
	}
	return Open(path)
}

// Close releases the directory.
func (s *Store) Close() error { return s.root.Close() }

// URL is the path as the operator wrote it.
func (s *Store) URL() string { return s.path }

// Stat describes one object.
func (s *Store) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := checkName(name); err != nil {
		return storage.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	return s.lstat("stat", name)
}

// lstat follows no symbolic link in the last element, and refuses what is not
// a file: a pipe would block whoever opens it.
func (s *Store) lstat(verb, name string) (storage.Info, error) {
	fi, err := s.root.Lstat(name)
	if err != nil {
		return storage.Info{}, mapError(verb, name, err)
	}
	if fi.IsDir() {
		return storage.Info{}, fmt.Errorf("%s %q: %w", verb, name, storage.ErrNotExist)
	}
	if !fi.Mode().IsRegular() {
		return storage.Info{}, irregular(verb, name, fi.Mode())
	}
	return info(name, fi), nil
}

// info describes a file. The generation is made of inode, time and size: two
// files of one name have the same only if the inode was used again, the size is
// the same, and the times of writing, of which Commit sets the digits below a
// millisecond at random, agree to the nanosecond.
func info(name string, fi fs.FileInfo) storage.Info {
	var inode uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return storage.Info{
		Name:       name,
		Size:       fi.Size(),
		Generation: fmt.Sprintf("%x-%x-%x", inode, fi.ModTime().UnixNano(), fi.Size()),
		Created:    fi.ModTime().UTC(),
	}
}

// Open reads a range of an object.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := s.lstat("open", name); err != nil {
		return nil, err
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, mapError("open", name, err)
	}
	r, err := newReader(ctx, f, name, offset, length)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// Delete removes a file if it is still the one that was seen. The look and the
// removal are two calls: what is created anew in the microseconds between them
// would be removed unseen. The repository never uses a name twice and one
// pruner deletes at a time, so this guards against surprise, not against a race.
func (s *Store) Delete(ctx context.Context, seen storage.Info) error {
	if err := checkName(seen.Name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	present, err := s.lstat("delete", seen.Name)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if present.Generation != seen.Generation {
		return fmt.Errorf("delete %q: seen %s, is %s: %w", seen.Name, seen.Generation, present.Generation, storage.ErrChanged)
	}
	if err := s.root.Remove(seen.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mapError("delete", seen.Name, err)
	}
	// Synced so that deletions reach the disk in their order: a manifest must
	// not come back after what it needs has gone.
	parent := path.Dir(seen.Name)
	if err := s.syncDir(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mapError("delete", seen.Name, err)
	}
	s.removeEmpty(parent)
	return nil
}

// removeEmpty removes directories that hold nothing any more, up to the root.
// That is tidiness only: a directory that is in use refuses, and Commit makes
// one anew that vanished under it.
func (s *Store) removeEmpty(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if s.root.Remove(dir) != nil {
			return
		}
		s.mu.Lock()
		delete(s.durable, dir)
		s.mu.Unlock()
	}
}

func checkName(name string) error {
	if err := storage.CheckName(name); err != nil {
		return err
	}
	if name == tempDir || strings.HasPrefix(name, tempDir+"/") {
		return fmt.Errorf("object name %q: %q is reserved", name, tempDir)
	}
	return nil
}
