package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubejson "k8s.io/apimachinery/pkg/util/json"
)

const (
	// pageBytes is what a page of a list is meant to hold: little enough for
	// the server to answer within its minute, however slow the storage.
	pageBytes    = 4 << 20
	firstPage    = 50
	largestPage  = 500
	listAttempts = 3
)

// listing is one kind's objects in one namespace, or in the whole cluster.
type listing struct {
	kind         kind
	namespace    string
	selector     string
	metadataOnly bool
}

// metadataAccept asks for objects without all but their metadata.
const metadataAccept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// path is where the server lists them.
func (l listing) path() string {
	root := "/apis/" + l.kind.GroupVersion().String()
	if l.kind.Group == "" {
		root = "/api/" + l.kind.Version
	}
	if l.namespace != "" {
		root += "/namespaces/" + l.namespace
	}
	return root + "/" + l.kind.resource
}

func (l listing) call() call {
	return readRight(l.kind, l.namespace).call()
}

// repeatable runs read, which lists something and starts afresh each time,
// again where the server has forgotten the state that the pages belong to.
// Taking up such a list with another state could miss an object or see it
// twice.
func repeatable(read func() error) error {
	for attempt := 1; ; attempt++ {
		err := read()
		if !answered(err, metav1.StatusReasonExpired) || attempt == listAttempts {
			return err
		}
	}
}

// list calls fn for every object, as the server has it, in the server's order
// and in one consistent state. Pages are decoded while they arrive, so that
// one object at a time is in memory (invariant 7).
func (s *session) list(ctx context.Context, l listing, fn func(*unstructured.Unstructured) error) error {
	page := page{limit: firstPage}
	for {
		page.objects, page.bytes = 0, 0
		if err := s.readPage(ctx, l, &page, fn); err != nil {
			return err
		}
		if page.next == "" {
			return nil
		}
		page.limit = nextLimit(page)
	}
}

// aheadObjects are decoded while the one before them is still in work: few, since
// each may have more than a mebibyte.
const aheadObjects = 4

// listAhead is list with fn in a goroutine of its own, so that the next objects are
// fetched and decoded while it works.
func (s *session) listAhead(ctx context.Context, l listing, fn func(*unstructured.Unstructured) error) error {
	group, ctx := errgroup.WithContext(ctx)
	ahead := make(chan *unstructured.Unstructured, aheadObjects)
	group.Go(func() error {
		defer close(ahead)
		return s.list(ctx, l, func(u *unstructured.Unstructured) error {
			select {
			case ahead <- u:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	group.Go(func() error {
		for u := range ahead {
			if err := fn(u); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// page is how far a list has come.
type page struct {
	limit   int64
	next    string // the server's token for what follows; empty at the end
	objects int64
	bytes   int64
}

// nextLimit chooses so many objects, judged by the page before, as make
// pageBytes.
func nextLimit(p page) int64 {
	if p.objects == 0 {
		return p.limit
	}
	return min(max(pageBytes/max(p.bytes/p.objects, 1), 1), largestPage)
}

// readPage reads the page that follows p.next and sets p to it.
func (s *session) readPage(ctx context.Context, l listing, p *page, fn func(*unstructured.Unstructured) error) error {
	started := time.Now()
	request := s.rest.Get().AbsPath(l.path()).Param("limit", strconv.FormatInt(p.limit, 10))
	if l.selector != "" {
		request.Param("labelSelector", l.selector)
	}
	if p.next != "" {
		request.Param("continue", p.next)
	}
	if l.metadataOnly {
		request.SetHeader("Accept", metadataAccept)
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return s.fail(l.call(), started, err)
	}
	defer body.Close() //nolint:errcheck // read to the end or given up

	var refused error // by fn, and none of the server's business
	p.next, err = decodeList(body, func(raw []byte) error {
		p.objects++
		p.bytes += int64(len(raw))
		u, err := l.decode(raw)
		if err != nil {
			return err
		}
		refused = fn(u)
		return refused
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return s.fail(l.call(), started, err)
	}
	return nil
}

// decode reads one item. Items of a list do not say what they are.
func (l listing) decode(raw []byte) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := kubejson.Unmarshal(raw, &u.Object); err != nil || u.Object == nil {
		return nil, errors.New("an item of the list is not an object")
	}
	u.SetGroupVersionKind(l.kind.GroupVersionKind)
	return u, nil
}

// decodeList reads {"metadata": {"continue": …}, "items": […]} and calls fn
// for each item. A body that ends early is an error.
func decodeList(body io.Reader, fn func(raw []byte) error) (next string, err error) {
	decoder := json.NewDecoder(body)
	if err := expect(decoder, json.Delim('{')); err != nil {
		return "", err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return "", unexpectedEnd(err)
		}
		switch name {
		case "items":
			err = decodeItems(decoder, fn)
		case "metadata":
			var metadata metav1.ListMeta
			err = decoder.Decode(&metadata)
			next = metadata.Continue
		default:
			var skipped json.RawMessage
			err = decoder.Decode(&skipped)
		}
		if err != nil {
			return "", unexpectedEnd(err)
		}
	}
	return next, expect(decoder, json.Delim('}'))
}

func decodeItems(decoder *json.Decoder, fn func(raw []byte) error) error {
	start, err := decoder.Token()
	if err != nil || start == nil { // null: an empty list
		return err
	}
	var raw json.RawMessage
	for decoder.More() {
		raw = raw[:0]
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		if err := fn(raw); err != nil {
			return err
		}
	}
	return expect(decoder, json.Delim(']'))
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err != nil {
		return unexpectedEnd(err)
	}
	if token != want {
		return fmt.Errorf("the list is not as expected at byte %d", decoder.InputOffset())
	}
	return nil
}

// unexpectedEnd keeps a body that was cut off from passing for a whole one.
func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
