package bucket

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// olderOf is the name of the list of a bucket's older versions, which no bucket
// can have.
func olderOf(bucket string) string { return bucket + "?versions" }

// version is an older version of an object, or a delete marker. In an index it
// stands under a key made of all of it, so that older versions are mirrored,
// merged and packed as objects are. The made-up keys sort as the keys do, and
// those of one object from the newest to the oldest, as S3 lists them:
//
//	key NUL (^modified as 16 hex digits)(place as 4 hex digits)(v or d)(id)
//
// Modified is in whole seconds since 1970, which is what servers agree on, and
// place counts those of one second, from the newest. No key of S3 holds a NUL.
type version struct {
	key      string
	modified int64
	place    uint16
	deleted  bool // a delete marker
	id       string
}

const versionHead = 16 + 4 + 1

func (v version) String() string {
	kind := 'v'
	if v.deleted {
		kind = 'd'
	}
	return fmt.Sprintf("%s\x00%016x%04x%c%s", v.key, ^uint64(v.modified), v.place, kind, v.id)
}

// parseVersion takes a made-up key apart.
func parseVersion(text string) (v version, err error) {
	key, rest, found := strings.Cut(text, "\x00")
	if !found || len(rest) < versionHead {
		return v, fmt.Errorf("%q is no older version", text)
	}
	var inverse uint64
	if _, err := fmt.Sscanf(rest[:20], "%16x%4x", &inverse, &v.place); err != nil {
		return v, fmt.Errorf("%q is no older version: %w", text, err)
	}
	v.key, v.modified, v.deleted, v.id = key, int64(^inverse), rest[20] == 'd', rest[versionHead:]
	return v, nil
}

// address is where an object of a mirror is asked for.
func (m *mirror) address(key string) (object string, id *string) {
	if !m.older {
		return key, nil
	}
	v, err := parseVersion(key)
	if err != nil {
		return key, nil // of the listing, which has made it
	}
	return v.key, aws.String(v.id)
}

// detail notes something about an object among the sealed details.
func (m *mirror) detail(key string, fields map[string]string) error {
	object, id := m.address(key)
	fields["bucket"], fields["key"] = m.bucket, object
	if id != nil {
		fields["version"] = *id
	}
	return m.draft.Detail(fields)
}

// pager is a listing.
type pager interface {
	// next returns a page, and nil after the last one.
	next(ctx context.Context) ([]listed, error)
}

// versionListing reads the older versions in a bucket: those that are not the
// current state of an object, and delete markers.
type versionListing struct {
	source  *Source
	bucket  string
	prefix  string
	current bool // all versions, the current ones too
	key, id *string
	last    version
	done    bool
}

// versionPage is the answer to ListObjectVersions. The SDK's has versions and
// delete markers apart, and with that goes what came before what.
type versionPage struct {
	XMLName             xml.Name
	EncodingType        string
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string         `xml:"NextVersionIdMarker"`
	Entries             []versionEntry `xml:",any"`
}

type versionEntry struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified time.Time
	ETag         string
	Size         int64
}

var errNoVersions = errors.New("the server does not know versions: it answers with something else")

func (l *versionListing) next(ctx context.Context) ([]listed, error) {
	for !l.done {
		page, err := l.fetch(ctx)
		if err != nil || len(page) > 0 {
			return page, err
		}
	}
	return nil, nil
}

func (l *versionListing) fetch(ctx context.Context) ([]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, l.source.options.patience.call)
	defer cancel()
	var body []byte
	_, err := l.source.api().ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
		Bucket: aws.String(l.bucket), Prefix: optional(l.prefix), MaxKeys: aws.Int32(pageSize), EncodingType: types.EncodingTypeUrl,
		KeyMarker: l.key, VersionIdMarker: l.id,
	}, keepBody(&body))
	if err != nil {
		return nil, err
	}
	var page versionPage
	if err := xml.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	if page.XMLName.Local != "ListVersionsResult" {
		return nil, errNoVersions
	}
	return l.decode(&page)
}

func (l *versionListing) decode(page *versionPage) ([]listed, error) {
	unescape := func(s string) (string, error) { return s, nil }
	if page.EncodingType == string(types.EncodingTypeUrl) {
		unescape = url.QueryUnescape
	}
	var entries []versionEntry
	for _, e := range page.Entries {
		if e.XMLName.Local != "DeleteMarker" && e.XMLName.Local != "Version" {
			continue
		}
		key, err := unescape(e.Key)
		if err != nil || key == "" || strings.Contains(key, "\x00") || !utf8.ValidString(key) {
			return nil, fmt.Errorf("listed key %q is none", e.Key)
		}
		e.Key = key
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, newestFirst)
	found := []listed{}
	for _, e := range entries {
		key, deleted := e.Key, e.XMLName.Local == "DeleteMarker"
		v := version{key: key, modified: e.second(), deleted: deleted, id: e.VersionID}
		if l.last.key == key && l.last.modified == v.modified {
			if v.place = l.last.place + 1; v.place == 0 {
				return nil, fmt.Errorf("object %q has more than %d versions of one second", key, 1<<16)
			}
		}
		l.last = v
		if !e.IsLatest || deleted || l.current {
			found = append(found, listed{v.String(), e.Size, e.ETag, e.LastModified.UTC()})
		}
	}
	if !page.IsTruncated {
		l.done = true
		return found, nil
	}
	key, err := unescape(page.NextKeyMarker)
	if err != nil || key == "" || key == aws.ToString(l.key) && page.NextVersionIDMarker == aws.ToString(l.id) {
		return nil, errors.New("the server says that the listing of versions goes on, but not where")
	}
	l.key, l.id = &key, optional(page.NextVersionIDMarker)
	return found, nil
}

// newestFirst puts a page in order. S3 lists it so, and what is of one second
// stays as it is then. versitygw 1.8 has a page's delete markers apart, and tells
// of an older version when it was replaced; but its ids sort by time.
func newestFirst(a, b versionEntry) int {
	order := cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(b.second(), a.second()))
	if _, ok := timeOfULID(a.VersionID); order == 0 && ok {
		return strings.Compare(b.VersionID, a.VersionID)
	}
	return order
}

// second is when the version was made, in seconds since 1970.
func (e *versionEntry) second() int64 {
	if at, ok := timeOfULID(e.VersionID); ok {
		return at.Unix()
	}
	return e.LastModified.Unix()
}

// timeOfULID returns the time in an id that is one of github.com/ulid/spec: 48
// bits of milliseconds and 80 of chance, in base 32.
func timeOfULID(id string) (at time.Time, ok bool) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	if len(id) != 26 || id[0] > '7' || strings.Trim(id, digits) != "" {
		return at, false
	}
	var milliseconds int64
	for _, c := range id[:10] {
		milliseconds = milliseconds<<5 | int64(strings.IndexRune(digits, c))
	}
	return time.UnixMilli(milliseconds), true
}

// keepBody has a call keep what the server answered.
func keepBody(into *[]byte) func(*s3.Options) {
	keep := middleware.DeserializeMiddlewareFunc("KeepBody", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		out middleware.DeserializeOutput, metadata middleware.Metadata, err error) {
		out, metadata, err = next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		body := response.Body
		defer body.Close() //nolint:errcheck // it was read
		if *into, err = io.ReadAll(io.LimitReader(body, maxPage)); err != nil {
			return out, metadata, err
		}
		response.Body = io.NopCloser(bytes.NewReader(*into))
		return out, metadata, nil
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(keep, middleware.After)
		})
	}
}

// captureOlder mirrors the older versions of a bucket, after its objects: what is
// overwritten meanwhile is among them, and none is missing.
func (s *Source) captureOlder(ctx context.Context, m *mirror, current *repository.BucketList) (*mirrored, error) {
	was, err := openPrevious(ctx, m.draft.Base(), olderOf(m.bucket))
	if err != nil {
		return nil, fmt.Errorf("read the previous point's list of older versions in bucket %s: %w", m.bucket, err)
	}
	continued, _ := m.draft.Continued(olderOf(m.bucket))
	o := &mirror{source: s, draft: m.draft, bucket: m.bucket, older: true, before: was, order: byBytes, cut: m.cut, since: m.since, task: m.task}
	if o.base = newBase(m.draft.Index(), was, continued); o.base != nil {
		o.order = o.base.order
	}
	found, err := o.persist(ctx)
	if isNoBucket(err) && current.Objects == 0 { // it is gone, and that was accepted
		found, err = &mirrored{list: &repository.BucketList{Bucket: olderOf(m.bucket), Order: string(o.order)}}, nil
	}
	if errors.Is(err, errNoVersions) {
		return nil, fault.New(fault.Usage, "list versions in bucket "+m.bucket, "%w", err).On("at "+s.settings.Endpoint).
			Hint("set versions of source %s to current, or leave it out", s.name)
	}
	if err != nil {
		return nil, err
	}
	return found, m.draft.PutBucketList(ctx, found.list)
}
