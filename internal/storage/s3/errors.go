package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/network"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// mapError turns an error of the SDK into what the interface promises. Codes are
// those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (s *Store) mapError(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf("%s %q", verb, name)
	switch code := codeOf(err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case code == "NoSuchBucket":
		return fault.New(fault.Usage, doing, "the bucket does not exist: %w", plainly{err}).On("in bucket " + s.bucket).
			Hint("check the spelling and the endpoint, or create the bucket: openim-dr does not create buckets")
	case code == "NoSuchKey", code == "NotFound":
		return fmt.Errorf("%s: %w", doing, storage.ErrNotExist)
	case code == "BadDigest", code == "XAmzContentChecksumMismatch", code == "XAmzContentSHA256Mismatch",
		strings.Contains(err.Error(), "checksum did not match"):
		return fmt.Errorf("%s: %w: %w", doing, storage.ErrChecksum, err)
	case code == "InvalidBucketName":
		return fault.New(fault.Usage, doing, "%w", plainly{err}).On("in bucket " + s.bucket).
			Hint("check how the bucket is spelled in the URL of the repository")
	case slices.Contains(unknownKeys, code):
		return fault.New(fault.Usage, doing, "%w: %w", storage.ErrDenied, plainly{err}).On("in bucket " + s.bucket).
			Hint("check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that the endpoint is that of their service")
	case isStatus(err, http.StatusForbidden), isStatus(err, http.StatusUnauthorized):
		return fault.New(fault.Usage, doing, "%w: %w", storage.ErrDenied, plainly{err}).On("in bucket " + s.bucket).
			Hint("a writer needs s3:PutObject, s3:GetObject and s3:AbortMultipartUpload on the objects and s3:ListBucket on the bucket; the pruner also s3:DeleteObject, and s3:DeleteObjectVersion where the bucket has versions")
	}
	if unreached := network.Fault(doing, "", "SSL_CERT_FILE", err); unreached != nil {
		return unreached
	}
	return fmt.Errorf("%s: %w", doing, plainly{err})
}

// unknownKeys are what services say of an access key that is not theirs, or of a
// secret that does not fit it. The second is versitygw's, with status 404.
var unknownKeys = []string{"InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch"}

// plainly prints what a service has answered, and not how the SDK got there.
type plainly struct{ err error }

func (p plainly) Error() string {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if errors.As(p.err, &api) && errors.As(p.err, &response) {
		return strings.TrimSuffix(fmt.Sprintf("the service answers %d %s: %s", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage()), ": ")
	}
	return p.err.Error()
}

func (p plainly) Unwrap() error { return p.err }

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func isStatus(err error, status int) bool {
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == status
}

func isPrecondition(err error) bool { return isStatus(err, http.StatusPreconditionFailed) }

// isProtection tells a retention from a right that is missing. Services differ
// in words; what stands at the object itself is clear.
func isProtection(err error, head *s3.HeadObjectOutput) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "object lock") || strings.Contains(text, "worm protected") {
		return true
	}
	held := head.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn ||
		aws.ToTime(head.ObjectLockRetainUntilDate).After(time.Now())
	return held && isStatus(err, http.StatusForbidden)
}

// encoded is a checksum as S3 writes it.
func encoded(crc32c uint32) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32c)))
}

// wholeChecksum is that of the content, or nil where the service keeps none, or
// one of the parts' checksums.
func wholeChecksum(head *s3.HeadObjectOutput) *uint32 {
	if head.ChecksumType == types.ChecksumTypeComposite {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(head.ChecksumCRC32C))
	if err != nil || len(raw) != 4 {
		return nil
	}
	crc32c := binary.BigEndian.Uint32(raw)
	return &crc32c
}
