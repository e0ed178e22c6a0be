package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/s3"
)

// openS3 opens a bucket. What the URL leaves out is taken from the variables that
// other tools know.
func openS3(ctx context.Context, at storage.Location, absent absence) (storage.Storage, closer, error) {
	o, err := s3Options(at)
	if err != nil {
		return nil, nil, err
	}
	s, err := s3.Open(ctx, at.Bucket, at.Prefix, o)
	if err != nil {
		return nil, nil, err
	}
	if absent == makeAbsent {
		err = requireExclusive(ctx, s, s.URL())
	}
	if err != nil {
		return nil, nil, err
	}
	return s, s, nil
}

func s3Options(at storage.Location) (s3.Options, error) {
	o := s3.Options{
		Endpoint:    cmp.Or(at.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")),
		Region:      cmp.Or(at.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		VirtualHost: at.VirtualHost,
	}
	if o.Endpoint != "" {
		if err := storage.CheckEndpoint(o.Endpoint); err != nil {
			return o, err
		}
	}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if key == "" || secret == "" {
		return o, usage("open storage", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set").
			Hint("keys of an S3 repository come from the environment: set both, and AWS_SESSION_TOKEN where there is one")
	}
	o.Credentials = credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN"))
	return o, nil
}

// requireExclusive refuses a service on which two writers would destroy each
// other's files.
func requireExclusive(ctx context.Context, s storage.Exclusive, url string) error {
	exclusive, err := s.CreatesExclusively(ctx, repository.ProbeDir+strings.ToLower(rand.Text()))
	if err != nil || exclusive {
		return err
	}
	return usage("create repository", "the service overwrites an object that exists although the request forbids it (If-None-Match)").On(url).
		Hint("use a service with conditional writes, Google Cloud Storage or a directory: two writers would destroy each other's files here")
}

// examineExclusive says whether two writers would destroy each other's files,
// where that depends on the service. It changes no byte.
func examineExclusive(ctx context.Context, url, path string) []source.Finding {
	const check = "repository.exclusive"
	driver, closer, err := openDriver(ctx, url, mustExist)
	if err != nil {
		return []source.Finding{found(check, "", err)}
	}
	defer func() { _ = closer.Close() }() // nothing is written behind it
	service, depends := driver.(storage.Exclusive)
	if !depends {
		return nil
	}
	data, err := storage.Get(ctx, driver, path, 1<<20)
	if err != nil {
		return []source.Finding{found(check, "", err)}
	}
	switch refuses, err := service.RefusesExisting(ctx, path, data); {
	case err != nil:
		return []source.Finding{found(check, "", err)}
	case !refuses:
		return []source.Finding{{
			Check: check, Severity: source.Error,
			Evidence: "the service accepts an object that exists although the request forbids it (If-None-Match): two writers would destroy each other's files",
			Remedy:   "move the repository to a service with conditional writes, and let one process alone write until then",
		}}
	}
	return []source.Finding{fine(check, "the service refuses to overwrite (tried with "+path+", whose bytes were sent again)")}
}
