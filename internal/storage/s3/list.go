package s3

import (
	"context"
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
	return s.pages(ctx, prefix, nil, func(page *s3.ListObjectsV2Output) error {
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
func (s *Store) Dirs(ctx context.Context, dir string) ([]string, error) {
	if err := storage.CheckDir(dir); err != nil {
		return nil, err
	}
	var names []string
	err := s.pages(ctx, dir, aws.String("/"), func(page *s3.ListObjectsV2Output) error {
		for _, common := range page.CommonPrefixes {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(common.Prefix), s.prefix+dir), "/"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // they came with a slash, before which "-" sorts
	return names, nil
}

func (s *Store) pages(ctx context.Context, prefix string, delimiter *string, fn func(*s3.ListObjectsV2Output) error) error {
	pages := s3.NewListObjectsV2Paginator(s.api, &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: s.key(prefix), Delimiter: delimiter, MaxKeys: aws.Int32(pageSize),
	})
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
