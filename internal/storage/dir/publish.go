package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// publish gives the temporary file its name, unless there is one of that name
// already: then it returns fs.ErrExist. It never replaces (invariant 10).
func (s *Store) publish(temp, name string) error {
	const tries = 5 // a deleter may remove the directory that was just made
	var err error
	for range tries {
		if err = s.makeParents(name); err != nil {
			return err
		}
		if err = s.linkExclusively(temp, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.forget(path.Dir(name))
	}
	return err
}

// linkExclusively links, or renames without replacing on a file system that
// has no hard links. There is no third way.
func (s *Store) linkExclusively(temp, name string) error {
	err := s.link(temp, name)
	if !unsupported(err) {
		return err
	}
	renamed := s.renameExclusively(temp, name)
	if unsupported(renamed) || errors.Is(renamed, syscall.EINVAL) {
		return fault.New(fault.Usage, fmt.Sprintf("create %q", name),
			"the file system has neither hard links nor an exclusive rename: %w", err).On("in " + s.path).
			Hint("keep the repository on ext4, XFS, Btrfs, ZFS or NFS: elsewhere a write could replace another one")
	}
	return renamed
}

func unsupported(err error) bool {
	for _, no := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// maxDurable bounds the memory for directories known to be durable (invariant
// 7). Beyond it the knowledge is thrown away, which costs some syncs.
const maxDurable = 4096

// makeParents makes the directories of name, each synced into its parent
// before it is relied on: a file in a directory that a power cut takes away
// would be lost with it.
func (s *Store) makeParents(name string) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		dir := name[:i]
		err := s.root.Mkdir(dir, dirMode)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err != nil && s.isDurable(dir) {
			continue
		}
		if err := s.syncDir(path.Dir(dir)); err != nil {
			return err
		}
		s.remember(dir)
	}
	return nil
}

func (s *Store) isDurable(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.durable[dir]
	return ok
}

func (s *Store) remember(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.durable) >= maxDurable {
		clear(s.durable)
	}
	s.durable[dir] = struct{}{}
}

func (s *Store) forget(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.durable, dir)
}

func (s *Store) syncDir(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return mapError("sync directory", path, err)
	}
	return mapError("sync directory", path, errors.Join(d.Sync(), d.Close()))
}

// prepareTemp makes the directory of temporary files, once, and sweeps what
// killed processes left in it long ago.
func (s *Store) prepareTemp() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tempOK {
		return nil
	}
	if err := s.root.Mkdir(tempDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.sweepTemp(); err != nil {
		return err
	}
	s.tempOK = true
	return nil
}

func (s *Store) sweepTemp() error {
	d, err := s.root.Open(tempDir)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, name := range names {
		temp := path.Join(tempDir, name)
		fi, err := s.root.Lstat(temp)
		if err != nil || !fi.Mode().IsRegular() || time.Since(fi.ModTime()) < tempAge {
			continue // gone meanwhile, not ours, or in use
		}
		_ = s.root.Remove(temp) // another writer may have been faster
	}
	return nil
}
