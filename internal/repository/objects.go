package repository

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// objectsName is the list of the objects of a Kubernetes cluster. It is not
// sealed, so that what has changed is known without a key.
const objectsName = "objects.jsonl"

// maxObjectLine bounds a line of the list, whoever wrote it.
const maxObjectLine = 64 << 10

// ObjectEntry is one object of a Kubernetes cluster, a line of objects.jsonl. It
// does not name the object: ID and Digest are keyed.
type ObjectEntry struct {
	Namespace string      `json:"namespace,omitempty"` // none: the object belongs to no namespace
	Kind      string      `json:"kind"`                // Kind or Kind.group
	ID        seal.Digest `json:"id"`                  // of what names it: namespace, kind and name
	Digest    seal.Digest `json:"digest"`              // of its canonical form
	By        string      `json:"by,omitempty"`        // the manager that has changed it last, as the server has it
	At        *time.Time  `json:"at,omitempty"`        // when that was
	Release   string      `json:"release,omitempty"`   // the Helm release that it says it belongs to
	// Drift counts the fields that are not as the release's manifest has them.
	Drift int64 `json:"drift,omitempty"`
}

// ObjectsWriter writes the list while objects are captured. It is not safe for
// concurrent use.
type ObjectsWriter struct {
	source *SourceDraft
	path   string
	upload storage.Upload
	sums   *seal.Summer
	buffer *bufio.Writer
	lines  *json.Encoder
}

// CreateObjects starts the list of objects.
func (s *SourceDraft) CreateObjects(ctx context.Context) (*ObjectsWriter, error) {
	path := s.dir() + objectsName
	upload, err := s.draft.writer.store.Create(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	s.draft.opened(path)
	sums := seal.NewSummer(upload)
	buffer := bufio.NewWriter(sums)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	return &ObjectsWriter{s, path, upload, sums, buffer, lines}, nil
}

// Add appends one object.
func (w *ObjectsWriter) Add(e *ObjectEntry) error {
	if err := w.lines.Encode(e); err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	return nil
}

// Commit ends the list, makes it durable and enters it in the manifest.
func (w *ObjectsWriter) Commit() error {
	sums, err := w.commit()
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	w.source.draft.addFile(fileOf(w.path, sums))
	w.source.draft.closed(w.path)
	w.source.addStored(sums.Size)
	return nil
}

// commit is commitSealed for what is not sealed (invariant 2).
func (w *ObjectsWriter) commit() (seal.Sums, error) {
	if err := w.buffer.Flush(); err != nil {
		return seal.Sums{}, err
	}
	info, err := w.upload.Commit()
	if err != nil {
		return seal.Sums{}, err
	}
	sums := w.sums.Sums()
	if err := info.Check(sums.Size, sums.CRC32C); err != nil {
		return seal.Sums{}, fault.New(fault.Corrupt, "store", "%w", err).Hint("the network or the storage changes bytes: look at both before trusting either")
	}
	return sums, nil
}

// Abort gives the list up. It does nothing after Commit.
func (w *ObjectsWriter) Abort() {
	w.upload.Abort()
	w.source.draft.closed(w.path)
}

// HasObjects reports whether the point lists the objects of the source. Points of
// earlier versions do not.
func (s *SourceReader) HasObjects() bool {
	_, ok := s.files[s.dir()+objectsName]
	return ok
}

// IsObjectList tells the list of objects from the other files of a point.
func (s *SourceReader) IsObjectList(f File) bool { return f.Path == s.dir()+objectsName }

// In reports whether a file of the source stands in the directory of these names.
func (s *SourceReader) In(f File, dirs ...string) bool {
	return strings.HasPrefix(f.Path, s.dir()+joinName("", dirs))
}

// Objects calls fn for each object of the list, in the order of capture. No key is
// needed. What fn was given is to be believed only if there is no error: the bytes
// are held against the manifest at their end.
func (s *SourceReader) Objects(ctx context.Context, fn func(*ObjectEntry) error) (err error) {
	path := s.dir() + objectsName
	file, ok := s.files[path]
	if !ok {
		return fault.New(fault.Usage, "read the list of objects of", "it holds none: an earlier version of openim-dr has written it").On("point " + s.point.Point)
	}
	stored, err := s.repo.contents.open(ctx, file, 0, -1)
	if err != nil {
		return storedError(path, err)
	}
	defer stored.Close() //nolint:errcheck // only read
	sums := seal.NewSummer(io.Discard)
	lines := bufio.NewScanner(io.TeeReader(stored, sums))
	lines.Buffer(make([]byte, maxObjectLine/4), maxObjectLine)
	for lines.Scan() {
		entry := new(ObjectEntry)
		if json.Unmarshal(lines.Bytes(), entry) != nil {
			return storedError(path, fmt.Errorf("%w: a line is no object", seal.ErrAltered))
		}
		if err := fn(entry); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return storedError(path, fmt.Errorf("%w: a line is too long", seal.ErrAltered))
	} else if err != nil {
		return storedError(path, err)
	}
	if sums.Sums().SHA256 != file.SHA256 {
		return storedError(path, seal.ErrAltered)
	}
	return nil
}
