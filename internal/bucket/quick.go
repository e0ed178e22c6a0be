package bucket

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// emptySHA256 is that of a request without a body.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// userMetadata is what the headers of a user's own metadata begin with, as
// net/http spells it.
const userMetadata = "X-Amz-Meta-"

// quick is a request for an object that goes past the SDK: the forty steps that
// it takes for each were a quarter of what a mirror of small objects costs.
// Where the answer is not plain success, the same is asked for through the SDK,
// whose retries and errors are those of every other call.
type quick struct {
	method, bucket, key, query string // without a key of the bucket itself
	header                     http.Header
	body                       []byte
	sha256                     string // of body
}

// do sends the request once. It returns nil for anything but success.
func (c *client) do(ctx context.Context, q quick) *http.Response {
	request, err := c.build(ctx, q)
	if err != nil {
		return nil
	}
	response, err := c.options.HTTPClient.Do(request)
	if err != nil {
		return nil
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		_ = response.Body.Close() // the SDK reads the next one's
		return nil
	}
	return response
}

// build returns the signed request.
func (c *client) build(ctx context.Context, q quick) (*http.Request, error) {
	base, err := c.endpoint(ctx, q.bucket)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, q.method, base.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.key != "" {
		request.URL.Path = base.Path + "/" + q.key
		request.URL.RawPath = base.EscapedPath() + "/" + httpbinding.EscapePath(q.key, false)
	}
	request.URL.RawQuery = q.query
	if q.header != nil {
		request.Header = q.header
	}
	if !aws.IsCredentialsProvider(c.options.Credentials, (*aws.AnonymousCredentials)(nil)) {
		request.Header.Set("X-Amz-Content-Sha256", q.sha256)
		if err := c.options.HTTPSignerV4.SignHTTP(ctx, aws.Credentials{}, request, q.sha256, "s3", c.options.Region, time.Now()); err != nil {
			return nil, err
		}
	}
	// As stored: net/http would ask for gzip, and take it off again.
	request.Header.Set("Accept-Encoding", "identity")
	return request, nil
}

// endpoint returns where a bucket is, without a slash at its end.
func (c *client) endpoint(ctx context.Context, bucket string) (*url.URL, error) {
	if known, ok := c.endpoints.Load(bucket); ok {
		return known.(*url.URL), nil
	}
	found, err := c.options.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: aws.String(bucket), Region: aws.String(c.options.Region), Endpoint: c.options.BaseEndpoint, ForcePathStyle: aws.Bool(c.options.UsePathStyle),
	}.WithDefaults())
	if err != nil {
		return nil, err
	}
	found.URI.Path, found.URI.RawPath = strings.TrimSuffix(found.URI.Path, "/"), ""
	c.endpoints.Store(bucket, &found.URI)
	return &found.URI, nil
}

// getObject is the SDK's GetObject. It understands Range, IfMatch and
// VersionId alone, and of the answer fills in what this package reads.
func (c *client) getObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	header := http.Header{}
	if in.Range != nil {
		header.Set("Range", *in.Range)
	}
	if in.IfMatch != nil {
		header.Set("If-Match", *in.IfMatch)
	}
	response := c.do(ctx, quick{method: http.MethodGet, bucket: *in.Bucket, key: *in.Key, query: ofVersion("", in.VersionId), header: header, sha256: emptySHA256}) //nolint:bodyclose // the caller reads it
	if response == nil {
		return c.s3.GetObject(ctx, in)
	}
	return getOutput(response), nil
}

// getOutput reads the headers of an answer as the SDK does.
func getOutput(response *http.Response) *s3.GetObjectOutput {
	text := func(name string) *string {
		if values := response.Header[name]; len(values) > 0 {
			return aws.String(strings.TrimSpace(values[0]))
		}
		return nil
	}
	out := &s3.GetObjectOutput{
		Body:         response.Body,
		CacheControl: text("Cache-Control"), ContentDisposition: text("Content-Disposition"), ContentEncoding: text("Content-Encoding"),
		ContentLanguage: text("Content-Language"), ContentType: text("Content-Type"), ContentRange: text("Content-Range"),
		ETag: text("Etag"), ExpiresString: text("Expires"),
	}
	if n, err := strconv.ParseInt(aws.ToString(text("Content-Length")), 10, 64); err == nil {
		out.ContentLength = &n
	}
	if n, err := strconv.ParseInt(aws.ToString(text("X-Amz-Tagging-Count")), 10, 32); err == nil {
		out.TagCount = aws.Int32(int32(n))
	}
	if at, err := http.ParseTime(aws.ToString(text("Last-Modified"))); err == nil {
		out.LastModified = &at
	}
	for name := range response.Header {
		if len(name) >= len(userMetadata) && strings.EqualFold(name[:len(userMetadata)], userMetadata) {
			if out.Metadata == nil {
				out.Metadata = map[string]string{}
			}
			out.Metadata[strings.ToLower(name[len(userMetadata):])] = *text(name)
		}
	}
	return out
}

// ofVersion asks for a version of an object, behind what else is asked.
func ofVersion(before string, id *string) string {
	if id == nil {
		return ""
	}
	return before + "versionId=" + url.QueryEscape(*id)
}

// getTags returns the tags of an object, or of a version of it.
func (c *client) getTags(ctx context.Context, bucket, key string, id *string) ([]types.Tag, error) {
	response := c.do(ctx, quick{method: http.MethodGet, bucket: bucket, key: key, query: "tagging=" + ofVersion("&", id), sha256: emptySHA256})
	if response != nil {
		defer response.Body.Close() //nolint:errcheck // what was read was decoded
		var answer struct {
			XMLName xml.Name    `xml:"Tagging"`
			Tags    []types.Tag `xml:"TagSet>Tag"`
		}
		if err := xml.NewDecoder(response.Body).Decode(&answer); err == nil {
			return answer.Tags, nil
		}
	}
	out, err := c.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String(key), VersionId: id})
	if err != nil {
		return nil, err
	}
	return out.TagSet, nil
}

// putObject uploads an object that is held in memory, with exactly the headers
// that it had.
func (c *client) putObject(ctx context.Context, bucket string, e repository.IndexEntry, content []byte) error {
	response := c.do(ctx, quick{method: http.MethodPut, bucket: bucket, key: e.Key, header: putHeader(e.Metadata), body: content, sha256: e.SHA256})
	if response != nil {
		return response.Body.Close()
	}
	input := putInput(bucket, e)
	input.Body = bytes.NewReader(content)
	_, err := c.s3.PutObject(ctx, input, exactHeaders(e))
	return err
}

// putHeader is what an object carries besides its content, tags that need a request
// of their own left out.
func putHeader(m *repository.Metadata) http.Header {
	header := http.Header{}
	if m == nil {
		return header
	}
	for name, value := range map[string]string{
		"Content-Type": m.ContentType, "Content-Encoding": m.ContentEncoding, "Content-Disposition": m.ContentDisposition,
		"Content-Language": m.ContentLanguage, "Cache-Control": m.CacheControl, "Expires": m.Expires,
		"X-Amz-Tagging": tagHeader(m.Tags),
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	for name, value := range m.User {
		header.Set(userMetadata+name, value)
	}
	return header
}
