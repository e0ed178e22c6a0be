package bucket

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// putParts uploads an object that is not held in memory.
func (s *stand) putParts(key string, parts int, last int64) {
	s.Helper()
	const size = 32 << 20
	upload, err := s.client.CreateMultipartUpload(s.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key, ContentType: aws.String("video/mp4")})
	if err != nil {
		s.Fatal(err)
	}
	source := rand.NewChaCha8([32]byte{7})
	content := make([]byte, size)
	var done []types.CompletedPart
	for number := int32(1); number <= int32(parts)+1; number++ {
		part := content
		if int(number) > parts {
			part = content[:last]
		}
		if _, err := source.Read(part); err != nil {
			s.Fatal(err)
		}
		sent, err := s.client.UploadPart(s.Context(), &s3.UploadPartInput{
			Bucket: &s.bucket, Key: &key, UploadId: upload.UploadId, PartNumber: aws.Int32(number), Body: bytes.NewReader(part),
		})
		if err != nil {
			s.Fatalf("part %d: %v", number, err)
		}
		done = append(done, types.CompletedPart{ETag: sent.ETag, PartNumber: aws.Int32(number)})
	}
	_, err = s.client.CompleteMultipartUpload(s.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		s.Fatal(err)
	}
}

// An object may be larger than what S3 takes in one request: 5 GiB and one byte
// in a long run.
func TestHugeObjectComesBack(t *testing.T) {
	t.Parallel()
	parts := 1
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		parts = 5 << 30 / (32 << 20)
	}
	s := newStand(t, Options{})
	s.putParts("video/huge", parts, 1)
	copied, plan := s.restore(s.capture())
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if parts > 100 && plan.Steps[len(plan.Steps)-1].Bytes <= streamLimit {
		t.Errorf("no object of more than %d bytes: %+v", int64(streamLimit), plan.Steps)
	}
}
