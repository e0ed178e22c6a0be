// Package front stands before a Google Cloud Storage emulator and adds the rules
// of Google's JSON API that the emulator lacks, so that what is tested here holds
// there:
//
//   - preconditions on reading and deleting objects;
//   - a bucket's retention policy, and its lock;
//   - temporary holds of objects;
//   - testIamPermissions, and permissions that a test may take away.
//
// The rules come from the reference of the JSON API,
// https://cloud.google.com/storage/docs/json_api/v1, and the pages named beside
// them. Everything else passes through: creating an object only if there is none,
// and refusing one with a wrong checksum, the emulator does by itself.
package front

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// emulatorHost is the host by which the emulator knows requests of the XML API,
// which the Go client reads objects through.
const emulatorHost = "storage.googleapis.com"

// Front is the handler that clients talk to.
type Front struct {
	emulator http.Handler
	now      func() time.Time

	// commit is held from the look at an object to its change, so that
	// preconditions decide races.
	commit sync.Mutex

	// changes counts the beginnings and the ends of what may change anything.
	changes atomic.Int64

	mu       sync.Mutex
	buckets  map[string]*bucket
	listings []*listing
}

// New returns a front of an emulator whose public host is the default one.
func New(emulator http.Handler) *Front {
	return &Front{
		emulator: emulator,
		now:      time.Now,
		buckets:  map[string]*bucket{},
	}
}

// ServeHTTP answers a request of the JSON API, of its uploads or of the part of
// the XML API that reads objects.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f.changes.Add(1)
		defer f.changes.Add(1)
	}
	segments, err := split(r.URL)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	switch {
	case matches(segments, "upload", "storage", "v1", "b", "*", "o"):
		f.upload(w, r, segments[4])
	case matches(segments, "storage", "v1", "b", "*", "o", "*"):
		f.object(w, r, segments[3], segments[5])
	case matches(segments, "storage", "v1", "b", "*", "o"):
		f.list(w, r, segments[3])
	case matches(segments, "storage", "v1", "b") && r.Method == http.MethodPost:
		f.createBucket(w, r)
	case matches(segments, "storage", "v1", "b", "*"):
		f.bucket(w, r, segments[3])
	case matches(segments, "storage", "v1", "b", "*", "lockRetentionPolicy"):
		f.lockRetention(w, r, segments[3])
	case matches(segments, "storage", "v1", "b", "*", "iam", "testPermissions"):
		f.testPermissions(w, r, segments[3])
	case matches(segments, "testbed", "b", "*", "permissions"):
		f.setPermissions(w, r, segments[2])
	case len(segments) >= 2 && segments[0] != "storage" && segments[0] != "download":
		f.read(w, r, segments[0], strings.Join(segments[1:], "/"), xmlConditions(r))
	default:
		f.pass(w, r)
	}
}

// split returns the segments of a URL's path, each unescaped: a slash within an
// object's name is escaped and does not divide.
func split(u *url.URL) ([]string, error) {
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, segment := range segments {
		name, err := url.PathUnescape(segment)
		if err != nil {
			return nil, err
		}
		segments[i] = name
	}
	return segments, nil
}

func matches(segments []string, pattern ...string) bool {
	if len(segments) != len(pattern) {
		return false
	}
	for i, want := range pattern {
		if want != "*" && want != segments[i] {
			return false
		}
	}
	return true
}

// pass hands a request on to the emulator.
func (f *Front) pass(w http.ResponseWriter, r *http.Request) {
	r.Host = emulatorHost
	f.emulator.ServeHTTP(w, r)
}

// ask sends a request of the front's own to the emulator.
func (f *Front) ask(method, path string, header http.Header, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	answer := httptest.NewRecorder()
	f.pass(answer, r)
	return answer
}

// resource is a bucket or an object as JSON.
type resource map[string]any

// answer writes a resource, or the emulator's own answer where that is none.
func reply(w http.ResponseWriter, answer *httptest.ResponseRecorder, change func(resource)) {
	var content resource
	if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &content) == nil && content != nil {
		change(content)
		writeJSON(w, http.StatusOK, content)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes()) // the client has gone
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(content) // the client has gone
}

// fail answers with an error in the shape of the JSON API,
// https://cloud.google.com/storage/docs/json_api/v1/status-codes.
func fail(w http.ResponseWriter, status int, reason, message string) {
	detail := map[string]string{"domain": "global", "reason": reason, "message": message}
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []any{detail},
	}})
}
