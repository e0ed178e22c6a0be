package dir

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/storage"
)

var _ storage.VolumeInspector = (*Store)(nil)

// InspectVolume asks the file system how much room it has, and who may write into
// the directory.
func (s *Store) InspectVolume(ctx context.Context) (*storage.Volume, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fi, err := s.root.Lstat(".")
	if err != nil {
		return nil, mapError("look at", s.path, err)
	}
	v, err := s.room()
	if err != nil {
		return nil, mapError("look at the file system of", s.path, err)
	}
	v.OthersWrite = fi.Mode().Perm()&0o022 != 0
	return v, nil
}
