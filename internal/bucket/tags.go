package bucket

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// tagHeader returns the header by which tags come with the object itself, so that
// it is never there without them; empty where they need a request of their own:
// SeaweedFS takes the header literally, escapes and all.
func tagHeader(tags map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if strings.ContainsFunc(key+tags[key], needsEscape) {
			return ""
		}
		pairs = append(pairs, key+"="+tags[key])
	}
	return strings.Join(pairs, "&")
}

// lacksTags reports whether an object is the point's in all but its tags, of which it
// has none.
func lacksTags(want, got repository.IndexEntry) bool {
	if want.SHA256 != got.SHA256 || !hasTags(want) || hasTags(got) {
		return false
	}
	untagged := *want.Metadata
	untagged.Tags = nil
	return sameMetadata(&untagged, got.Metadata)
}

func needsEscape(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", c))
}

// tag sets the tags with a request of their own, also where they came with the
// object: no server is believed to have taken them.
func (u *uploader) tag(ctx context.Context, e repository.IndexEntry) error {
	if e.Metadata == nil || len(e.Metadata.Tags) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.source.options.patience.call)
	defer cancel()
	tagging := new(types.Tagging)
	for key, value := range e.Metadata.Tags {
		tagging.TagSet = append(tagging.TagSet, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	_, err := u.source.api().PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String(u.bucket), Key: aws.String(e.Key), Tagging: tagging})
	return err
}
