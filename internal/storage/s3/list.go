package s3

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const pageSize = 1000

// List relies on the service's order, which S3 says is that of UTF-8 bytes, and
// fails before it delivers a name out of order: who resumes a listing behind
// the last name would lose objects without a word. It tells no checksums.
func (s *Store) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	last := ""
	return s.pages(ctx, prefix, new(s3.ListObjectsV2Input), func(page *s3.ListObjectsV2Output) error {
		for _, object := range page.Contents {
			// A page may be in memory when ctx ends.
			if err := ctx.Err(); err != nil {
				return err
			}
			name := strings.TrimPrefix(aws.ToString(object.Key), s.prefix)
			// Consoles create empty "folder/" objects, which are no names here.
			if strings.HasSuffix(name, "/") && aws.ToInt64(object.Size) == 0 {
				continue
			}
			if name <= last {
				return s.disordered()
			}
			last = name
			err := fn(storage.Info{
				Name: name, Size: aws.ToInt64(object.Size),
				Generation: generation(object.ETag, object.LastModified), Created: created(object.LastModified),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) disordered() error {
	return fault.New(fault.Usage, "list", "the service lists names in another order than that of their bytes").On("bucket " + s.bucket).
		Hint("SeaweedFS 3.39 does; keep the repository in a service that lists as Amazon S3 does, or in a directory")
}

// Dirs has the service group the names.
func (s *Store) Dirs(ctx context.Context, dir string, span storage.Span) ([]string, error) {
	if err := storage.CheckDir(dir); err != nil {
		return nil, err
	}
	var names []string
	beyond := span.Beyond()
	input := &s3.ListObjectsV2Input{Delimiter: aws.String("/")}
	if span.From != "" {
		input.StartAfter = s.key(dir + span.From) // no directory: its key has a slash
	}
	err := s.pages(ctx, dir, input, func(page *s3.ListObjectsV2Output) error {
		for _, common := range page.CommonPrefixes {
			key := strings.TrimPrefix(aws.ToString(common.Prefix), s.prefix+dir)
			if beyond != "" && key >= beyond {
				return errBeyond
			}
			if name := strings.TrimSuffix(key, "/"); span.Holds(name) {
				names = append(names, name)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errBeyond) {
		return nil, err
	}
	slices.Sort(names) // they came with a slash, before which "-" sorts
	return names, nil
}

// errBeyond ends a listing that has come to names which nobody asked for.
var errBeyond = errors.New("beyond what was asked for")

// pages calls fn with each page of what a request lists below a prefix. An error of fn
// ends it, and is returned as it is.
func (s *Store) pages(ctx context.Context, prefix string, input *s3.ListObjectsV2Input, fn func(*s3.ListObjectsV2Output) error) error {
	input.Bucket, input.Prefix, input.MaxKeys = &s.bucket, s.key(prefix), aws.Int32(pageSize)
	pages := s3.NewListObjectsV2Paginator(s.api, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.mapError("list", prefix, err)
		}
		if err := fn(page); err != nil {
			return err
		}
	}
	return nil
}
