package front

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPage is how many objects a page has at most: "the service will use this
// parameter or 1,000 items, whichever is smaller". The emulator has no such bound,
// and begins every page by looking at all objects.
const maxPage = 1000

// keptListings are so many listings of which pages are still to be asked for.
const keptListings = 32

// listing is what the emulator has listed, from which pages are cut.
type listing struct {
	id       int
	items    []json.RawMessage
	prefixes json.RawMessage // on the first page
}

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
	if token := query.Get("pageToken"); token != "" {
		l, from := f.nextPage(token)
		if l == nil {
			fail(w, http.StatusBadRequest, "invalid", fmt.Sprintf("Invalid page token: %q", token))
			return
		}
		f.page(w, bucket, l, from, size)
		return
	}
	query.Del("maxResults")
	answer := f.ask(http.MethodGet, r.URL.EscapedPath()+"?"+query.Encode(), r.Header, "")
	var all struct {
		Items    []json.RawMessage
		Prefixes json.RawMessage
	}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &all) != nil {
		reply(w, answer, func(resource) {})
		return
	}
	f.page(w, bucket, f.keep(&listing{items: all.Items, prefixes: all.Prefixes}, size), 0, size)
}

// page answers with the part of a listing that begins with an item.
func (f *Front) page(w http.ResponseWriter, bucket string, l *listing, from, size int) {
	decorate := f.decorate(bucket)
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
	if from == 0 && l.prefixes != nil {
		content["prefixes"] = l.prefixes
	}
	if to < len(l.items) {
		content["nextPageToken"] = fmt.Sprintf("%d.%d", l.id, to)
	}
	writeJSON(w, http.StatusOK, content)
}

// keep keeps a listing that has more than one page.
func (f *Front) keep(l *listing, size int) *listing {
	if len(l.items) <= size {
		return l
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed++
	l.id = f.listed
	f.listings = append(f.listings, l)
	f.listings = f.listings[max(0, len(f.listings)-keptListings):]
	return l
}

// nextPage finds where a page begins, or nil where nobody has such a token.
func (f *Front) nextPage(token string) (*listing, int) {
	id, offset, _ := strings.Cut(token, ".")
	number, errID := strconv.Atoi(id)
	from, errOffset := strconv.Atoi(offset)
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.listings, func(l *listing) bool { return l.id == number })
	if errID != nil || errOffset != nil || i < 0 || from <= 0 || from >= len(f.listings[i].items) {
		return nil, 0
	}
	return f.listings[i], from
}
