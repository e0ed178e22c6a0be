// Package gcs keeps objects in a Google Cloud Storage bucket, below a prefix,
// over the JSON API. It needs storage.objects.create, get and list, and for
// deleting storage.objects.delete; it never composes or rewrites, and changes
// metadata only where it is told to hold an object, which takes
// storage.objects.update. So it works in a bucket under a retention policy.
//
// With STORAGE_EMULATOR_HOST set, Google's client library talks to that
// address and sends no credentials.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Options tune a Store. The zero value is good.
type Options struct {
	// ChunkSize is what an upload holds in memory and sends in one request
	// (4 MiB), so that memory is bounded by the number of uploads under way
	// (invariant 7). A multiple of 256 KiB.
	ChunkSize int
	// ChunkTimeout ends an attempt to send one chunk (1 min), and
	// ChunkDeadline the attempts together (3 min). Invariant 9.
	ChunkTimeout, ChunkDeadline time.Duration
	// RetryFor bounds the repetitions of one request other than a chunk's
	// inside the client library (20 s). What takes longer is for storage.Retry,
	// which also knows how far a listing or a read has come.
	RetryFor time.Duration
	// Client holds further options for the client library.
	Client []option.ClientOption
}

func (o Options) withDefaults() Options {
	if o.ChunkSize <= 0 {
		o.ChunkSize = 4 << 20
	}
	if o.ChunkTimeout <= 0 {
		o.ChunkTimeout = time.Minute
	}
	if o.ChunkDeadline <= 0 {
		o.ChunkDeadline = 3 * time.Minute
	}
	if o.RetryFor <= 0 {
		o.RetryFor = 20 * time.Second
	}
	return o
}

// Store is a prefix in a bucket. It implements storage.Storage.
type Store struct {
	client     *gcs.Client
	bucket     *gcs.BucketHandle
	bucketName string
	prefix     string // empty, or ends in a slash
	options    Options
}

var _ storage.Storage = (*Store)(nil)

// Open connects and looks whether the bucket can be listed below prefix.
func Open(ctx context.Context, bucket, prefix string, opts Options) (*Store, error) {
	prefix, err := storage.BucketPrefix(bucket, prefix)
	if err != nil {
		return nil, err
	}
	client, err := gcs.NewClient(ctx, opts.Client...)
	if err != nil {
		return nil, noCredentials(bucket, err)
	}
	s := newStore(client, bucket, prefix, opts.withDefaults())
	if err := s.probe(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// newStore sets when the client library repeats a request: always. It would by
// default not repeat what might be done twice; here nothing can be. Reads and
// listings change nothing, each create carries ifGenerationMatch=0 (done twice,
// the second is refused and Commit looks whether the first was ours), and each
// delete names a generation, which never comes back.
func newStore(client *gcs.Client, bucket, prefix string, opts Options) *Store {
	handle := client.Bucket(bucket).Retryer(
		gcs.WithPolicy(gcs.RetryAlways),
		gcs.WithMaxRetryDuration(opts.RetryFor),
	)
	return &Store{client: client, bucket: handle, bucketName: bucket, prefix: prefix, options: opts}
}

// probe lists one object: that needs no right beyond those of a reader.
func (s *Store) probe(ctx context.Context) error {
	query := &gcs.Query{Prefix: s.prefix, Projection: gcs.ProjectionNoACL}
	if err := query.SetAttrSelection([]string{"Name"}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	objects := s.bucket.Objects(ctx, query)
	objects.PageInfo().MaxSize = 1
	if _, err := objects.Next(); err != nil && !errors.Is(err, iterator.Done) {
		return s.mapError("open", s.URL(), err)
	}
	return nil
}

// Close releases the client's connections.
func (s *Store) Close() error { return s.client.Close() }

// URL is gs://bucket/prefix.
func (s *Store) URL() string {
	return strings.TrimSuffix("gs://"+s.bucketName+"/"+s.prefix, "/")
}

func (s *Store) object(name string) *gcs.ObjectHandle {
	return s.bucket.Object(s.prefix + name)
}

// Stat describes one object.
func (s *Store) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := storage.CheckName(name); err != nil {
		return storage.Info{}, err
	}
	attrs, err := s.object(name).Attrs(ctx)
	if err != nil {
		return storage.Info{}, s.mapError("stat", name, err)
	}
	return s.info(attrs), nil
}

func (s *Store) info(attrs *gcs.ObjectAttrs) storage.Info {
	crc32c := attrs.CRC32C
	return storage.Info{
		Name:          strings.TrimPrefix(attrs.Name, s.prefix),
		Size:          attrs.Size,
		CRC32C:        &crc32c,
		Generation:    strconv.FormatInt(attrs.Generation, 10),
		Created:       attrs.Created.UTC(),
		RetainedUntil: retainedUntil(attrs),
	}
}

// retainedUntil is the later end of the bucket's retention and of the object's own.
func retainedUntil(attrs *gcs.ObjectAttrs) time.Time {
	until := attrs.RetentionExpirationTime
	if own := attrs.Retention; own != nil && own.RetainUntil.After(until) {
		until = own.RetainUntil
	}
	if until.IsZero() {
		return until
	}
	return until.UTC()
}

// List relies on the service's order, which is that of UTF-8 bytes.
func (s *Store) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	query := &gcs.Query{Prefix: s.prefix + prefix, Projection: gcs.ProjectionNoACL}
	if err := query.SetAttrSelection([]string{"Name", "Size", "CRC32C", "Generation", "Created"}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	objects := s.bucket.Objects(ctx, query)
	// Google's own bound, said so that no other server sends all at once
	// (invariant 7).
	objects.PageInfo().MaxSize = 1000
	for {
		// A page may be in memory when ctx ends.
		if err := ctx.Err(); err != nil {
			return err
		}
		attrs, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return s.mapError("list", prefix, err)
		}
		// Google's console creates empty "folder/" objects, which are no
		// names here.
		if strings.HasSuffix(attrs.Name, "/") && attrs.Size == 0 {
			continue
		}
		if err := fn(s.info(attrs)); err != nil {
			return err
		}
	}
}

// Dirs has the service group the names: a page of it holds up to a thousand
// directories or objects that are no directory.
func (s *Store) Dirs(ctx context.Context, dir string, span storage.Span) ([]string, error) {
	if err := storage.CheckDir(dir); err != nil {
		return nil, err
	}
	query := &gcs.Query{Prefix: s.prefix + dir, Delimiter: "/", Projection: gcs.ProjectionNoACL}
	if span.From != "" {
		query.StartOffset = s.prefix + dir + span.From
	}
	if end := span.Beyond(); end != "" {
		query.EndOffset = s.prefix + dir + end
	}
	if err := query.SetAttrSelection([]string{"Name"}); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var names []string
	objects := s.bucket.Objects(ctx, query)
	for {
		attrs, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			slices.Sort(names) // they came with a slash, before which "-" sorts
			return names, nil
		}
		if err != nil {
			return nil, s.mapError("list", dir, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(attrs.Prefix, s.prefix+dir), "/")
		if attrs.Prefix != "" && span.Holds(name) {
			names = append(names, name)
		}
	}
}

// Open reads a range. The client library checks the object's checksum where
// the range is the whole object, and goes on with the same generation when a
// connection breaks.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %q: range starts at %d", name, offset)
	}
	// An object with "Content-Encoding: gzip" would otherwise be unpacked on
	// the way, and its ranges ignored.
	r, err := s.object(name).ReadCompressed(true).NewRangeReader(ctx, offset, length)
	if isUnsatisfiable(err) {
		return storage.OpenEnd(ctx, s, name, offset, length)
	}
	if err != nil {
		return nil, s.mapError("open", name, err)
	}
	if length < 0 {
		length = r.Attrs.Size - offset
	}
	if length > r.Attrs.Size-offset {
		size := r.Attrs.Size
		return nil, errors.Join(storage.OutOfRange(name, offset, length, size), r.Close())
	}
	return &storage.Body{
		From: r, Left: length, Generated: strconv.FormatInt(r.Attrs.Generation, 10),
		MapError: func(err error) error { return s.mapError("read", name, err) },
	}, nil
}

// Delete names the generation that was seen, so that the service refuses to
// delete another one.
func (s *Store) Delete(ctx context.Context, seen storage.Info) error {
	if err := storage.CheckName(seen.Name); err != nil {
		return err
	}
	generation, err := strconv.ParseInt(seen.Generation, 10, 64)
	if err != nil || generation <= 0 {
		return fmt.Errorf("delete %q: %q is no generation of this storage", seen.Name, seen.Generation)
	}
	err = s.object(seen.Name).If(gcs.Conditions{GenerationMatch: generation}).Delete(ctx)
	switch err := s.mapError("delete", seen.Name, err); {
	case errors.Is(err, storage.ErrNotExist):
		return nil
	case isPrecondition(err):
		return fmt.Errorf("delete %q: seen %s: %w", seen.Name, seen.Generation, storage.ErrChanged)
	default:
		return err
	}
}
