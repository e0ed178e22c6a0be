package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// mapError turns an error of the file system into what the interface promises.
func mapError(verb, name string, err error) error {
	doing := fmt.Sprintf("%s %q", verb, name)
	_, explained := fault.Outermost(err)
	switch {
	case err == nil || explained:
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s: %w", doing, storage.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: %w", doing, storage.ErrDenied, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.Failed, doing, "the disk is full: %w", err).
			Hint("free some space or raise the quota, then run it again; openim-dr prune deletes what runs that failed have left")
	case errors.Is(err, syscall.EROFS):
		return fault.New(fault.Usage, doing, "%w: %w", storage.ErrDenied, err).
			Hint("mount the volume for writing")
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// mapCreateError is mapError where "does not exist" is not said of an object:
// what is missing is a directory that should be there.
func mapCreateError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fault.New(fault.Failed, fmt.Sprintf("create %q", name), "a directory has vanished or is none: %w", err).
			Hint("see that the volume is still mounted and that nothing else changes the repository")
	}
	return mapError("create", name, err)
}

// irregular is the error for what a repository never holds.
func irregular(verb, name string, mode fs.FileMode) error {
	kind := "not a file"
	if mode&fs.ModeSymlink != 0 {
		kind = "a symbolic link"
	}
	return fault.New(fault.Usage, fmt.Sprintf("%s %q", verb, name), "it is %s", kind).
		Hint("a repository holds only files and directories: see who put it there, and move it away")
}
