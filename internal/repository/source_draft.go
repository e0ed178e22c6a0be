package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// SourceDraft is one source's part of a point being written. It is safe for
// concurrent use.
type SourceDraft struct {
	draft  *Draft
	name   string
	kind   string
	format int
	began  time.Time
	stored atomic.Int64

	mu       sync.Mutex
	ended    time.Time
	captured json.RawMessage
	summary  Summary
	warnings []Count
	missing  []Count
}

// Source starts the part of one source. formatVersion is the version of the
// kind's own format within the repository's.
func (d *Draft) Source(name, kind string, formatVersion int) *SourceDraft {
	s := &SourceDraft{draft: d, name: name, kind: kind, format: formatVersion, began: d.writer.now().UTC()}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sources = append(d.sources, s)
	return s
}

// Name returns the source's name.
func (s *SourceDraft) Name() string { return s.name }

// Stream returns the stream that the point will be of.
func (s *SourceDraft) Stream() string { return s.draft.stream }

// Point returns the id that the point will have.
func (s *SourceDraft) Point() string { return s.draft.point }

// Instance returns whose point it will be.
func (s *SourceDraft) Instance() string { return s.draft.writer.options.Instance }

// Repository returns the id of the repository that the point will be in. With it,
// what a source makes elsewhere for a point is marked as that point's.
func (s *SourceDraft) Repository() string { return s.draft.writer.record.Repository }

// Stored returns how many bytes of its own the source has stored so far.
func (s *SourceDraft) Stored() int64 { return s.stored.Load() }

// addStored counts bytes for the source and for the point.
func (s *SourceDraft) addStored(n int64) {
	s.stored.Add(n)
	s.draft.stored.Add(n)
}

// DigestKey returns the key for digests that stand in plain files.
func (s *SourceDraft) DigestKey() seal.DigestKey { return s.draft.writer.digestKey }

// Base returns the newest complete point's copy of this source, opened with
// the catalog identity: its record, bucket lists and index segments can be
// read, its data cannot. It is nil where there is none.
func (s *SourceDraft) Base() *SourceReader {
	base := s.draft.bases[s.name]
	if base == nil {
		return nil
	}
	readers := s.draft.writer.Unlock(base, []seal.Identity{s.draft.writer.options.Catalog})
	reader, ok := SourceOf(readers, s.name)
	if !ok || reader.Kind() != s.kind {
		return nil
	}
	return reader
}

// Captured sets the kind's own record of what was captured. It stands in a
// plain file: counts, codes, configured names and keyed digests only.
func (s *SourceDraft) Captured(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("record what was captured of %s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.captured = data
	return nil
}

// Summarize sets the numbers of what was captured, and ends the source's part.
func (s *SourceDraft) Summarize(sum Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.summary, s.ended = sum, s.draft.writer.now().UTC()
}

// Warn counts something worth knowing that harms nothing.
func (s *SourceDraft) Warn(code string, count int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, Count{s.name, code, count})
}

// Missing counts something that could not be had: the point is incomplete.
func (s *SourceDraft) Missing(code string, count int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = append(s.missing, Count{s.name, code, count})
}

// Detail adds a line to the point's sealed details, for names and messages
// that may hold user data.
func (s *SourceDraft) Detail(v any) error { return s.draft.detail(v) }

func (s *SourceDraft) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended.IsZero()
}

func (s *SourceDraft) record() (Source, []Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.captured == nil {
		s.captured = json.RawMessage("{}")
	}
	return Source{
		Name: s.name, Kind: s.kind, FormatVersion: s.format, Started: s.began, Ended: s.ended,
		Complete: len(s.missing) == 0, Summary: s.summary, Stored: s.stored.Load(),
		Warnings: s.warnings, Captured: s.captured,
	}, s.missing
}

func (s *SourceDraft) dir() string { return pointDir(s.draft.point) + FileName(s.name) + "/" }

// FileWriter writes one file of a point: sealed to the point key, compressed.
// It is not safe for concurrent use.
type FileWriter struct {
	draft  *Draft
	source *SourceDraft // nil for the point's own files
	path   string
	upload storage.Upload
	sealed *seal.Writer
}

// Create starts the file <name>.zst.age below the source's directory. name is
// one of the format (a user's name must pass through FileName); dirs are names
// as users gave them.
func (s *SourceDraft) Create(ctx context.Context, name string, dirs ...string) (*FileWriter, error) {
	return s.draft.create(ctx, s.dir()+joinName(name, dirs)+sealedSuffix, s)
}

func (d *Draft) create(ctx context.Context, path string, source *SourceDraft) (*FileWriter, error) {
	f, err := d.startFile(ctx, path, source)
	if err == nil {
		d.opened(path)
	}
	return f, err
}

// startFile is create without the books: the details are the draft's own.
func (d *Draft) startFile(ctx context.Context, path string, source *SourceDraft) (*FileWriter, error) {
	upload, err := d.writer.store.Create(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	sealed, err := seal.NewWriter(upload, seal.Zstd, d.pointKey.Recipient().Recipient)
	if err != nil {
		upload.Abort()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &FileWriter{d, source, path, upload, sealed}, nil
}

// Write seals p.
func (f *FileWriter) Write(p []byte) (int, error) {
	n, err := f.sealed.Write(p)
	if err != nil {
		err = fmt.Errorf("write %s: %w", f.path, err)
	}
	return n, err
}

// Commit ends the file, makes it durable and enters it in the manifest.
func (f *FileWriter) Commit() error {
	sums, err := commitSealed(f.sealed, f.upload)
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.draft.addFile(fileOf(f.path, sums))
	f.draft.closed(f.path)
	if f.source == nil {
		f.draft.stored.Add(sums.Size)
		return nil
	}
	f.source.addStored(sums.Size)
	return nil
}

// Stored returns the stored size, final after Commit.
func (f *FileWriter) Stored() int64 { return f.sealed.Sums().Size }

// Abort gives the file up. It does nothing after Commit.
func (f *FileWriter) Abort() {
	f.upload.Abort()
	if f.source != nil {
		f.draft.closed(f.path)
	}
}

// commitSealed ends a sealed upload. Invariant 2: it succeeds only if the
// storage acknowledged every byte, and says of them what we know of them.
func commitSealed(sealed *seal.Writer, upload storage.Upload) (seal.Sums, error) {
	if err := sealed.Close(); err != nil {
		return seal.Sums{}, err
	}
	info, err := upload.Commit()
	if err != nil {
		return seal.Sums{}, err
	}
	sums := sealed.Sums()
	if err := info.Check(sums.Size, sums.CRC32C); err != nil {
		return seal.Sums{}, fault.New(fault.Corrupt, "store", "%w", err).Hint("the network or the storage changes bytes: look at both before trusting either")
	}
	return sums, nil
}

// readStart returns what a run said at its beginning, or nil where that is gone
// or cannot be read.
func (r *Repository) readStart(ctx context.Context, run string) (*Start, error) {
	data, err := storage.Get(ctx, r.store, startPath(run), maxPlain)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil // "it says nothing" is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read start of run %s: %w", run, err)
	}
	start := new(Start)
	if json.Unmarshal(data, start) != nil || start.Kind != kindStart || start.Point != run {
		return nil, nil // see above
	}
	return start, nil
}
