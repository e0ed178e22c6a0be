package front

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strconv"
)

// maxPage is how many objects a page has at most: "the service will use this
// parameter or 1,000 items, whichever is smaller". The emulator has no such bound,
// and begins every page by looking at all objects.
const maxPage = 1000

// keptListings are so many listings of more than a page that are kept.
const keptListings = 4

// listing is what the emulator has listed, in the order of names. It is as good as
// a new one while nobody has written.
type listing struct {
	asked    string // path and query
	changes  int64  // of the front, before it was made
	items    []json.RawMessage
	prefixes json.RawMessage
}

// listingParameters decide what is listed.
var listingParameters = []string{"prefix", "delimiter", "startOffset", "endOffset", "includeTrailingDelimiter", "versions"}

// list lists objects, page by page,
// https://cloud.google.com/storage/docs/json_api/v1/objects/list.
func (f *Front) list(w http.ResponseWriter, r *http.Request, bucket string) {
	if !f.permitted(w, bucket, "storage.objects.list") {
		return
	}
	query := r.URL.Query()
	size := maxPage
	if n, err := strconv.Atoi(query.Get("maxResults")); err == nil && n > 0 {
		size = min(n, maxPage)
	}
	next, err := base64.URLEncoding.DecodeString(query.Get("pageToken"))
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid", fmt.Sprintf("Invalid page token: %q", query.Get("pageToken")))
		return
	}
	parameters := url.Values{}
	for _, name := range listingParameters {
		if query.Has(name) {
			parameters.Set(name, query.Get(name))
		}
	}
	l, answer := f.listAll(r.URL.EscapedPath()+"?"+parameters.Encode(), r.Header)
	if l == nil {
		reply(w, answer, func(resource) {})
		return
	}
	f.page(w, bucket, l, string(next), size)
}

// listAll returns a whole listing, or the emulator's answer where that is none.
func (f *Front) listAll(asked string, header http.Header) (*listing, *httptest.ResponseRecorder) {
	changes := f.changes.Load()
	f.mu.Lock()
	i := slices.IndexFunc(f.listings, func(l *listing) bool { return l.asked == asked && l.changes == changes })
	if i >= 0 {
		defer f.mu.Unlock()
		return f.listings[i], nil
	}
	f.mu.Unlock()
	answer := f.ask(http.MethodGet, asked, header, "")
	var all struct {
		Items    []json.RawMessage
		Prefixes json.RawMessage
	}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &all) != nil {
		return nil, answer
	}
	l := &listing{asked: asked, changes: changes, items: all.Items, prefixes: all.Prefixes}
	if len(l.items) > maxPage {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.listings = append(f.listings, l)
		f.listings = f.listings[max(0, len(f.listings)-keptListings):]
	}
	return l, nil
}

// page answers with the part of a listing that begins with a name, which the page
// before has given as its token.
func (f *Front) page(w http.ResponseWriter, bucket string, l *listing, next string, size int) {
	decorate := f.decorate(bucket)
	from := sort.Search(len(l.items), func(i int) bool { return nameOf(l.items[i]) >= next })
	to := min(from+size, len(l.items))
	content := resource{"kind": "storage#objects"}
	var items []resource
	for _, raw := range l.items[from:to] {
		var object resource
		if err := json.Unmarshal(raw, &object); err != nil {
			fail(w, http.StatusInternalServerError, "backendError", err.Error())
			return
		}
		decorate(object)
		items = append(items, object)
	}
	if items != nil {
		content["items"] = items
	}
	if next == "" && l.prefixes != nil {
		content["prefixes"] = l.prefixes
	}
	if to < len(l.items) {
		content["nextPageToken"] = base64.URLEncoding.EncodeToString([]byte(nameOf(l.items[to])))
	}
	writeJSON(w, http.StatusOK, content)
}

func nameOf(item json.RawMessage) string {
	var object struct{ Name string }
	_ = json.Unmarshal(item, &object) // page finds what is no object
	return object.Name
}
