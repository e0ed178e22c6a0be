// Package storage is the driver layer under a repository: named immutable
// objects in a GCS bucket or a directory. It knows nothing of the repository's
// layout. A driver stays plain; retries, deadlines and faults are wrappers of
// the same interfaces, and one conformance suite (package storagetest) holds
// for all of them.
//
// Names are slash-separated paths of printable ASCII that the repository has
// already made safe: no empty, "." or ".." elements, no element longer than
// 255 bytes, no two names that differ only in case.
package storage

import (
	"context"
	"errors"
	"io"
	"time"
)

// Sentinels that callers branch on.
var (
	// ErrNotExist: there is no object of that name.
	ErrNotExist = errors.New("object does not exist")
	// ErrExist: an object of that name exists and is not the one being written.
	ErrExist = errors.New("object exists already")
	// ErrChanged: the object is no longer the generation that was seen.
	ErrChanged = errors.New("object is not the generation that was seen")
	// ErrProtected: a retention policy or a hold forbids deleting the object.
	ErrProtected = errors.New("object is protected from deletion")
	// ErrDenied: the credentials lack the right to do this.
	ErrDenied = errors.New("permission denied")
	// ErrChecksum: the bytes that arrived are not the bytes that were sent.
	ErrChecksum = errors.New("checksum mismatch")
)

// Info describes a stored object.
type Info struct {
	Name string
	Size int64 // bytes
	// CRC32C (Castagnoli) of the content. A driver whose storage keeps no
	// checksum leaves it nil in List and Stat.
	CRC32C *uint32
	// Generation tells this object from another one of the same name, earlier
	// or later. Opaque; equal strings mean the same object.
	Generation string
	// Created is the time at which the storage's own clock saw the object.
	Created time.Time
	// RetainedUntil is how long a retention of the storage's forbids deleting the
	// object, as far as Stat tells; zero where it tells of none. List does not tell.
	RetainedUntil time.Time
}

// Reader reads. It is what listing, checking and restoring get, so that they
// cannot write or delete. Methods are safe for concurrent use.
type Reader interface {
	// List calls fn for each object whose name starts with prefix, in byte
	// order of names. Objects that are created or deleted meanwhile may or may
	// not be seen; every other one is seen exactly once. An error of fn ends
	// the listing and is returned as it is.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// Dirs returns the names of the directories directly below dir that the span
	// holds, ascending: for each object "<dir>NAME/…" the NAME, once. Dir is empty or
	// ends in a slash. It costs no more than there are such names, however many
	// objects are below them, and however many names the span does not hold (but in
	// a directory of a file system, which is read as a whole). What is created or
	// deleted meanwhile may or may not be seen.
	Dirs(ctx context.Context, dir string, span Span) ([]string, error)
	// Stat describes one object, or returns ErrNotExist.
	Stat(ctx context.Context, name string) (Info, error)
	// Open reads length bytes from offset on; a negative length reads to the
	// end. A read that ends early for any reason other than the end of the
	// range returns an error that is not io.EOF. ErrNotExist is returned by
	// Open itself. The range must lie within the object.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// URL names the storage as an operator wrote it, without credentials.
	URL() string
}

// Writer creates. There is no way to replace an object (invariant 10).
type Writer interface {
	// Create starts an object. Nothing is visible under name before Commit
	// returns, and nothing ever is if Commit is not called. When ctx ends the
	// upload is aborted.
	Create(ctx context.Context, name string) (Upload, error)
}

// Upload is one object being written. It is not safe for concurrent use.
type Upload interface {
	io.Writer
	// Commit makes the object visible, durable and final, and returns what the
	// storage says of it, CRC32C included. Where an object of that name exists
	// with the same size and checksum (a lost reply, a repeated create) that
	// is success; with others it is ErrExist and the existing object stays.
	// After an error other than ErrExist and ErrChecksum the object may or may
	// not exist, whole; a repeated create of the same bytes finds out.
	Commit() (Info, error)
	// Abort gives the upload up and leaves nothing behind. It does nothing
	// after Commit, so that it can be deferred.
	Abort()
}

// Deleter deletes. Only the pruner holds one.
type Deleter interface {
	// Delete removes the object if it still is of the generation in seen, and
	// returns ErrChanged if it is not. Deleting what is gone is no error.
	// ErrProtected is returned where the storage's retention forbids it.
	Delete(ctx context.Context, seen Info) error
}

// Exclusive is what a driver may also be whose service may lack an atomic
// create-if-absent, without which a repository cannot have several writers.
type Exclusive interface {
	// CreatesExclusively tries it below name, which nothing else uses.
	CreatesExclusively(ctx context.Context, name string) (bool, error)
	// RefusesExisting tries it with an object that exists and holds content.
	RefusesExisting(ctx context.Context, name string, content []byte) (bool, error)
}

// Holder is what a driver may also be whose service keeps an object from being deleted
// for as long as it is held.
type Holder interface {
	// SetHold holds an object, or lets go of it, and reports whether that has changed
	// anything. A hold that somebody else has set is left alone, both ways.
	// ErrChanged means that the object was changed at the same moment.
	SetHold(ctx context.Context, name string, held bool) (changed bool, err error)
}

// ReadWriter is what a writer of points holds: no right to delete.
type ReadWriter interface {
	Reader
	Writer
}

// Storage is a whole driver.
type Storage interface {
	ReadWriter
	Deleter
}
