//go:build !linux

package dir

import "github.com/openim-dr/openim-dr/internal/storage"

// room needs a system call that each system has in a form of its own.
func (s *Store) room() (*storage.Volume, error) { return nil, storage.ErrNotSaid }
