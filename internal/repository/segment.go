package repository

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// BucketList is the plain file that stands for one bucket in a point: which
// segments of the object index describe it, in which order.
type BucketList struct {
	Bucket   string       `json:"bucket"`
	Order    string       `json:"order"` // "bytes" or "path"
	Objects  int64        `json:"objects"`
	Bytes    int64        `json:"bytes"`
	Digest   seal.Digest  `json:"digest"`
	Segments []SegmentRef `json:"segments"`
}

// SegmentRef names a segment and what both of its files are.
type SegmentRef struct {
	ID          string `json:"id"`
	Key         string `json:"key"` // the pack key of the run that wrote it
	Entries     int64  `json:"entries"`
	Size        int64  `json:"size"`             // bytes of the sealed file
	CRC32C      uint32 `json:"crc32c,omitempty"` // of the sealed file; 0 where it was not recorded
	SHA256      string `json:"sha256"`
	PacksSHA256 string `json:"packsSha256"`
}

// IndexEntry is one object of a bucket, a line of a segment.
type IndexEntry struct {
	Key      string    `json:"key"`
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256"`
	Metadata *Metadata `json:"metadata,omitempty"`
	Pack     string    `json:"pack,omitempty"`
	Extent
}

// Metadata is what an object carries besides its content.
type Metadata struct {
	ContentType        string            `json:"contentType,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	Expires            string            `json:"expires,omitempty"`
	User               map[string]string `json:"user,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
}

// SegmentPacks is the plain file beside a segment: the packs that it needs,
// so that reachability is known without a key.
type SegmentPacks struct {
	Segment string        `json:"segment"`
	Packs   []SegmentPack `json:"packs"`
}

// SegmentPack is a pack and how many of its bytes the segment uses.
type SegmentPack struct {
	PackRef
	LiveBytes int64 `json:"liveBytes"`
}

// SegmentWriter gathers entries in listing order. The sealed bytes stay in
// memory until Commit: some megabytes for 64 Ki entries, never plaintext on a
// disk. It is not safe for concurrent use.
type SegmentWriter struct {
	source  *SourceDraft
	id      string
	key     seal.Identity
	buf     chunks
	sealed  *seal.Writer
	encoder *json.Encoder
	entries int64
	live    map[string]int64
}

// CreateSegment starts a segment, sealed to the run's pack key and to the
// catalog identity.
func (s *SourceDraft) CreateSegment() (*SegmentWriter, error) {
	key, err := s.draft.packKey(s.draft.ctx)
	if err != nil {
		return nil, err
	}
	w := &SegmentWriter{source: s, id: randomName(26), key: key, live: map[string]int64{}}
	recipients := []age.Recipient{key.Recipient().Recipient, s.draft.writer.options.Catalog.Recipient().Recipient}
	if w.sealed, err = seal.NewWriter(&w.buf, seal.Zstd, recipients...); err != nil {
		return nil, err
	}
	w.encoder = json.NewEncoder(w.sealed)
	w.encoder.SetEscapeHTML(false)
	return w, nil
}

// Add appends one entry.
func (w *SegmentWriter) Add(e IndexEntry) error {
	w.entries++
	if e.Pack != "" {
		w.live[e.Pack] += e.Length
	}
	if err := w.encoder.Encode(&e); err != nil {
		return fmt.Errorf("write index segment: %w", err)
	}
	return nil
}

// Finish says that no entry follows. What is left in memory until Commit is the
// sealed bytes alone.
func (w *SegmentWriter) Finish() error { return w.sealed.Close() }

// Entries returns how many entries the segment holds so far.
func (w *SegmentWriter) Entries() int64 { return w.entries }

// Commit writes both files. Every pack that an entry names must be known to
// packs, which means that it is committed.
func (w *SegmentWriter) Commit(ctx context.Context, packs func(id string) (PackRef, bool)) (SegmentRef, error) {
	draft := w.source.draft
	list := SegmentPacks{Segment: w.id, Packs: []SegmentPack{}}
	for _, id := range slices.Sorted(maps.Keys(w.live)) {
		ref, ok := packs(id)
		if !ok {
			return SegmentRef{}, fmt.Errorf("write index segment: pack %s is not committed", id)
		}
		list.Packs = append(list.Packs, SegmentPack{ref, w.live[id]})
		draft.needKey(ref.Key)
	}
	if err := w.Finish(); err != nil {
		return SegmentRef{}, err
	}
	packsData, err := putPlain(ctx, draft.writer.store, segmentPacksPath(w.id), list)
	if err != nil {
		return SegmentRef{}, err
	}
	if _, err := storage.Put(ctx, draft.writer.store, segmentPath(w.id), w.buf...); err != nil {
		return SegmentRef{}, fmt.Errorf("write index segment: %w", err)
	}
	sums := w.sealed.Sums()
	w.source.addStored(sums.Size + int64(len(packsData)))
	draft.needKey(w.key.Recipient().KeyID())
	return SegmentRef{w.id, w.key.Recipient().KeyID(), w.entries, sums.Size, sums.CRC32C, sums.SHA256, seal.SumOf(packsData).SHA256}, nil
}

// KeepSegment takes a segment of an earlier point over as it is. The packs are
// those that SegmentPacks returned for it.
func (s *SourceDraft) KeepSegment(ref SegmentRef, packs []SegmentPack) {
	s.draft.needKey(ref.Key)
	for _, p := range packs {
		s.draft.needKey(p.Key)
	}
}

// PutBucketList writes the plain file of one bucket.
func (s *SourceDraft) PutBucketList(ctx context.Context, list *BucketList) error {
	path := s.dir() + FileName(list.Bucket) + ".json"
	if list.Segments == nil {
		list.Segments = []SegmentRef{}
	}
	data, err := putPlain(ctx, s.draft.writer.store, path, list)
	if err != nil {
		return err
	}
	s.draft.addFile(fileOf(path, seal.SumOf(data)))
	s.addStored(int64(len(data)))
	return nil
}

// IndexReader reads the object index, which points share. It is safe for
// concurrent use.
type IndexReader struct {
	repo *Repository
	ring *keyring
}

// BucketList reads the list of one bucket, or nil where the point has none.
func (s *SourceReader) BucketList(ctx context.Context, bucket string) (*BucketList, error) {
	path := s.dir() + FileName(bucket) + ".json"
	file, ok := s.files[path]
	if !ok {
		return nil, nil // "the point does not hold this bucket" is an answer
	}
	data, err := s.readPlain(ctx, path, file.SHA256)
	if err != nil {
		return nil, err
	}
	list := new(BucketList)
	if err := json.Unmarshal(data, list); err != nil || list.Bucket != bucket {
		return nil, fault.New(fault.Corrupt, "read "+path, "it is not the list of bucket %q", bucket)
	}
	return list, nil
}

// Segments returns all segments of the index that the source's bucket lists name.
func (s *SourceReader) Segments(ctx context.Context) ([]SegmentRef, error) {
	var all []SegmentRef
	for _, f := range s.Files() {
		if !isBucketList(f) {
			continue
		}
		data, err := s.readPlain(ctx, f.Path, f.SHA256)
		if err != nil {
			return nil, err
		}
		var list BucketList
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fault.New(fault.Corrupt, "read "+f.Path, "it is not the list of a bucket")
		}
		all = append(all, list.Segments...)
	}
	return all, nil
}

// SegmentFile is the sealed file of a segment.
func SegmentFile(ref SegmentRef) File {
	return File{Path: segmentPath(ref.ID), Size: ref.Size, SHA256: ref.SHA256}
}

// SegmentPacks returns the packs that a segment needs.
func (x *IndexReader) SegmentPacks(ctx context.Context, ref SegmentRef) ([]SegmentPack, error) {
	data, err := x.readPlain(ctx, segmentPacksPath(ref.ID), ref.PacksSHA256)
	if err != nil {
		return nil, err
	}
	var list SegmentPacks
	if err := json.Unmarshal(data, &list); err != nil || list.Segment != ref.ID {
		return nil, fault.New(fault.Corrupt, "read "+segmentPacksPath(ref.ID), "it is not the list of packs that it must be")
	}
	return list.Packs, nil
}

// SegmentReader yields the entries of a segment in their order. It is not
// safe for concurrent use.
type SegmentReader struct {
	file    io.ReadCloser
	decoder *json.Decoder
	left    int64
}

// Segment opens a segment. It can be opened with the catalog identity alone.
func (x *IndexReader) Segment(ctx context.Context, ref SegmentRef) (*SegmentReader, error) {
	want := seal.Sums{Size: ref.Size, SHA256: ref.SHA256}
	file, err := x.openSealed(ctx, segmentPath(ref.ID), seal.Zstd, want, ref.Key)
	if err != nil {
		return nil, err
	}
	return &SegmentReader{file, json.NewDecoder(bufio.NewReaderSize(file, 64<<10)), ref.Entries}, nil
}

// Next returns the next entry, and io.EOF only after the segment was read to
// its verified end.
func (r *SegmentReader) Next() (IndexEntry, error) {
	var e IndexEntry
	err := r.decoder.Decode(&e)
	switch {
	case errors.Is(err, io.EOF) && r.left == 0:
		return e, io.EOF
	case errors.Is(err, io.EOF), err == nil && r.left == 0:
		return e, fault.New(fault.Corrupt, "read index segment", "it does not hold the number of entries that its list says")
	case err != nil:
		return e, fmt.Errorf("read index segment: %w", err)
	}
	r.left--
	return e, nil
}

// Close gives the segment up.
func (r *SegmentReader) Close() error { return r.file.Close() }
