package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/s3"
)

// openS3 opens BUCKET/PREFIX?endpoint=URL&region=NAME&pathStyle=false. What the
// URL leaves out is taken from the variables that other tools know.
func openS3(ctx context.Context, rest string, absent absence) (storage.Storage, closer, error) {
	location, query, _ := strings.Cut(rest, "?")
	bucket, prefix, _ := strings.Cut(location, "/")
	if bucket == "" {
		return nil, nil, usage("open storage", "the URL names no bucket").Hint("s3://BUCKET/PREFIX")
	}
	o, err := s3Options(query)
	if err != nil {
		return nil, nil, err
	}
	s, err := s3.Open(ctx, bucket, prefix, o)
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

// s3Options quotes nothing of the query: somebody may have written a secret
// into it.
func s3Options(query string) (s3.Options, error) {
	refused := func(why string) (s3.Options, error) {
		return s3.Options{}, usage("open storage", "%s", why).
			Hint("s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=NAME&pathStyle=false; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	o := s3.Options{
		Endpoint: cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")),
		Region:   cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return refused("what follows the question mark of the URL is not understood")
	}
	for name, given := range values {
		value := given[len(given)-1]
		switch {
		case name == "endpoint":
			o.Endpoint = value
		case name == "region":
			o.Region = value
		case name == "pathStyle" && (value == "true" || value == "false"):
			o.VirtualHost = value == "false"
		default:
			return refused("the URL may set endpoint, region and pathStyle (true or false), and nothing else")
		}
	}
	if e, err := url.Parse(o.Endpoint); err != nil || e.User != nil || o.Endpoint != "" && (e.Host == "" || !strings.HasPrefix(e.Scheme, "http")) {
		return refused("the endpoint is a URL such as https://HOST:PORT, without a user or password")
	}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if key == "" || secret == "" {
		return refused("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set")
	}
	o.Credentials = credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN"))
	return o, nil
}

// requireExclusive refuses a service on which two writers would destroy each
// other's files.
func requireExclusive(ctx context.Context, s storage.Exclusive, url string) error {
	exclusive, err := s.CreatesExclusively(ctx, "probe/"+strings.ToLower(rand.Text()))
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
