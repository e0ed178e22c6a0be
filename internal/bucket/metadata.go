package bucket

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// metadataOf returns what a GET said of an object besides its content, without
// tags; nil where that is nothing.
func metadataOf(out *s3.GetObjectOutput) *repository.Metadata {
	m := &repository.Metadata{
		ContentType:        aws.ToString(out.ContentType),
		ContentEncoding:    aws.ToString(out.ContentEncoding),
		ContentDisposition: aws.ToString(out.ContentDisposition),
		ContentLanguage:    aws.ToString(out.ContentLanguage),
		CacheControl:       aws.ToString(out.CacheControl),
		Expires:            aws.ToString(out.ExpiresString),
	}
	if len(out.Metadata) > 0 {
		m.User = out.Metadata
	}
	return orNil(m)
}

// withTags adds tags to what may be nil.
func withTags(m *repository.Metadata, tags map[string]string) *repository.Metadata {
	if len(tags) == 0 {
		return m
	}
	if m == nil {
		m = new(repository.Metadata)
	}
	m.Tags = tags
	return m
}

func orNil(m *repository.Metadata) *repository.Metadata {
	if isEmpty(m) {
		return nil
	}
	return m
}

func isEmpty(m *repository.Metadata) bool {
	return m == nil || headers(m) == [6]string{} && len(m.User) == 0 && len(m.Tags) == 0
}

func headers(m *repository.Metadata) [6]string {
	return [6]string{m.ContentType, m.ContentEncoding, m.ContentDisposition, m.ContentLanguage, m.CacheControl, m.Expires}
}

func otherHeaders(m *repository.Metadata) []string {
	all := headers(m)
	return all[1:]
}

// sameMetadata compares what may be nil.
func sameMetadata(a, b *repository.Metadata) bool {
	if isEmpty(a) || isEmpty(b) {
		return isEmpty(a) && isEmpty(b)
	}
	return headers(a) == headers(b) && maps.Equal(a.User, b.User) && maps.Equal(a.Tags, b.Tags)
}

// summarizeMetadata says enough of m to see what differs, and nothing of its
// values but the content type: they may be anybody's data.
func summarizeMetadata(m *repository.Metadata) string {
	if isEmpty(m) {
		return "none"
	}
	var other int
	for _, h := range otherHeaders(m) {
		if h != "" {
			other++
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", headers(m), m.User, m.Tags)) // maps print in the order of their keys
	return fmt.Sprintf("type %q, %d other headers, %d of the user's, %d tags (%x)", m.ContentType, other, len(m.User), len(m.Tags), sum[:4])
}

// isText reports whether the index, which is JSON, can hold all of m. HTTP
// lets a header hold any byte.
func isText(m *repository.Metadata) bool {
	if m == nil {
		return true
	}
	for _, h := range headers(m) {
		if !utf8.ValidString(h) {
			return false
		}
	}
	for _, pairs := range []map[string]string{m.User, m.Tags} {
		for k, v := range pairs {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return false
			}
		}
	}
	return true
}

// digestOfText stands for a text in messages: it may be anybody's data.
func digestOfText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("SHA-256 %x…", sum[:4])
}
