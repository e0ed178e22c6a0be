//go:build !linux

package dir

import "syscall"

// renameExclusively needs a system call that only Linux has in this form.
func (s *Store) renameExclusively(_, _ string) error { return syscall.ENOTSUP }
