package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// mostDisturbed bounds the object that Disturb changes: it is held in memory.
const mostDisturbed = 1 << 20

// Disturb flips one bit in the content of one small object of the target.
func (s *Source) Disturb(ctx context.Context, from *repository.SourceReader, todo *source.Plan) (*source.Disturbance, error) {
	private, ok := todo.Private.(*plan)
	if !ok {
		return nil, errors.New("disturb: the plan is not of this source")
	}
	for _, p := range private.buckets {
		var found *repository.IndexEntry
		err := p.each(ctx, from, func(e repository.IndexEntry) error {
			if e.Size == 0 || e.Size > mostDisturbed {
				return nil
			}
			found = &e
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		if found == nil {
			continue
		}
		if err := s.flip(ctx, p.target, found.Key); err != nil {
			return nil, err
		}
		return &source.Disturbance{
			What: "one bit of one object of bucket " + p.list.Bucket, Finds: "content",
			Select: source.Selection{Objects: []string{p.list.Bucket + "/" + found.Key}},
		}, nil
	}
	return nil, nil // nothing could be changed
}

// flip writes an object again with one bit changed, and all that it carries.
func (s *Source) flip(ctx context.Context, bucket, key string) error {
	began := time.Now()
	err := s.call(ctx, func(ctx context.Context) error {
		out, err := s.api().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
		if err != nil {
			return err
		}
		defer out.Body.Close() //nolint:errcheck // only read
		content, err := io.ReadAll(io.LimitReader(out.Body, mostDisturbed))
		if err != nil || len(content) == 0 {
			return errors.Join(err, errors.New("it is empty"))
		}
		content[len(content)/2] ^= 1
		_, err = s.api().PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(content),
			ContentType: out.ContentType, Metadata: out.Metadata,
		})
		return err
	})
	if err != nil {
		return s.explain(ctx, fmt.Sprintf("change an object of bucket %s", bucket), err, began)
	}
	return nil
}
