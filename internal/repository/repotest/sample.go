package repotest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// SampleKind is the kind of a Sample.
const SampleKind = "sample"

// Sample is a source that holds its data in memory and uses all that a
// repository offers: files, details, packs, segments that are kept, bucket
// lists and digests. It is for tests of what is below and around sources; real
// sources are tested against real servers.
type Sample struct {
	Name    string
	Tables  map[string]string // "schema/table" -> rows
	Bucket  string            // "" is "media"
	Objects map[string]string // key -> content
	// Entries are the keys of a segment, Member the bytes of a tar member and
	// Pack those of a pack; 0 is 3, 1000 and 10,000.
	Entries, Member, Pack int
	// Server is its ID; empty: it tells none.
	Server string
	// Gone makes the point incomplete, Err makes the capture fail at its end.
	Gone int64
	Err  error

	kept int // segments that the last capture has taken over
}

var (
	_ source.Source       = (*Sample)(nil)
	_ source.Recognizable = (*Sample)(nil)
)

// sampleRecord is what a Sample says in the manifest.
type sampleRecord struct {
	Tables map[string]sampleTable `json:"tables"`
	Bucket string                 `json:"bucket"`
}

type sampleTable struct {
	Bytes  int64       `json:"bytes"`
	Digest seal.Digest `json:"digest"`
}

// Kept returns how many segments the last capture has taken over.
func (s *Sample) Kept() int { return s.kept }

func (s *Sample) bucket() string { return orDefault(s.Bucket, "media") }

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Capture implements source.Capturer.
func (s *Sample) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	record := sampleRecord{Tables: map[string]sampleTable{}, Bucket: s.bucket()}
	sum := repository.Summary{Rows: int64(len(s.Tables)), Objects: int64(len(s.Objects))}
	hasher := seal.NewHasher(draft.DigestKey())
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		if err := s.captureTable(ctx, draft, name); err != nil {
			return err
		}
		record.Tables[name] = sampleTable{int64(len(s.Tables[name])), digest(hasher, s.Tables[name])}
		sum.Bytes += int64(len(s.Tables[name]))
	}
	if err := s.captureObjects(ctx, draft, hasher); err != nil {
		return err
	}
	if s.Gone > 0 {
		draft.Missing("tables-gone", s.Gone)
	}
	if err := draft.Detail(map[string]any{"source": s.Name, "tables": slices.Sorted(maps.Keys(s.Tables))}); err != nil {
		return err
	}
	draft.Warn("a-warning", 2)
	draft.Summarize(sum)
	return errors.Join(draft.Captured(record), s.Err)
}

func digest(h *seal.Hasher, content string) seal.Digest {
	h.Reset()
	h.Write([]byte(content)) // a hash never fails
	return h.Sum()
}

func (s *Sample) captureTable(ctx context.Context, draft *repository.SourceDraft, name string) error {
	file, err := draft.Create(ctx, "000001.tsv", strings.Split(name, "/")...)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := io.WriteString(file, s.Tables[name]); err != nil {
		return err
	}
	return file.Commit()
}

// captureObjects mirrors the bucket: a segment of which nothing has changed is
// kept, and in others what has not changed stays in its pack.
func (s *Sample) captureObjects(ctx context.Context, draft *repository.SourceDraft, hasher *seal.Hasher) error {
	m := &sampleMirror{sample: s, draft: draft, packs: map[string]repository.PackRef{}}
	s.kept = 0
	if err := m.readBase(ctx); err != nil {
		return err
	}
	defer m.abort()
	list := &repository.BucketList{Bucket: s.bucket(), Order: "bytes", Objects: int64(len(s.Objects)), Segments: []repository.SegmentRef{}}
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(s.Objects)), orDefault(s.Entries, 3)) {
		ref, err := m.segment(ctx, keys)
		if err != nil {
			return err
		}
		list.Segments = append(list.Segments, ref)
	}
	for key, content := range s.Objects {
		list.Bytes += int64(len(content))
		list.Digest.Add(digest(hasher, key+"\x00"+content))
	}
	return draft.PutBucketList(ctx, list)
}

type sampleMirror struct {
	sample  *Sample
	draft   *repository.SourceDraft
	entries map[string]repository.IndexEntry    // of the base
	base    map[string]repository.SegmentRef    // by its keys
	lists   map[string][]repository.SegmentPack // by segment
	packs   map[string]repository.PackRef
	open    *repository.PackWriter
}

func (m *sampleMirror) readBase(ctx context.Context) error {
	m.entries, m.base, m.lists = map[string]repository.IndexEntry{}, map[string]repository.SegmentRef{}, map[string][]repository.SegmentPack{}
	base := m.draft.Base()
	if base == nil {
		return nil
	}
	list, err := base.BucketList(ctx, m.sample.bucket())
	if err != nil || list == nil {
		return err
	}
	for _, ref := range list.Segments {
		keys, err := m.readSegment(ctx, base, ref)
		if err != nil {
			return err
		}
		m.base[strings.Join(keys, "\x00")] = ref
		if m.lists[ref.ID], err = base.SegmentPacks(ctx, ref); err != nil {
			return err
		}
		for _, p := range m.lists[ref.ID] {
			m.packs[p.ID] = p.PackRef
		}
	}
	return nil
}

func (m *sampleMirror) readSegment(ctx context.Context, base *repository.SourceReader, ref repository.SegmentRef) ([]string, error) {
	var keys []string
	return keys, eachEntry(ctx, base, ref, func(e repository.IndexEntry) error {
		keys = append(keys, e.Key)
		m.entries[e.Key] = e
		return nil
	})
}

func eachEntry(ctx context.Context, from *repository.SourceReader, ref repository.SegmentRef, fn func(repository.IndexEntry) error) (err error) {
	segment, err := from.Segment(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, segment.Close()) }()
	for {
		entry, err := segment.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(entry); err != nil {
			return err
		}
	}
}

func (m *sampleMirror) segment(ctx context.Context, keys []string) (repository.SegmentRef, error) {
	changed := slices.ContainsFunc(keys, func(k string) bool { return m.entries[k].SHA256 != hashOf(m.sample.Objects[k]) })
	if ref, ok := m.base[strings.Join(keys, "\x00")]; ok && !changed {
		m.draft.KeepSegment(ref, m.lists[ref.ID])
		m.sample.kept++
		return ref, nil
	}
	segment, err := m.draft.CreateSegment()
	if err != nil {
		return repository.SegmentRef{}, err
	}
	for _, key := range keys {
		entry, err := m.entry(ctx, key)
		if err != nil {
			return repository.SegmentRef{}, err
		}
		if err := segment.Add(entry); err != nil {
			return repository.SegmentRef{}, err
		}
	}
	if err := m.commitPack(); err != nil {
		return repository.SegmentRef{}, err
	}
	return segment.Commit(ctx, func(id string) (repository.PackRef, bool) {
		ref, ok := m.packs[id]
		return ref, ok
	})
}

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// entry returns the base's entry, or that of an object which is packed now.
func (m *sampleMirror) entry(ctx context.Context, key string) (repository.IndexEntry, error) {
	content := m.sample.Objects[key]
	if e, ok := m.entries[key]; ok && e.SHA256 == hashOf(content) {
		return e, nil
	}
	e := repository.IndexEntry{
		Key: key, Size: int64(len(content)), ETag: "etag", Modified: time.Unix(1, 0).UTC(), SHA256: hashOf(content),
		Metadata: &repository.Metadata{ContentType: "text/plain", User: map[string]string{"owner": "somebody"}},
	}
	if content == "" {
		return e, nil
	}
	if err := m.makeRoom(ctx); err != nil {
		return e, err
	}
	e.Pack = m.open.ID()
	for i, part := range slices.Collect(slices.Chunk([]byte(content), orDefault(m.sample.Member, 1000))) {
		stored, compressed := part, i%2 == 0
		if compressed {
			stored = compress(part)
		}
		at, err := m.open.Add(key, compressed, int64(len(stored)), bytes.NewReader(stored))
		if err != nil {
			return e, err
		}
		e.Extent.Join(at)
	}
	return e, nil
}

func compress(part []byte) []byte {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // only for options that do not exist
	}
	defer encoder.Close()
	return encoder.EncodeAll(part, nil)
}

func (m *sampleMirror) makeRoom(ctx context.Context) (err error) {
	if m.open != nil && m.open.Size() >= int64(orDefault(m.sample.Pack, 10_000)) {
		if err := m.commitPack(); err != nil {
			return err
		}
	}
	if m.open == nil {
		m.open, err = m.draft.CreatePack(ctx)
	}
	return err
}

func (m *sampleMirror) commitPack() error {
	if m.open == nil {
		return nil
	}
	ref, err := m.open.Commit()
	if err != nil {
		return err
	}
	m.packs[ref.ID], m.open = ref, nil
	return nil
}

func (m *sampleMirror) abort() {
	if m.open != nil {
		m.open.Abort()
	}
}

// target is the spelling of a sample as a target.
func (s *Sample) target() string { return fmt.Sprintf("sample/host/%s", s.Name) }
