package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// absent decides what it means that a listed object could not be opened: a
// directory marker, an object that vanished meanwhile, or one whose content
// is lost. Only the second is no failure, and only where the listing agrees.
func (f *fetcher) absent(ctx context.Context, s *slot, want listed, err error) error {
	status := statusOf(err)
	if isMarker(want) && (status == http.StatusNotFound || status == http.StatusNotImplemented) {
		return f.marker(ctx, s, want)
	}
	if !isAbsent(err) {
		return permanent(err)
	}
	there, err := f.isThere(ctx, want.Key)
	switch {
	case err != nil:
		return permanent(err)
	case there:
		return errUnreadable
	default:
		f.vanish(s)
		return nil
	}
}

// isMarker reports whether a listed object stands for a directory.
func isMarker(l listed) bool { return l.Size == 0 && strings.HasSuffix(l.Key, "/") }

// marker takes a directory marker that cannot be opened for the empty object
// that it is listed as: SeaweedFS answers 501 to GET and 404 to HEAD of it.
func (f *fetcher) marker(ctx context.Context, s *slot, want listed) error {
	there, err := f.source.markerListed(ctx, f.bucket, want.Key)
	if err != nil {
		return permanent(err)
	}
	if !there {
		f.vanish(s)
		return nil
	}
	empty := sha256.Sum256(nil)
	s.entry = repository.IndexEntry{Key: want.Key, ETag: want.ETag, Modified: want.Modified, SHA256: hex.EncodeToString(empty[:])}
	if _, err := f.recognise(ctx, s); err != nil {
		return err
	}
	close(s.done)
	return nil
}

// deleteMarker takes a delete marker for what it is: there is nothing to fetch.
func (f *fetcher) deleteMarker(s *slot) bool {
	v, err := parseVersion(s.listed.Key)
	if err != nil || !v.deleted {
		return false
	}
	if s.entry = (repository.IndexEntry{Key: s.listed.Key, Modified: s.listed.Modified, SHA256: emptySHA256}); s.old != nil {
		s.keep()
	}
	close(s.done)
	return true
}

// vanish notes that an object is no longer there.
func (f *fetcher) vanish(s *slot) {
	f.gone.Add(1)
	s.origin = fromNowhere
	close(s.done)
}

// markerListed looks for the marker also below its parent: asked for the
// marker's own prefix, SeaweedFS lists what is in the directory, and not the
// marker.
func (s *Source) markerListed(ctx context.Context, bucket, key string) (bool, error) {
	for _, prefix := range []string{key, strings.TrimSuffix(key, "/")} {
		_, there, err := s.exists(ctx, bucket, key, prefix)
		if err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// isThere asks HEAD, and where that denies it the listing: SeaweedFS answers
// 404 for an object whose chunks are lost, and still lists it.
func (f *fetcher) isThere(ctx context.Context, key string) (bool, error) {
	call, cancel := context.WithTimeout(ctx, f.source.options.patience.call)
	defer cancel()
	object, id := f.address(key)
	_, err := f.source.api().HeadObject(call, &s3.HeadObjectInput{Bucket: aws.String(f.bucket), Key: aws.String(object), VersionId: id})
	if err == nil || !isAbsent(err) {
		return err == nil, err
	}
	if f.older {
		return false, nil
	}
	_, there, err := f.source.exists(ctx, f.bucket, key, key)
	return there, err
}

// permanent ends the tries, unless the connection broke: then the request was
// tried again already, but a whole new try costs little.
func permanent(err error) error {
	if statusOf(err) == 0 {
		return err
	}
	return backoff.Permanent(err)
}
