package seed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// Bucket creates the bucket where it is missing and uploads all objects.
func Bucket(ctx context.Context, client *s3.Client, bucket string, size Size) (Result, error) {
	if err := createBucket(ctx, client, bucket); err != nil {
		return Result{}, err
	}
	u := uploader{client, bucket}
	c := newCatalog(size)
	bytes, err := u.uploadAll(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return Result{Objects: int(c.count), ObjectBytes: bytes, markers: c.markers()}, nil
}

func createBucket(ctx context.Context, client *s3.Client, bucket string) error {
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	var owned *types.BucketAlreadyOwnedByYou
	var exists *types.BucketAlreadyExists
	if err == nil || errors.As(err, &owned) || errors.As(err, &exists) {
		return nil
	}
	return fmt.Errorf("create bucket %q: %w", bucket, err)
}

// markers are what no repository may show: what is in objects, and keys.
func (c catalog) markers() []string {
	all := []string{c.marker}
	for n := range min(c.nasty, 6) {
		all = append(all, nastyKeys[n])
	}
	for n := range min(c.media, 10) {
		if o := c.named(n); o.size <= partSize {
			all = append(all, o.hash(0))
		}
	}
	return all
}

// uploader puts objects into one bucket.
type uploader struct {
	client *s3.Client
	bucket string
}

func (u uploader) uploadAll(ctx context.Context, c catalog) (int64, error) {
	var bytes, next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range workers() {
		group.Go(func() error {
			for n := next.Add(1) - 1; n < c.count; n = next.Add(1) - 1 {
				o := c.object(n)
				if err := u.upload(ctx, o, 0); err != nil {
					return err
				}
				bytes.Add(o.size)
			}
			return nil
		})
	}
	err := group.Wait()
	return bytes.Load(), err
}

// upload puts one generation of an object under its key.
func (u uploader) upload(ctx context.Context, o object, generation int) error {
	put := u.put
	if o.size > partSize && o.n%2 == 0 {
		put = u.putParts
	}
	if err := put(ctx, o, generation); err != nil {
		return fmt.Errorf("upload object %d of %d bytes: %w", o.n, o.size, err)
	}
	return nil
}

func (u uploader) put(ctx context.Context, o object, generation int) error {
	h := o.headers()
	_, err := u.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:             &u.bucket,
		Key:                aws.String(o.key(generation)),
		Body:               o.open(generation),
		ContentLength:      aws.Int64(o.size),
		ContentType:        h.contentType,
		CacheControl:       h.cacheControl,
		ContentDisposition: h.contentDisposition,
		Metadata:           h.metadata,
		Tagging:            h.tagging,
	}, unsignedPayload)
	return err
}

// putParts uploads as OpenIM's clients do above one part. The ETag is then not
// the MD5 of the contents.
func (u uploader) putParts(ctx context.Context, o object, generation int) error {
	h := o.headers()
	key := aws.String(o.key(generation))
	begun, err := u.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:             &u.bucket,
		Key:                key,
		ContentType:        h.contentType,
		CacheControl:       h.cacheControl,
		ContentDisposition: h.contentDisposition,
		Metadata:           h.metadata,
		Tagging:            h.tagging,
	})
	if err != nil {
		return err
	}
	parts, err := u.sendParts(ctx, key, begun.UploadId, o.open(generation), o.size)
	if err != nil {
		return err
	}
	_, err = u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:          &u.bucket,
		Key:             key,
		UploadId:        begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func (u uploader) sendParts(ctx context.Context, key, upload *string, contents io.Reader, size int64) ([]types.CompletedPart, error) {
	var parts []types.CompletedPart
	buffer := make([]byte, partSize)
	for number := int32(1); size > 0; number++ {
		part := buffer[:min(size, partSize)]
		if _, err := io.ReadFull(contents, part); err != nil {
			return nil, err
		}
		sent, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket:     &u.bucket,
			Key:        key,
			UploadId:   upload,
			PartNumber: aws.Int32(number),
			Body:       bytes.NewReader(part),
		}, unsignedPayload)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", number, err)
		}
		parts = append(parts, types.CompletedPart{ETag: sent.ETag, PartNumber: aws.Int32(number)})
		size -= int64(len(part))
	}
	return parts, nil
}

// unsignedPayload spares the SHA-256 of contents that go to 127.0.0.1.
func unsignedPayload(options *s3.Options) {
	options.APIOptions = append(options.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// headers are what is stored beside an object's contents; nil where nothing is.
type headers struct {
	contentType, cacheControl, contentDisposition, tagging *string
	metadata                                               map[string]string
}

func (o object) headers() headers {
	var h headers
	if o.contentType != "" && o.n%3 != 2 {
		h.contentType = aws.String(o.contentType)
	}
	if o.catalog.plain {
		return h
	}
	if o.n%5 == 1 {
		h.cacheControl = aws.String("public, max-age=31536000")
	}
	if o.n%6 == 2 {
		h.contentDisposition = aws.String(`attachment; filename="report ` + fmt.Sprint(o.n) + `.pdf"`)
	}
	if o.n%4 == 1 {
		h.metadata = map[string]string{"uploaded-by": "user " + fmt.Sprint(o.n), "trace": md5Hex(fmt.Sprint(o.n))}
	}
	if o.n%7 == 3 {
		h.tagging = aws.String("class=media&kept=yes&n=" + fmt.Sprint(o.n))
	}
	return h
}
