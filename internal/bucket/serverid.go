package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Recognizable = (*Source)(nil)

// ServerID is a digest of who owns the buckets or, where the server knows no
// owner, of when the oldest of them was created: SeaweedFS. S3 says no more of a
// server that stays the same. Two servers with the same accounts are not told apart
// where there are owners; the time does not help there, since some servers take that
// of the last change for it.
func (s *Source) ServerID(ctx context.Context) (string, error) {
	began := time.Now()
	var out *s3.ListBucketsOutput
	err := s.call(ctx, func(ctx context.Context) (err error) {
		out, err = s.api().ListBuckets(ctx, &s3.ListBucketsInput{})
		return err
	})
	switch status := statusOf(err); {
	case isDenied(err) || isAbsent(err) || status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed:
		return "", nil // a key may well be for the buckets alone
	case err != nil:
		return "", s.explain(ctx, "ask who owns the buckets", err, began)
	}
	owner, created := ownerOf(out), oldest(out.Buckets)
	known := "owner " + owner
	switch {
	case owner == "" && created == "":
		return "", nil
	case owner == "":
		known = "created " + created
	}
	sum := sha256.Sum256([]byte(known)) // an owner may be called as the account is
	return hex.EncodeToString(sum[:16]), nil
}

func ownerOf(list *s3.ListBucketsOutput) string {
	if list.Owner == nil {
		return ""
	}
	return aws.ToString(list.Owner.ID)
}

// oldest returns when the oldest bucket was created: those that a restore makes
// are younger.
func oldest(buckets []types.Bucket) string {
	first := ""
	for _, b := range buckets {
		if b.CreationDate == nil {
			continue
		}
		if at := b.CreationDate.UTC().Format(time.RFC3339); first == "" || at < first {
			first = at
		}
	}
	return first
}
