package front

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// conditions are the preconditions of a request,
// https://cloud.google.com/storage/docs/request-preconditions.
type conditions struct {
	generationMatch, generationNotMatch         *int64
	metagenerationMatch, metagenerationNotMatch *int64
	err                                         error // a value that is no number
}

func queryConditions(query url.Values) conditions {
	var c conditions
	c.generationMatch = c.number(query.Get("ifGenerationMatch"))
	c.generationNotMatch = c.number(query.Get("ifGenerationNotMatch"))
	c.metagenerationMatch = c.number(query.Get("ifMetagenerationMatch"))
	c.metagenerationNotMatch = c.number(query.Get("ifMetagenerationNotMatch"))
	return c
}

// xmlConditions reads the headers of the XML API, which has no others,
// https://cloud.google.com/storage/docs/xml-api/reference-headers.
func xmlConditions(r *http.Request) conditions {
	var c conditions
	c.generationMatch = c.number(r.Header.Get("x-goog-if-generation-match"))
	c.metagenerationMatch = c.number(r.Header.Get("x-goog-if-metageneration-match"))
	return c
}

func (c *conditions) number(text string) *int64 {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		c.err = fmt.Errorf("invalid precondition %q", text)
		return nil
	}
	return &n
}

// object is what the front needs to know of an object.
type object struct {
	Generation     int64     `json:"generation,string"`
	Metageneration int64     `json:"metageneration,string"`
	TimeCreated    time.Time `json:"timeCreated"`
}

// live returns the live version of an object, or nil where there is none.
func (f *Front) live(bucket, name string) *object {
	answer := f.ask(http.MethodGet, objectPath(bucket, name), nil, "")
	var o object
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &o) != nil {
		return nil
	}
	f.mu.Lock()
	o.Metageneration += f.state(bucket).of(name, o.Generation).changes
	f.mu.Unlock()
	return &o
}

func objectPath(bucket, name string) string {
	return "/storage/v1/b/" + url.PathEscape(bucket) + "/o/" + url.PathEscape(name)
}

// hold says whether the live version, nil for none, meets the conditions, and
// answers the request where it does not: 412 where something else was wanted, 304
// where something newer was. An object that is not there has generation 0.
func (c conditions) hold(w http.ResponseWriter, live *object) bool {
	if live == nil {
		live = &object{}
	}
	differs := func(want *int64, got int64) bool { return want != nil && *want != got }
	equals := func(unwanted *int64, got int64) bool { return unwanted != nil && *unwanted == got }
	switch {
	case c.err != nil:
		fail(w, http.StatusBadRequest, "invalid", c.err.Error())
	case differs(c.generationMatch, live.Generation), differs(c.metagenerationMatch, live.Metageneration):
		fail(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
	case equals(c.generationNotMatch, live.Generation), equals(c.metagenerationNotMatch, live.Metageneration):
		w.WriteHeader(http.StatusNotModified)
	default:
		return true
	}
	return false
}
