package dir

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"
)

// renameExclusively is renameat2(2) with RENAME_NOREPLACE. It works on open
// directories, which os.Root has resolved, so that it leads nowhere else.
func (s *Store) renameExclusively(temp, name string) error {
	from, err := s.root.Open(path.Dir(temp))
	if err != nil {
		return err
	}
	to, err := s.root.Open(path.Dir(name))
	if err != nil {
		return errors.Join(err, from.Close())
	}
	err = unix.Renameat2(int(from.Fd()), path.Base(temp), int(to.Fd()), path.Base(name), unix.RENAME_NOREPLACE)
	return errors.Join(err, from.Close(), to.Close())
}
