package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	contentType = "application/octet-stream"
	// maxParts is S3's own bound; every thousand parts they grow.
	maxParts  = 10_000
	growAfter = 1000
	// abortTimeout bounds the one call that is made after a context has ended.
	abortTimeout = 30 * time.Second
)

// Create starts an object. Nothing is sent before a part is full or Commit is
// called.
func (s *Store) Create(ctx context.Context, name string) (storage.Upload, error) {
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &upload{ctx: ctx, store: s, name: name}, nil
}

// upload is one request where the content fits a part, and else a multipart
// upload whose parts are sent one after the other.
type upload struct {
	ctx   context.Context // of Create
	store *Store
	name  string

	buffer []byte // not sent yet; at most a part
	id     string // of the multipart upload, once there is one
	parts  []types.CompletedPart

	size   int64
	crc32c uint32
	taken  bool  // an object of that name exists
	err    error // why nothing more can be done
}

func (u *upload) Write(p []byte) (int, error) {
	if err := u.usable("write"); err != nil {
		return 0, err
	}
	u.size += int64(len(p))
	u.crc32c = crc32.Update(u.crc32c, storage.Castagnoli(), p)
	if u.taken {
		return len(p), nil // only its size and checksum are wanted
	}
	written := 0
	for written < len(p) && !u.taken {
		room := u.partSize() - len(u.buffer)
		if room == 0 { // and more comes
			if err := u.sendPart(); err != nil {
				return written, u.fail(err)
			}
			continue
		}
		n := min(room, len(p)-written)
		u.buffer = append(u.buffer, p[written:written+n]...)
		written += n
	}
	return len(p), nil
}

func (u *upload) partSize() int {
	return u.store.options.PartSize * (1 + len(u.parts)/growAfter)
}

// usable ends the upload when its context has ended.
func (u *upload) usable(verb string) error {
	if u.err != nil {
		return fmt.Errorf("%s %q: %w", verb, u.name, u.err)
	}
	if err := u.ctx.Err(); err != nil {
		return u.fail(err)
	}
	return nil
}

// sendPart sends the buffer as the next part, beginning the upload with the
// first one. Where the name is taken nothing is sent at all.
func (u *upload) sendPart() error {
	if len(u.parts) == maxParts {
		return fmt.Errorf("write %q: an object is sent in %d parts at most, and %d bytes are more", u.name, maxParts, u.size)
	}
	if u.id == "" {
		if err := u.begin(); err != nil || u.taken {
			return err
		}
	}
	number := int32(len(u.parts) + 1) // at most maxParts
	sum := encoded(crc32.Checksum(u.buffer, storage.Castagnoli()))
	out, err := u.store.api.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &u.store.bucket, Key: u.store.key(u.name), UploadId: &u.id, PartNumber: &number,
		Body: bytes.NewReader(u.buffer), ChecksumCRC32C: sum,
	})
	if err != nil {
		return u.store.mapError("write", u.name, err)
	}
	u.parts = append(u.parts, types.CompletedPart{ETag: out.ETag, PartNumber: &number, ChecksumCRC32C: sum})
	u.buffer = u.buffer[:0]
	return nil
}

func (u *upload) begin() error {
	switch _, err := u.store.Stat(u.ctx, u.name); {
	case err == nil:
		u.taken, u.buffer = true, nil
		return nil
	case !errors.Is(err, storage.ErrNotExist):
		return err
	}
	out, err := u.store.api.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.store.bucket, Key: u.store.key(u.name), ContentType: aws.String(contentType),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject,
	})
	if err != nil {
		return u.store.mapError("create", u.name, err)
	}
	u.id = aws.ToString(out.UploadId)
	return nil
}

// Commit sends the rest and finishes the object.
func (u *upload) Commit() (storage.Info, error) {
	if err := u.usable("commit"); err != nil {
		return storage.Info{}, err
	}
	etag, err := u.finish()
	if err != nil {
		return storage.Info{}, u.fail(err)
	}
	if u.taken {
		u.end(errors.New("upload has been committed")) // drops the parts that were sent
		return u.compare()
	}
	u.id, u.err, u.buffer = "", errors.New("upload has been committed"), nil
	return u.describe(etag)
}

// finish makes the object visible, or finds its name taken.
func (u *upload) finish() (etag *string, err error) {
	switch {
	case u.taken:
		return nil, nil
	case u.id == "":
		etag, err = u.put()
	default:
		if len(u.buffer) > 0 {
			if err := u.sendPart(); err != nil {
				return nil, err
			}
		}
		etag, err = u.complete()
	}
	if isPrecondition(err) {
		u.taken = true
		return nil, nil
	}
	return etag, u.store.mapError("create", u.name, err)
}

// put sends a small object. The service alone judges whether the name is free,
// and before that the right to create.
func (u *upload) put() (*string, error) {
	out, err := u.store.api.PutObject(u.ctx, &s3.PutObjectInput{
		Bucket: &u.store.bucket, Key: u.store.key(u.name), ContentType: aws.String(contentType),
		Body: bytes.NewReader(u.buffer), ChecksumCRC32C: encoded(u.crc32c), IfNoneMatch: aws.String("*"),
	})
	if err != nil {
		return nil, err
	}
	return out.ETag, nil
}

func (u *upload) complete() (*string, error) {
	out, err := u.store.api.CompleteMultipartUpload(u.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.store.bucket, Key: u.store.key(u.name), UploadId: &u.id, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
		ChecksumCRC32C:  encoded(u.crc32c), ChecksumType: types.ChecksumTypeFullObject,
	})
	if err != nil {
		return nil, err
	}
	return out.ETag, nil
}

// describe asks the service for what it now holds. If that is not what was just
// sent, another writer has replaced it: the service ignores the condition.
func (u *upload) describe(etag *string) (storage.Info, error) {
	info, head, err := u.store.head(u.ctx, u.name)
	if err != nil {
		return storage.Info{}, err
	}
	if aws.ToString(etag) != aws.ToString(head.ETag) {
		return storage.Info{}, fmt.Errorf("create %q: another writer has replaced it at once: %w", u.name, storage.ErrExist)
	}
	if err := info.Check(u.size, u.crc32c); err != nil {
		return storage.Info{}, fmt.Errorf("create: %w", err)
	}
	info.CRC32C = &u.crc32c
	return info, nil
}

// compare decides about a name that is taken (invariant 10): the same content
// is success, since it may be our own whose reply was lost. Where the service
// keeps no checksum, the object is read.
func (u *upload) compare() (storage.Info, error) {
	info, err := u.store.Stat(u.ctx, u.name)
	if errors.Is(err, storage.ErrNotExist) {
		return storage.Info{}, fmt.Errorf("create %q: refused for an object that has been deleted meanwhile", u.name)
	}
	if err == nil && info.Size == u.size && info.CRC32C == nil {
		info.CRC32C, err = u.store.checksum(u.ctx, u.name)
	}
	if err != nil {
		return storage.Info{}, fmt.Errorf("compare with existing: %w", err)
	}
	if info.Check(u.size, u.crc32c) != nil {
		return storage.Info{}, fmt.Errorf("create %q: %w", u.name, storage.ErrExist)
	}
	return info, nil
}

func (s *Store) checksum(ctx context.Context, name string) (*uint32, error) {
	body, err := s.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	sum := crc32.New(storage.Castagnoli())
	_, err = io.Copy(sum, body)
	crc32c := sum.Sum32()
	return &crc32c, errors.Join(err, body.Close())
}

// Abort gives up, and drops the parts that were sent.
func (u *upload) Abort() {
	if u.err == nil {
		u.end(errors.New("upload has been aborted"))
	}
}

func (u *upload) fail(err error) error {
	u.end(err)
	return err
}

// end drops what was sent, which nobody sees and which is paid for. That is best
// effort: the service's own rule for incomplete uploads is the fallback.
func (u *upload) end(err error) {
	u.err, u.buffer = err, nil
	if u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTimeout)
	defer cancel()
	_, _ = u.store.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.store.bucket, Key: u.store.key(u.name), UploadId: &u.id,
	})
	u.id = ""
}
