package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Open reads a range. The SDK checks the object's checksum, where the service
// keeps one, if the range is the whole object.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %q: range starts at %d", name, offset)
	}
	if length == 0 {
		return s.openEmpty(ctx, name, offset)
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(name)}
	switch {
	case offset == 0 && length < 0:
		in.ChecksumMode = types.ChecksumModeEnabled
	case length < 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	default:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	}
	out, err := s.api.GetObject(ctx, in)
	if codeOf(err) == "InvalidRange" {
		return storage.OpenEnd(ctx, s, name, offset, length)
	}
	if err != nil {
		return nil, s.mapError("open", name, err)
	}
	left, err := answered(name, offset, length, out)
	if err != nil {
		return nil, errors.Join(err, out.Body.Close())
	}
	return &storage.Body{
		From: out.Body, Left: left, Generated: generation(out.ETag, out.LastModified),
		MapError: func(err error) error { return s.mapError("read", name, err) },
	}, nil
}

// answered returns how many bytes come, if they are those that were asked for.
func answered(name string, offset, length int64, out *s3.GetObjectOutput) (int64, error) {
	size := aws.ToInt64(out.ContentLength)
	if offset == 0 && length < 0 {
		return size, nil
	}
	extent, total, _ := strings.Cut(aws.ToString(out.ContentRange), "/")
	whole, err := strconv.ParseInt(total, 10, 64)
	if err != nil || !strings.HasPrefix(extent, fmt.Sprintf("bytes %d-", offset)) {
		return 0, fmt.Errorf("open %q: the service answers with range %q, want one from %d on", name, aws.ToString(out.ContentRange), offset)
	}
	want := length
	if length < 0 {
		want = whole - offset
	}
	if want > whole-offset {
		return 0, storage.OutOfRange(name, offset, length, whole)
	}
	if size != want {
		return 0, fmt.Errorf("open %q: the service sends %d bytes, want %d", name, size, want)
	}
	return want, nil
}

// openEmpty serves a range of no bytes, which S3 has no words for.
func (s *Store) openEmpty(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if offset > info.Size {
		return nil, storage.OutOfRange(name, offset, 0, info.Size)
	}
	return storage.EmptyBody(info.Generation), nil
}
