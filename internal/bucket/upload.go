package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// partSize is the size of a part of a large object. S3 allows 10,000 parts
	// and SeaweedFS 3.39 mixes up those above 9,999, so parts of very large
	// objects are larger.
	partSize = 8 << 20
	maxParts = 9000
	// streamLimit is the largest object that S3 takes in one request.
	streamLimit = 5 << 30
	// plainLimit is up to which size an object with a plain ETag gets one
	// again: a request that breaks off starts again from the beginning.
	plainLimit = 256 << 20
	// streamTries is how often an object is sent in one request. The client
	// cannot repeat it: the content streams from the repository.
	streamTries = 3
)

// uploader puts objects into a bucket of the target. It is safe for concurrent
// use.
type uploader struct {
	source *Source
	bucket string
	fence  *fence
	// budget bounds what the workers themselves hold in memory. It is apart
	// from the readers' budget: a worker that waited for bytes which readers
	// hold, who wait for a worker, would wait for ever.
	budget *semaphore.Weighted
	most   int64 // of budget
	// flight comes before budget: who waited for it with bytes of the budget in hand
	// could wait for somebody who is on the way and waits for these.
	flight flight
}

func newUploader(s *Source, bucket string, fence *fence, memory, all int64) *uploader {
	return &uploader{s, bucket, fence, semaphore.NewWeighted(memory), memory, newFlight(all)}
}

// put uploads an object that is held in memory and was verified.
func (u *uploader) put(ctx context.Context, e repository.IndexEntry, content []byte) error {
	if err := u.fence.pass(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, u.source.options.patience.call)
	defer cancel()
	began := time.Now()
	err := u.source.client.putObject(ctx, u.bucket, e, content)
	if err == nil {
		err = u.tag(ctx, e)
	}
	return u.explain(ctx, e, err, began)
}

// large uploads an object that is read from open. It becomes visible only
// after its SHA-256 was found right (invariant 3).
func (u *uploader) large(ctx context.Context, e repository.IndexEntry, open func() (io.ReadCloser, error)) error {
	began := time.Now()
	err := u.largeOnce(ctx, e, open)
	for try := 1; needsStream(e) && try < streamTries && err != nil && ctx.Err() == nil && fault.KindOf(err) == fault.Failed; try++ {
		err = u.largeOnce(ctx, e, open)
	}
	if err == nil {
		err = u.tag(ctx, e)
	}
	return u.explain(ctx, e, err, began)
}

func (u *uploader) largeOnce(ctx context.Context, e repository.IndexEntry, open func() (io.ReadCloser, error)) error {
	if err := u.fence.pass(ctx); err != nil {
		return err
	}
	content, err := open()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // what was read was checked
	verified := &verifier{from: content, sum: sha256.New(), want: e}
	if needsStream(e) {
		return u.stream(ctx, e, verified)
	}
	return u.multipart(ctx, e, verified)
}

// needsStream reports whether an object goes in one request: because it once
// came so, and its ETag, a plain MD5, is to be the same again; or because
// SeaweedFS 3.39 forgets some headers of a multipart upload.
func needsStream(e repository.IndexEntry) bool {
	m := e.Metadata
	headers := m != nil && (m.CacheControl != "" || m.ContentDisposition != "" || m.ContentLanguage != "" || m.Expires != "")
	plain := e.Size <= plainLimit && !strings.Contains(e.ETag, "-")
	return plain || headers && e.Size <= streamLimit
}

// stream sends an object in one request, signed over the SHA-256 that the
// index knows, so that it need not be read twice. Where the content turns out
// to be another one, the last bytes are not sent, and the server sees a
// request that breaks off.
func (u *uploader) stream(ctx context.Context, e repository.IndexEntry, content io.Reader) error {
	ctx, guard := u.source.guardIdle(ctx)
	defer guard.stop()
	input := putInput(u.bucket, e)
	input.Body = &sentReader{guard, content}
	_, err := u.source.api().PutObject(ctx, input, exactHeaders(e), func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	return idleCause(ctx, err)
}

// multipart sends an object in parts, and aborts the upload after any error.
func (u *uploader) multipart(ctx context.Context, e repository.IndexEntry, content *verifier) error {
	size := max(int64(partSize), (e.Size+maxParts-1)/maxParts)
	created, err := u.create(ctx, e)
	if err != nil {
		return err
	}
	done, err := u.parts(ctx, created, e.Size, size, content)
	if err == nil {
		err = u.complete(ctx, created, done)
	}
	if err != nil {
		return errors.Join(err, u.abort(ctx, created))
	}
	return nil
}

func (u *uploader) create(ctx context.Context, e repository.IndexEntry) (*s3.CreateMultipartUploadOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, u.source.options.patience.call)
	defer cancel()
	p := putInput(u.bucket, e)
	created, err := u.source.api().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: p.Bucket, Key: p.Key, ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, ContentDisposition: p.ContentDisposition,
		ContentLanguage: p.ContentLanguage, CacheControl: p.CacheControl, Metadata: p.Metadata, Tagging: p.Tagging,
	}, exactHeaders(e))
	if err != nil {
		return nil, err
	}
	created.Bucket, created.Key = p.Bucket, p.Key // SeaweedFS escapes the key that it returns
	return created, nil
}

// parts sends the parts one after the other: other workers send other objects
// meanwhile.
func (u *uploader) parts(ctx context.Context, to *s3.CreateMultipartUploadOutput, left, size int64, content io.Reader) ([]types.CompletedPart, error) {
	weight := min(size, u.most)
	if err := u.budget.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	defer u.budget.Release(weight)
	buffer := make([]byte, min(size, left))
	var done []types.CompletedPart
	for number := int32(1); left > 0; number++ {
		part := buffer[:min(left, size)]
		if _, err := io.ReadFull(content, part); err != nil {
			return nil, err
		}
		left -= int64(len(part))
		etag, err := u.part(ctx, to, number, part)
		if err != nil {
			return nil, err
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(number), ETag: etag})
	}
	return done, nil
}

func (u *uploader) part(ctx context.Context, to *s3.CreateMultipartUploadOutput, number int32, content []byte) (*string, error) {
	if err := u.fence.pass(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, u.source.options.patience.call)
	defer cancel()
	out, err := u.source.api().UploadPart(ctx, &s3.UploadPartInput{
		Bucket: to.Bucket, Key: to.Key, UploadId: to.UploadId, PartNumber: aws.Int32(number), Body: bytes.NewReader(content),
	})
	if err != nil {
		return nil, fmt.Errorf("part %d: %w", number, err)
	}
	return out.ETag, nil
}

func (u *uploader) complete(ctx context.Context, to *s3.CreateMultipartUploadOutput, parts []types.CompletedPart) error {
	if err := u.fence.pass(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, u.source.options.patience.call)
	defer cancel()
	_, err := u.source.api().CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: to.Bucket, Key: to.Key, UploadId: to.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// abort removes the parts that were sent, also when ctx has ended.
func (u *uploader) abort(ctx context.Context, to *s3.CreateMultipartUploadOutput) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.source.options.patience.header)
	defer cancel()
	_, err := u.source.api().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: to.Bucket, Key: to.Key, UploadId: to.UploadId})
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("abort multipart upload: %w", err)
	}
	return nil
}

// errRefused says that the server takes no object of a key.
var errRefused = errors.New("the server refuses the key")

// explain makes an error one for people, or errRefused: the comparison reports
// such an object as missing, and all others come back.
func (u *uploader) explain(ctx context.Context, e repository.IndexEntry, err error, began time.Time) error {
	if err != nil && ctx.Err() == nil && refusesKey(err, e.Key) {
		return errRefused
	}
	return u.source.explain(ctx, fmt.Sprintf("upload object %q to bucket %s", e.Key, u.bucket), err, began)
}

// refusesKey reports that the server takes no object of that key. Servers that
// keep objects as files answer in many ways to what no file can be called, some
// not at all. What is wrong with the credentials, the bucket or the moment is wrong
// with every key, and comes first.
func refusesKey(err error, key string) bool {
	if _, ours := fault.Outermost(err); ours || isNoBucket(err) || isDenied(err) || isPassing(err) {
		return false
	}
	switch statusOf(err) {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestURITooLong, http.StatusNotAcceptable, http.StatusUnprocessableEntity:
		return true
	}
	return isOdd(key)
}

// isOdd reports that a key can be no path of a file.
func isOdd(key string) bool {
	for name := range strings.SplitSeq(key, "/") {
		if name == "." || name == ".." {
			return true
		}
	}
	return strings.ContainsFunc(key, unicode.IsControl)
}

// putInput is the request for an object without its content.
func putInput(bucket string, e repository.IndexEntry) *s3.PutObjectInput {
	input := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(e.Key), ContentLength: aws.Int64(e.Size)}
	if m := e.Metadata; m != nil {
		input.ContentType, input.ContentEncoding = optional(m.ContentType), optional(m.ContentEncoding)
		input.ContentDisposition, input.ContentLanguage = optional(m.ContentDisposition), optional(m.ContentLanguage)
		input.CacheControl, input.Metadata, input.Tagging = optional(m.CacheControl), m.User, optional(tagHeader(m.Tags))
	}
	return input
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// exactHeaders makes a request carry what the SDK would change: no content
// type where there was none, Expires as it was written. The payload's hash for
// the signature is known already.
func exactHeaders(e repository.IndexEntry) func(*s3.Options) {
	signed := middleware.InitializeMiddlewareFunc("KnownPayloadHash", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error) {
		if _, put := in.Parameters.(*s3.PutObjectInput); put {
			ctx = v4.SetPayloadHash(ctx, e.SHA256)
		}
		return next.HandleInitialize(ctx, in)
	})
	headers := middleware.BuildMiddlewareFunc("ExactHeaders", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (
		middleware.BuildOutput, middleware.Metadata, error) {
		if r, ok := in.Request.(*smithyhttp.Request); ok {
			if e.Metadata == nil || e.Metadata.ContentType == "" {
				r.Header.Del("Content-Type")
			}
			if e.Metadata != nil && e.Metadata.Expires != "" {
				r.Header.Set("Expires", e.Metadata.Expires)
			}
		}
		return next.HandleBuild(ctx, in)
	})
	return func(o *s3.Options) {
		o.APIOptions = append(slices.Clone(o.APIOptions), func(stack *middleware.Stack) error {
			return errors.Join(stack.Initialize.Add(signed, middleware.After), stack.Build.Add(headers, middleware.After))
		})
	}
}

// verifier delivers exactly the content that the index promises. It reads one
// piece ahead, so that the last bytes are delivered only after the SHA-256 of
// all of them was found right.
type verifier struct {
	from io.Reader
	sum  hash.Hash
	want repository.IndexEntry
	read int64
}

func (v *verifier) Read(p []byte) (int, error) {
	left := v.want.Size - v.read
	if left == 0 {
		return 0, io.EOF
	}
	n, err := io.ReadFull(v.from, p[:min(int64(len(p)), left)])
	v.sum.Write(p[:n])
	v.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	if err != nil {
		return 0, corrupt(v.want, fmt.Sprintf("it ends after %d bytes", v.read))
	}
	if v.read == v.want.Size {
		if err := v.end(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (v *verifier) end() error {
	if err := atEnd(v.from); err != nil {
		return corrupt(v.want, err.Error())
	}
	return checkSum(v.want, v.sum.Sum(nil))
}

// checkSum compares the SHA-256 of what a pack delivered with the index.
func checkSum(e repository.IndexEntry, sum []byte) error {
	if got := hex.EncodeToString(sum); got != e.SHA256 {
		return corrupt(e, "its SHA-256 is "+got)
	}
	return nil
}

func corrupt(e repository.IndexEntry, why string) error {
	return fault.New(fault.Corrupt, fmt.Sprintf("read object %q from pack %s", e.Key, e.Pack), "%s, and the index says %d bytes with SHA-256 %s", why, e.Size, e.SHA256).
		Hint("openim-dr check --read-data says what else is damaged, and of which points; an older point may hold the object")
}
