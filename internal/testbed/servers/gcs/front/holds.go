package front

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// notes are what the front keeps of one generation of an object: the emulator knows
// no holds, and makes a new generation of an object whose metadata changes.
type notes struct {
	generation    int64
	changes       int64 // of the metadata, which the metageneration counts
	temporaryHold bool
	metadata      map[string]string
}

// of returns what is kept of an object, or nothing. The caller holds f.mu.
func (b *bucket) of(name string, generation int64) notes {
	if n := b.notes[name]; n != nil && n.generation == generation {
		return *n
	}
	return notes{generation: generation}
}

// notable is a patch of metadata that the front keeps by itself.
type notable struct {
	TemporaryHold *bool             `json:"temporaryHold"`
	Metadata      map[string]string `json:"metadata"`
}

// patchNotes takes a patch that is about a hold and metadata of somebody's own alone,
// https://cloud.google.com/storage/docs/json_api/v1/objects/patch. The caller holds
// f.commit, and the conditions of the request hold.
func (f *Front) patchNotes(w http.ResponseWriter, r *http.Request, bucket, name string, live *object) (taken bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var patch notable
	if live == nil || !onlyNotable(body) || json.Unmarshal(body, &patch) != nil {
		return false
	}
	f.mu.Lock()
	state := f.state(bucket)
	n := state.of(name, live.Generation)
	n.changes++
	if patch.TemporaryHold != nil {
		n.temporaryHold = *patch.TemporaryHold
	}
	n.metadata = maps.Clone(n.metadata)
	if n.metadata == nil {
		n.metadata = map[string]string{}
	}
	maps.Copy(n.metadata, patch.Metadata)
	if state.notes == nil {
		state.notes = map[string]*notes{}
	}
	state.notes[name] = &n
	f.mu.Unlock()
	reply(w, f.ask(http.MethodGet, objectPath(bucket, name), nil, ""), f.decorate(bucket))
	return true
}

// onlyNotable reports whether a patch leaves everything else alone. Clients also name
// the bucket in it.
func onlyNotable(body []byte) bool {
	fields := resource{}
	err := json.Unmarshal(body, &fields)
	for _, known := range []string{"bucket", "temporaryHold", "metadata"} {
		delete(fields, known)
	}
	return err == nil && len(fields) == 0
}

// addNotes adds to an object what the front keeps of it.
func (f *Front) addNotes(bucket string, object resource) {
	name, _ := object["name"].(string)
	text, _ := object["generation"].(string)
	generation, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return
	}
	f.mu.Lock()
	n := f.state(bucket).of(name, generation)
	f.mu.Unlock()
	if n.changes == 0 {
		return
	}
	object["metageneration"] = strconv.FormatInt(1+n.changes, 10)
	object["temporaryHold"] = n.temporaryHold
	object["metadata"] = n.metadata
}

// released says whether no hold keeps an object from being deleted, and answers the
// request where one does, https://cloud.google.com/storage/docs/object-holds.
func (f *Front) released(w http.ResponseWriter, bucket, name string, live *object) bool {
	f.mu.Lock()
	held := f.state(bucket).of(name, live.Generation).temporaryHold
	f.mu.Unlock()
	if held {
		fail(w, http.StatusForbidden, "objectUnderActiveHold", fmt.Sprintf(
			"Object '%s/%s' is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed.", bucket, name))
	}
	return !held
}
