package bucket

import (
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// An object that is asked for without the SDK is what the SDK makes of it, with
// one request.
func TestGetObjectIsTheSDKs(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()...)
		read := func(out *s3.GetObjectOutput, err error) (s3.GetObjectOutput, string, int) {
			s.Helper()
			if err != nil {
				return s3.GetObjectOutput{}, "", statusOf(err)
			}
			content, err := io.ReadAll(out.Body)
			if err := out.Body.Close(); err != nil {
				s.Error(err)
			}
			if err != nil {
				s.Error(err)
			}
			return *out, string(content), 0
		}
		same := func(in *s3.GetObjectInput) {
			s.Helper()
			before := s.source.client.requests.Load()
			got, gotContent, gotStatus := read(s.source.client.getObject(s.Context(), in))
			requests := s.source.client.requests.Load() - before
			want, wantContent, wantStatus := read(s.source.api().GetObject(s.Context(), in))
			if gotContent != wantContent || gotStatus != wantStatus {
				s.Errorf("%q: %d bytes with status %d, want %d bytes with status %d", *in.Key, len(gotContent), gotStatus, len(wantContent), wantStatus)
			}
			onlyRead := cmpopts.IgnoreFields(s3.GetObjectOutput{}, "Body", "ResultMetadata", "AcceptRanges", "Expires", "StorageClass")
			if diff := cmp.Diff(want, got, onlyRead, cmpopts.IgnoreUnexported(s3.GetObjectOutput{})); diff != "" {
				s.Errorf("%q (-SDK +ours):\n%s", *in.Key, diff)
			}
			if wantStatus == 0 && requests != 1 {
				s.Errorf("%q: %d requests", *in.Key, requests)
			}
		}
		for _, o := range zoo() {
			same(&s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(o.key)})
			if len(o.content) > 10 {
				out, err := s.source.api().HeadObject(s.Context(), &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(o.key)})
				if err != nil {
					s.Fatal(err)
				}
				same(&s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(o.key), Range: byteRange(3, 5), IfMatch: out.ETag})
				same(&s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(o.key), Range: byteRange(3, 5), IfMatch: aws.String(`"another"`)})
			}
		}
		same(&s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("none")})
		same(&s3.GetObjectInput{Bucket: aws.String("no-such-bucket-anywhere"), Key: aws.String("none")})
	})
}
