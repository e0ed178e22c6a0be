// Package s3 keeps objects in a bucket of any S3 service, below a prefix. Every
// create carries "If-None-Match: *"; a service that ignores the condition
// cannot hold a repository with several writers.
//
// A generation is the ETag with the time of the last change, in whole seconds:
// a listing tells no more. Two objects of the same content that are created one
// after the other within a second are not told from each other.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Options say how the service is reached.
type Options struct {
	// Endpoint is the URL of the service; empty for Amazon's own.
	Endpoint string
	// Region is signed for (us-east-1).
	Region string
	// VirtualHost puts the bucket in the host's name, not in the path. With
	// Amazon's own endpoint it is always there.
	VirtualHost bool
	// Credentials sign requests.
	Credentials aws.CredentialsProvider
	// PartSize is what an upload holds in memory, and the size of its first
	// thousand parts (5 MiB, which is the least that S3 takes). Each further
	// thousand is larger by it, so that the 10,000 parts of an object hold
	// 55,000 times as much: 268 GiB.
	PartSize int
	// Attempts is how often one request is tried (6).
	Attempts int
}

const (
	minPartSize = 5 << 20
	dialTimeout = 5 * time.Second
	// headerTimeout is how long the service may think about one attempt, and
	// maxBackoff the longest pause between two. Invariant 9.
	headerTimeout = time.Minute
	maxBackoff    = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	o.PartSize = max(o.PartSize, minPartSize)
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	return o
}

// Store is a prefix in a bucket. It implements storage.Storage.
type Store struct {
	api     *s3.Client
	bucket  string
	prefix  string // empty, or ends in a slash
	options Options
}

var _ storage.Storage = (*Store)(nil)

// Open connects and looks whether the bucket can be listed below prefix.
func Open(ctx context.Context, bucket, prefix string, opts Options) (*Store, error) {
	prefix, err := storage.BucketPrefix(bucket, prefix)
	if err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	s := &Store{api: newClient(opts), bucket: bucket, prefix: prefix, options: opts}
	_, err = s.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix, MaxKeys: aws.Int32(1)})
	if err != nil {
		return nil, s.mapError("open", s.URL(), err)
	}
	return s, nil
}

// newClient takes nothing from the environment by itself.
func newClient(o Options) *s3.Client {
	var endpoint *string
	if o.Endpoint != "" {
		endpoint = aws.String(strings.TrimSuffix(o.Endpoint, "/"))
	}
	return s3.New(s3.Options{
		BaseEndpoint: endpoint,
		Region:       o.Region,
		UsePathStyle: endpoint != nil && !o.VirtualHost,
		Credentials:  o.Credentials,
		HTTPClient: awshttp.NewBuildableClient().
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
			WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = headerTimeout }),
		Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff, r.RateLimiter = o.Attempts, maxBackoff, ratelimit.None
		}),
		// Checksums are sent in headers that this package fills in: some
		// services store the trailer that the SDK would send as content.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
	})
}

// Close releases idle connections, which end by themselves.
func (s *Store) Close() error { return nil }

// URL is s3://bucket/prefix.
func (s *Store) URL() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

func (s *Store) key(name string) *string { return aws.String(s.prefix + name) }

// Stat describes one object.
func (s *Store) Stat(ctx context.Context, name string) (storage.Info, error) {
	info, _, err := s.head(ctx, name)
	return info, err
}

// head also returns what the service says beyond Info.
func (s *Store) head(ctx context.Context, name string) (storage.Info, *s3.HeadObjectOutput, error) {
	if err := storage.CheckName(name); err != nil {
		return storage.Info{}, nil, err
	}
	head, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.key(name), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return storage.Info{}, nil, s.mapError("stat", name, err)
	}
	return storage.Info{
		Name:          name,
		Size:          aws.ToInt64(head.ContentLength),
		CRC32C:        wholeChecksum(head),
		Generation:    generation(head.ETag, head.LastModified),
		Created:       created(head.LastModified),
		RetainedUntil: aws.ToTime(head.ObjectLockRetainUntilDate),
	}, head, nil
}

func generation(etag *string, modified *time.Time) string {
	return fmt.Sprintf("%s-%x", strings.Trim(aws.ToString(etag), `"`), created(modified).Unix())
}

// created is what a header can say of a time: whole seconds.
func created(modified *time.Time) time.Time {
	return aws.ToTime(modified).UTC().Truncate(time.Second)
}

// Delete names what was seen, so that a service that judges the condition
// refuses to delete anything else. In a bucket with versions it is the version
// that is deleted, and exactly that one. A service that ignores "If-Match" may
// delete what replaces the object between the look and the deletion; the
// repository never uses a name twice.
func (s *Store) Delete(ctx context.Context, seen storage.Info) error {
	present, head, err := s.head(ctx, seen.Name)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if present.Generation != seen.Generation {
		return fmt.Errorf("delete %q: seen %s, is %s: %w", seen.Name, seen.Generation, present.Generation, storage.ErrChanged)
	}
	in := &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(seen.Name), IfMatch: head.ETag}
	if version := aws.ToString(head.VersionId); version != "" && version != "null" {
		in.VersionId, in.IfMatch = head.VersionId, nil
	}
	_, err = s.api.DeleteObject(ctx, in)
	switch {
	case isPrecondition(err):
		return fmt.Errorf("delete %q: seen %s: %w", seen.Name, seen.Generation, storage.ErrChanged)
	case isProtection(err, head):
		return fmt.Errorf("delete %q: %w: %w", seen.Name, storage.ErrProtected, err)
	}
	err = s.mapError("delete", seen.Name, err)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	return err
}
