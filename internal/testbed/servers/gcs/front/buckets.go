package front

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bucket is what the front keeps of a bucket beside the emulator.
type bucket struct {
	metageneration int64
	retention      *retention
	permissions    []string // nil: all
	notes          map[string]*notes
}

// retention is a bucket's retention policy,
// https://cloud.google.com/storage/docs/bucket-lock.
type retention struct {
	period    time.Duration
	effective time.Time
	locked    bool
}

// state returns what is kept of a bucket. The caller holds f.mu.
func (f *Front) state(name string) *bucket {
	if f.buckets[name] == nil {
		f.buckets[name] = &bucket{metageneration: 1}
	}
	return f.buckets[name]
}

// forward has the emulator answer a request.
func (f *Front) forward(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	f.pass(answer, r)
	return answer
}

// createBucket makes a bucket, whose policy the emulator would drop,
// https://cloud.google.com/storage/docs/json_api/v1/buckets/insert.
func (f *Front) createBucket(w http.ResponseWriter, r *http.Request) {
	body, wanted, err := bucketBody(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	answer := f.ask(r.Method, r.URL.RequestURI(), r.Header, string(body))
	if answer.Code == http.StatusOK {
		f.mu.Lock()
		state := &bucket{metageneration: 1}
		if wanted.period > 0 {
			state.retention = &retention{period: wanted.period, effective: f.now()}
		}
		f.buckets[wanted.name] = state
		f.mu.Unlock()
	}
	reply(w, answer, f.decorateBucket(wanted.name))
}

// bucketRequest is what the front takes note of in a bucket that a client sends.
type bucketRequest struct {
	name    string
	changes bool          // a policy, or its removal, is in it
	period  time.Duration // 0: no policy
}

func bucketBody(r *http.Request) ([]byte, bucketRequest, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bucketRequest{}, err
	}
	var content struct {
		Name   string
		Policy json.RawMessage `json:"retentionPolicy"`
	}
	if err := json.Unmarshal(body, &content); err != nil {
		return nil, bucketRequest{}, err
	}
	wanted := bucketRequest{name: content.Name, changes: content.Policy != nil}
	if !wanted.changes || string(content.Policy) == "null" {
		return body, wanted, nil
	}
	var policy struct {
		Period json.Number `json:"retentionPeriod"`
	}
	if err := json.Unmarshal(content.Policy, &policy); err != nil {
		return nil, bucketRequest{}, err
	}
	seconds, err := policy.Period.Int64()
	// "Retention duration must be greater than zero and less than 100 years."
	if err != nil || seconds <= 0 || seconds >= 3_155_760_000 {
		return nil, bucketRequest{}, fmt.Errorf("invalid retention period %q", policy.Period)
	}
	wanted.period = time.Duration(seconds) * time.Second
	return body, wanted, nil
}

// bucket reads, changes or deletes a bucket.
func (f *Front) bucket(w http.ResponseWriter, r *http.Request, name string) {
	switch r.Method {
	case http.MethodPatch, http.MethodPut, http.MethodPost:
		if f.permitted(w, name, "storage.buckets.update") {
			f.patchBucket(w, r, name)
		}
	case http.MethodDelete:
		f.deleteBucket(w, r, name)
	default:
		if f.permitted(w, name, "storage.buckets.get") {
			reply(w, f.forward(r), f.decorateBucket(name))
		}
	}
}

func (f *Front) deleteBucket(w http.ResponseWriter, r *http.Request, name string) {
	answer := f.forward(r)
	switch answer.Code {
	case http.StatusOK:
		f.mu.Lock()
		delete(f.buckets, name)
		f.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case http.StatusPreconditionFailed: // the emulator's answer
		fail(w, http.StatusConflict, "conflict", "The bucket you tried to delete is not empty.")
	default:
		reply(w, answer, func(resource) {})
	}
}

// patchBucket changes a bucket. "A locked retention policy cannot be removed or
// shortened",
// https://cloud.google.com/storage/docs/json_api/v1/buckets#resource.
func (f *Front) patchBucket(w http.ResponseWriter, r *http.Request, name string) {
	body, wanted, err := bucketBody(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	answer := f.forwardPatch(r, name, body)
	if answer.Code == http.StatusOK && wanted.changes && !f.setRetention(name, wanted.period) {
		fail(w, http.StatusForbidden, "forbidden", fmt.Sprintf("The retention policy of bucket %s is locked and cannot be removed or shortened.", name))
		return
	}
	reply(w, answer, f.decorateBucket(name))
}

// forwardPatch adds to a patch what it leaves alone: the emulator takes what is
// missing for false.
func (f *Front) forwardPatch(r *http.Request, name string, body []byte) *httptest.ResponseRecorder {
	path := "/storage/v1/b/" + name
	current, patch := resource{}, resource{}
	now := f.ask(http.MethodGet, path, nil, "")
	if now.Code != http.StatusOK || json.Unmarshal(now.Body.Bytes(), &current) != nil || json.Unmarshal(body, &patch) != nil {
		return now
	}
	for _, field := range []string{"versioning", "defaultEventBasedHold"} {
		if _, given := patch[field]; !given {
			patch[field] = current[field]
		}
	}
	merged, err := json.Marshal(patch)
	if err != nil {
		return now
	}
	return f.ask(http.MethodPatch, path, r.Header, string(merged))
}

// setRetention changes a bucket's policy unless its lock forbids it.
func (f *Front) setRetention(name string, period time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := f.state(name)
	old := state.retention
	if old != nil && old.locked && period < old.period {
		return false
	}
	state.metageneration++
	if period == 0 {
		state.retention = nil
		return true
	}
	state.retention = &retention{period: period, effective: f.now(), locked: old != nil && old.locked}
	return true
}

// lockRetention makes a policy permanent,
// https://cloud.google.com/storage/docs/json_api/v1/buckets/lockRetentionPolicy.
func (f *Front) lockRetention(w http.ResponseWriter, r *http.Request, name string) {
	if !f.permitted(w, name, "storage.buckets.update") {
		return
	}
	f.mu.Lock()
	state := f.state(name)
	match, err := strconv.ParseInt(r.URL.Query().Get("ifMetagenerationMatch"), 10, 64)
	switch {
	case err != nil:
		f.mu.Unlock()
		fail(w, http.StatusBadRequest, "required", "Required parameter: ifMetagenerationMatch")
		return
	case match != state.metageneration:
		f.mu.Unlock()
		fail(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
		return
	case state.retention == nil:
		f.mu.Unlock()
		fail(w, http.StatusBadRequest, "invalid", "The bucket has no retention policy.")
		return
	}
	state.retention.locked = true
	state.metageneration++
	f.mu.Unlock()
	reply(w, f.ask(http.MethodGet, "/storage/v1/b/"+name, nil, ""), f.decorateBucket(name))
}

// unprotected says whether a bucket's policy lets an object be deleted or
// replaced, and answers the request where it does not.
func (f *Front) unprotected(w http.ResponseWriter, bucket, name string, live *object) bool {
	f.mu.Lock()
	policy := f.state(bucket).retention
	f.mu.Unlock()
	if policy == nil || live == nil {
		return true
	}
	until := live.TimeCreated.Add(policy.period)
	if !f.now().Before(until) {
		return true
	}
	fail(w, http.StatusForbidden, "retentionPolicyNotMet", fmt.Sprintf(
		"Object '%s/%s' is subject to bucket's retention policy and cannot be deleted or overwritten until %s",
		bucket, name, until.Format(time.RFC3339)))
	return false
}

// decorate returns what adds to an object of a bucket when its retention ends, and
// what else the emulator does not keep.
func (f *Front) decorate(bucket string) func(resource) {
	f.mu.Lock()
	policy := f.state(bucket).retention
	f.mu.Unlock()
	return func(object resource) {
		f.addNotes(bucket, object)
		created, _ := object["timeCreated"].(string)
		at, err := time.Parse(time.RFC3339, created)
		if policy != nil && err == nil {
			object["retentionExpirationTime"] = at.Add(policy.period).Format(time.RFC3339Nano)
		}
	}
}

// decorateBucket returns what adds to a bucket what the emulator does not keep.
func (f *Front) decorateBucket(name string) func(resource) {
	f.mu.Lock()
	state := *f.state(name)
	f.mu.Unlock()
	return func(content resource) {
		content["metageneration"] = strconv.FormatInt(state.metageneration, 10)
		if state.retention == nil {
			return
		}
		content["retentionPolicy"] = resource{
			"retentionPeriod": strconv.FormatInt(int64(state.retention.period/time.Second), 10),
			"effectiveTime":   state.retention.effective.Format(time.RFC3339Nano),
			"isLocked":        state.retention.locked,
		}
	}
}

// testPermissions says which of some permissions the caller has,
// https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions.
func (f *Front) testPermissions(w http.ResponseWriter, r *http.Request, name string) {
	if answer := f.ask(http.MethodGet, "/storage/v1/b/"+name, nil, ""); answer.Code != http.StatusOK {
		fail(w, http.StatusNotFound, "notFound", "The specified bucket does not exist.")
		return
	}
	content := resource{"kind": "storage#testIamPermissionsResponse"}
	granted := []string{}
	for _, permission := range r.URL.Query()["permissions"] {
		if f.granted(name, permission) {
			granted = append(granted, permission)
		}
	}
	if len(granted) > 0 { // the field is missing where nothing is granted
		content["permissions"] = granted
	}
	writeJSON(w, http.StatusOK, content)
}

// setPermissions is the testbed's own: it takes from everybody what is not in the
// list that a test sends; null gives all back.
func (f *Front) setPermissions(w http.ResponseWriter, r *http.Request, name string) {
	var permissions []string
	if err := json.NewDecoder(r.Body).Decode(&permissions); err != nil {
		fail(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	f.mu.Lock()
	f.state(name).permissions = permissions
	f.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (f *Front) granted(bucket, permission string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	permissions := f.state(bucket).permissions
	return permissions == nil || slices.Contains(permissions, permission)
}

// permitted says whether a bucket's permissions allow something, and answers the
// request where they do not.
func (f *Front) permitted(w http.ResponseWriter, bucket, permission string) bool {
	if f.granted(bucket, permission) {
		return true
	}
	_, right, _ := strings.Cut(permission, ".")
	fail(w, http.StatusForbidden, "forbidden", fmt.Sprintf(
		"testbed does not have storage.%s access to the Google Cloud Storage object. Permission '%s' denied on resource (or it may not exist).",
		right, permission))
	return false
}
