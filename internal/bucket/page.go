package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxPage bounds the answer to a request for a page: a thousand keys of 1,024
// bytes, escaped twice, take a fraction of it.
const maxPage = 64 << 20

// listObjects is the SDK's ListObjectsV2 with a reader of its own for the
// answer: encoding/xml takes as long for a page as SeaweedFS does, and the next
// page cannot be asked for before. It understands what listing sets.
func (c *client) listObjects(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	query := url.Values{"list-type": {"2"}}
	for name, value := range map[string]*string{
		"encoding-type": aws.String(string(in.EncodingType)), "prefix": in.Prefix,
		"continuation-token": in.ContinuationToken, "start-after": in.StartAfter,
	} {
		if aws.ToString(value) != "" {
			query.Set(name, *value)
		}
	}
	if in.MaxKeys != nil {
		query.Set("max-keys", strconv.Itoa(int(*in.MaxKeys)))
	}
	response := c.do(ctx, quick{
		method: http.MethodGet, bucket: *in.Bucket, sha256: emptySHA256,
		query: strings.ReplaceAll(query.Encode(), "+", "%20"), // as signatures want it
	})
	if response == nil {
		return c.s3.ListObjectsV2(ctx, in)
	}
	defer response.Body.Close() //nolint:errcheck // what was read was decoded
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return c.s3.ListObjectsV2(ctx, in)
	}
	out, err := parsePage(body)
	if err != nil {
		return c.s3.ListObjectsV2(ctx, in)
	}
	return out, nil
}

// What the answers of servers begin with.
const (
	declaration = `?xml version="1.0" encoding="UTF-8"?`
	namespace   = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
)

// errOddPage says that an answer is written in a way that parsePage leaves to
// encoding/xml.
var errOddPage = errors.New("not the plain XML of a page")

// parsePage reads the answer to a ListObjectsV2: elements without attributes but
// the outermost, text, and the entities of XML. Comments, CDATA, prefixes, and
// whatever else servers are free to write and do not, are errOddPage.
func parsePage(data []byte) (*s3.ListObjectsV2Output, error) {
	p := &pageParser{out: &s3.ListObjectsV2Output{}}
	for len(data) > 0 {
		text, rest, found := bytes.Cut(data, []byte("<"))
		if !found {
			if len(bytes.TrimSpace(data)) > 0 {
				return nil, errOddPage
			}
			break
		}
		tag, after, found := bytes.Cut(rest, []byte(">"))
		if !found || len(tag) == 0 {
			return nil, errOddPage
		}
		if err := p.tag(string(tag), text); err != nil {
			return nil, err
		}
		data = after
	}
	if !p.ended {
		return nil, errOddPage
	}
	return p.out, nil
}

// pageParser is between two tags.
type pageParser struct {
	out   *s3.ListObjectsV2Output
	open  []string // names of the elements around
	leaf  bool     // nothing but text since the last one was opened
	ended bool
}

// tag takes a tag and the text before it.
func (p *pageParser) tag(tag string, text []byte) error {
	switch {
	case tag == declaration && len(p.open) == 0 && !p.ended:
		return nil
	case tag[0] == '/':
		return p.close(tag[1:], text)
	case p.leaf && len(bytes.TrimSpace(text)) > 0, p.ended:
		return errOddPage
	}
	name, empty := strings.CutSuffix(tag, "/")
	name = strings.TrimRight(name, " ")
	root := len(p.open) == 0
	if root {
		name = strings.TrimSuffix(name, namespace)
	}
	if root != (name == "ListBucketResult") || name == "" || strings.ContainsFunc(name, isNoLetter) {
		return errOddPage
	}
	p.open = append(p.open, name)
	p.leaf = true
	if name == "Contents" && len(p.open) == 2 {
		p.out.Contents = append(p.out.Contents, types.Object{})
	}
	if empty {
		return p.close(name, nil)
	}
	return nil
}

func isNoLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }

func (p *pageParser) close(name string, text []byte) error {
	last := len(p.open) - 1
	if last < 0 || p.open[last] != name {
		return errOddPage
	}
	if p.leaf {
		value, err := unescape(text)
		if err != nil {
			return err
		}
		switch {
		case last == 1:
			err = p.ofPage(name, value)
		case last == 2 && p.open[1] == "Contents":
			err = ofObject(&p.out.Contents[len(p.out.Contents)-1], name, value)
		}
		if err != nil {
			return errOddPage
		}
	} else if len(bytes.TrimSpace(text)) > 0 {
		return errOddPage
	}
	p.open, p.leaf, p.ended = p.open[:last], false, last == 0
	return nil
}

// ofPage takes a value that stands beside the objects.
func (p *pageParser) ofPage(name, value string) (err error) {
	switch name {
	case "IsTruncated":
		var truncated bool
		truncated, err = strconv.ParseBool(value)
		p.out.IsTruncated = &truncated
	case "NextContinuationToken":
		p.out.NextContinuationToken = &value
	case "EncodingType":
		p.out.EncodingType = types.EncodingType(value)
	}
	return err
}

// ofObject takes a value of one object.
func ofObject(o *types.Object, name, value string) (err error) {
	switch name {
	case "Key":
		o.Key = &value
	case "ETag":
		o.ETag = &value
	case "Size":
		var size int64
		size, err = strconv.ParseInt(value, 10, 64)
		o.Size = &size
	case "LastModified":
		var at time.Time
		at, err = time.Parse(time.RFC3339, value)
		o.LastModified = &at
	}
	return err
}

// unescape returns a text with its entities replaced, as encoding/xml does.
func unescape(text []byte) (string, error) {
	plain := true
	for _, b := range text {
		if b < ' ' && b != '\t' && b != '\n' || b == ']' { // ]]> is forbidden
			return "", errOddPage
		}
		plain = plain && b != '&'
	}
	if !utf8.Valid(text) || bytes.ContainsRune(text, '\uFFFE') || bytes.ContainsRune(text, '\uFFFF') {
		return "", errOddPage
	}
	if plain {
		return string(text), nil
	}
	var value strings.Builder
	for s := string(text); ; {
		before, rest, more := strings.Cut(s, "&")
		value.WriteString(before)
		if !more {
			return value.String(), nil
		}
		entity, after, closed := strings.Cut(rest, ";")
		r, ok := entities[entity]
		if !ok {
			r, ok = numbered(entity)
		}
		if !closed || !ok {
			return "", errOddPage
		}
		value.WriteRune(r)
		s = after
	}
}

var entities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// numbered is the character of "#34" or "#x22"; those that XML cannot carry are
// encoding/xml's to complain of.
func numbered(entity string) (rune, bool) {
	digits, isNumber := strings.CutPrefix(entity, "#")
	base := 10
	if hexadecimal, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hexadecimal, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if !isNumber || err != nil {
		return 0, false
	}
	r := rune(n)
	return r, utf8.ValidRune(r) && (r >= ' ' || r == '\t' || r == '\n' || r == '\r') && r != '\uFFFE' && r != '\uFFFF'
}
