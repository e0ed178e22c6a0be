package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// SourceReader reads one source's part of a point. It is safe for concurrent
// use.
type SourceReader struct {
	*IndexReader
	point  *Point
	source Source
	files  map[string]File
}

// Unlock opens every source of a point with the identities given. No key is
// fetched before it is needed.
func (r *Repository) Unlock(point *Point, identities []seal.Identity) []*SourceReader {
	ring := newKeyring(r.contents, identities)
	ring.destroyed = point.Shredded
	index := &IndexReader{r, ring}
	files := make(map[string]File, len(point.Files))
	for _, f := range point.Files {
		files[f.Path] = f
	}
	readers := make([]*SourceReader, len(point.Sources))
	for i, s := range point.Sources {
		readers[i] = &SourceReader{index, point, s, files}
	}
	return readers
}

// Name returns the source's name in the configuration that captured it.
func (s *SourceReader) Name() string { return s.source.Name }

// Kind returns the source's kind.
func (s *SourceReader) Kind() string { return s.source.Kind }

// FormatVersion returns the version of the kind's own format.
func (s *SourceReader) FormatVersion() int { return s.source.FormatVersion }

// Point returns the manifest of the point.
func (s *SourceReader) Point() *Manifest { return s.point.Manifest }

// Summary returns what was captured, in numbers.
func (s *SourceReader) Summary() Summary { return s.source.Summary }

// Captured reads the kind's own record of what was captured.
func (s *SourceReader) Captured(into any) error {
	if err := json.Unmarshal(s.source.Captured, into); err != nil {
		return fault.New(fault.Corrupt, "read what point "+s.point.Point+" says of "+s.source.Name, "%w", err)
	}
	return nil
}

// DigestKey returns the key under which the point's digests were made.
func (s *SourceReader) DigestKey(ctx context.Context) (seal.DigestKey, error) {
	return s.ring.digestKey(ctx)
}

// CheckKeys fails if a key that the source needs cannot be opened, so that a
// restore finds out before it touches anything.
func (s *SourceReader) CheckKeys(ctx context.Context) error {
	keys := []string{s.point.Keys.Point}
	if slices.ContainsFunc(s.Files(), isBucketList) {
		keys = append(keys, s.point.Keys.Packs...)
	}
	for _, key := range keys {
		if _, err := s.ring.open(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// dir is the source's own directory in the point.
func (s *SourceReader) dir() string { return pointDir(s.point.Point) + FileName(s.source.Name) + "/" }

// Files returns the source's own files, as stored.
func (s *SourceReader) Files() []File {
	var own []File
	for _, f := range s.point.Files {
		if strings.HasPrefix(f.Path, s.dir()) {
			own = append(own, f)
		}
	}
	return own
}

// FilesBelow returns those of the source's own files that belong to something
// which has files of its own: a schema, a table of one, a namespace.
func (s *SourceReader) FilesBelow(names ...string) []File {
	path := s.dir() + joinName("", names)
	var below []File
	for _, f := range s.point.Files {
		rest, ok := strings.CutPrefix(f.Path, strings.TrimSuffix(path, "/"))
		if ok && rest != "" && (rest[0] == '/' || rest[0] == '.') { // no name ends before a dot: it is escaped
			below = append(below, f)
		}
	}
	return below
}

// FilesWithout returns the source's own files but those that belong to one of some
// names, each as FilesBelow takes it.
func (s *SourceReader) FilesWithout(unwanted ...[]string) []File {
	left := map[string]bool{}
	for _, names := range unwanted {
		for _, f := range s.FilesBelow(names...) {
			left[f.Path] = true
		}
	}
	return slices.DeleteFunc(s.Files(), func(f File) bool { return left[f.Path] })
}

// Has reports whether the point holds a file of the source.
func (s *SourceReader) Has(name string, dirs ...string) bool {
	_, ok := s.files[s.dir()+joinName(name, dirs)+sealedSuffix]
	return ok
}

// Open returns a file's plaintext. Where the stored bytes are not those that
// the manifest names, some Read returns a fault.Corrupt error instead of
// io.EOF: what was read is to be believed only after io.EOF.
func (s *SourceReader) Open(ctx context.Context, name string, dirs ...string) (io.ReadCloser, error) {
	path := s.dir() + joinName(name, dirs) + sealedSuffix
	file, ok := s.files[path]
	if !ok {
		return nil, fault.New(fault.Corrupt, "open "+path, "the manifest names no such file")
	}
	return s.OpenFile(ctx, file)
}

// OpenFile is Open for one of Files, whichever it is.
func (s *SourceReader) OpenFile(ctx context.Context, file File) (io.ReadCloser, error) {
	return s.openSealed(ctx, file.Path, seal.Zstd, file.sums(), s.point.Keys.Point)
}

// Sealed reports whether a file of a point is sealed to its key, and so for
// OpenFile.
func (f File) Sealed() bool { return strings.HasSuffix(f.Path, sealedSuffix) }

// openSealed opens any sealed file with the identities at hand.
func (x *IndexReader) openSealed(ctx context.Context, path string, c seal.Compression, want seal.Sums, key string) (io.ReadCloser, error) {
	stored, err := x.repo.contents.open(ctx, fileOf(path, want), 0, -1)
	if err != nil {
		return nil, storedError(path, err)
	}
	if meter := x.repo.meter; meter != nil {
		stored = timed{stored, &meter.inside}
	}
	r, err := seal.NewReader(stored, c, want, x.ring.identitiesFor(ctx, key)...)
	if err != nil {
		return nil, errors.Join(storedError(path, err), stored.Close())
	}
	return &sealedFile{r, stored, path, x.repo.meter}, nil
}

// sealedFile closes both the decoder and what is underneath.
type sealedFile struct {
	*seal.Reader
	stored io.Closer
	path   string
	meter  *Meter // or nil
}

func (f *sealedFile) Read(p []byte) (int, error) {
	if f.meter != nil {
		began := time.Now()
		defer func() { f.meter.sealed.Add(int64(time.Since(began))) }()
	}
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = storedError(f.path, err)
	}
	return n, err
}

func (f *sealedFile) Close() error { return errors.Join(f.Reader.Close(), f.stored.Close()) }

// storedError classes what went wrong with a stored file: missing or altered
// bytes are Corrupt, and everything else is as it was.
func storedError(path string, err error) error {
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return fault.New(fault.Corrupt, "read "+path, "it is missing: %w", err).
			Hint("%s lists what is missing; an older point may hold it", listing(path))
	case errors.Is(err, seal.ErrAltered), errors.Is(err, storage.ErrChecksum), errors.As(err, new(*age.NoIdentityMatchError)):
		return fault.New(fault.Corrupt, "read "+path, "%w", err).
			Hint("%s lists what is altered; an older point may hold it", listing(path))
	default:
		return fmt.Errorf("read %s: %w", path, err)
	}
}

// listing is the command that lists all that is wrong: with the point that a file
// belongs to, or, since several points may share the file, with all of them.
func listing(path string) string {
	below, ofPoint := strings.CutPrefix(path, pointsDir)
	if id, _, _ := strings.Cut(below, "/"); ofPoint && isID(id) {
		return "openim-dr show " + id + " --files"
	}
	return "openim-dr check --read-data"
}

// readPlain reads a plain file and holds it against its sums.
func (x *IndexReader) readPlain(ctx context.Context, path string, want string) ([]byte, error) {
	data, err := x.repo.contents.plain(ctx, path, want)
	if err != nil {
		return nil, storedError(path, err)
	}
	return data, nil
}

// joinName builds the path of a file below a source's directory: dirs are
// names that users gave, name is one of the format.
func joinName(name string, dirs []string) string {
	elements := make([]string, 0, len(dirs)+1)
	for _, d := range dirs {
		elements = append(elements, FileName(d))
	}
	return strings.Join(append(elements, name), "/")
}

// SourceOf picks the reader of one source.
func SourceOf(readers []*SourceReader, name string) (*SourceReader, bool) {
	i := slices.IndexFunc(readers, func(s *SourceReader) bool { return s.Name() == name })
	if i < 0 {
		return nil, false
	}
	return readers[i], true
}
