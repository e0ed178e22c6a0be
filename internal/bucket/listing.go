package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// pageSize is the most that S3 returns at once.
const pageSize = 1000

// listed is an object as a listing describes it.
type listed struct {
	Key      string
	Size     int64
	ETag     string
	Modified time.Time
}

// listing reads the keys of a bucket page by page.
type listing struct {
	client *client
	call   time.Duration // bounds the request for a page
	bucket string
	prefix string
	token  *string
	after  string // the last key seen
	probed bool   // the end was confirmed
	done   bool
}

func newListing(c *client, call time.Duration, bucket, prefix string) *listing {
	return &listing{client: c, call: call, bucket: bucket, prefix: prefix}
}

// list begins a listing.
func (s *Source) list(bucket, prefix string) *listing {
	return newListing(s.client, s.options.patience.call, bucket, prefix)
}

// next returns a page in the server's order, and nil after the last one.
//
// The end is confirmed by asking for what comes after the last key: SeaweedFS
// 3.39 says "not truncated" where a page was filled exactly by the marker of
// the last directory (or by keys before empty directories), with keys to come.
func (l *listing) next(ctx context.Context) ([]listed, error) {
	for !l.done {
		page, err := l.fetch(ctx)
		if err != nil || len(page) > 0 {
			return page, err
		}
	}
	return nil, nil
}

func (l *listing) fetch(ctx context.Context) ([]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, l.call)
	defer cancel()
	input := &s3.ListObjectsV2Input{
		Bucket: aws.String(l.bucket), MaxKeys: aws.Int32(pageSize), ContinuationToken: l.token,
		// XML cannot carry every key.
		EncodingType: types.EncodingTypeUrl,
	}
	if l.prefix != "" {
		input.Prefix = aws.String(l.prefix)
	}
	if l.token == nil && l.after != "" {
		input.StartAfter = aws.String(l.after)
	}
	out, err := l.client.listObjects(ctx, input)
	if err != nil {
		return nil, err
	}
	page, err := decodePage(out)
	if err != nil {
		return nil, err
	}
	return page, l.advance(out, page)
}

// advance decides how the listing goes on after a page.
func (l *listing) advance(out *s3.ListObjectsV2Output, page []listed) error {
	if len(page) > 0 {
		// Invariant 9: a server that lists what has been listed would go on for ever.
		if first := page[0].Key; first == l.after {
			return &orderError{last: first, key: first}
		}
		l.after = page[len(page)-1].Key
	}
	if aws.ToBool(out.IsTruncated) {
		next := aws.ToString(out.NextContinuationToken)
		if next == "" || next == aws.ToString(l.token) {
			return errors.New("the server says that the listing goes on, but not where")
		}
		l.token, l.probed = out.NextContinuationToken, false
		return nil
	}
	l.token = nil
	// A probe that found more is itself the page to be confirmed next.
	l.done = l.after == "" || l.probed && len(page) == 0
	l.probed = true
	return nil
}

func decodePage(out *s3.ListObjectsV2Output) ([]listed, error) {
	page := make([]listed, 0, len(out.Contents))
	for _, o := range out.Contents {
		key := aws.ToString(o.Key)
		if out.EncodingType == types.EncodingTypeUrl {
			decoded, err := url.QueryUnescape(key)
			if err != nil {
				return nil, fmt.Errorf("decode listed key %q: %w", key, err)
			}
			key = decoded
		}
		if key == "" || !utf8.ValidString(key) {
			return nil, fmt.Errorf("listed key %q is not UTF-8, as keys of S3 must be", key)
		}
		page = append(page, listed{key, aws.ToInt64(o.Size), aws.ToString(o.ETag), aws.ToTime(o.LastModified).UTC()})
	}
	return page, nil
}

// exists reports whether the listing under prefix shows key on its first page,
// and as what. The key itself sorts first among all that begin like it.
func (s *Source) exists(ctx context.Context, bucket, key, prefix string) (listed, bool, error) {
	page, err := s.list(bucket, prefix).next(ctx)
	if err != nil {
		return listed{}, false, err
	}
	i := slices.IndexFunc(page, func(l listed) bool { return l.Key == key })
	if i < 0 {
		return listed{}, false, nil
	}
	return page[i], true, nil
}
