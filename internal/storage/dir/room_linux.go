package dir

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// room is statfs(2) of the open directory. What is kept free for root does not
// count.
func (s *Store) room() (*storage.Volume, error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstatfs(int(d.Fd()), &fs), d.Close()); err != nil {
		return nil, err
	}
	block := uint64(fs.Bsize)
	return &storage.Volume{FreeBytes: fs.Bavail * block, Bytes: fs.Blocks * block, FreeFiles: fs.Ffree, Files: fs.Files}, nil
}
