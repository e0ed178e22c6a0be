package front

import (
	"fmt"
	"net/http"
)

// object reads, changes or deletes one object by the JSON API.
func (f *Front) object(w http.ResponseWriter, r *http.Request, bucket, name string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		f.read(w, r, bucket, name, queryConditions(r.URL.Query()))
	case http.MethodDelete:
		f.delete(w, r, bucket, name)
	default:
		f.update(w, r, bucket, name)
	}
}

// read reads an object's metadata or content. Conditions are about the live
// version, whatever generation is asked for.
func (f *Front) read(w http.ResponseWriter, r *http.Request, bucket, name string, c conditions) {
	if !f.permitted(w, bucket, "storage.objects.get") {
		return
	}
	if live := f.live(bucket, name); live != nil && !c.hold(w, live) {
		return
	}
	if r.URL.Query().Get("alt") == "media" || r.URL.Path == "/"+bucket+"/"+name || r.Method == http.MethodHead {
		f.pass(w, r)
		return
	}
	reply(w, f.forward(r), f.decorate(bucket))
}

// delete deletes an object,
// https://cloud.google.com/storage/docs/json_api/v1/objects/delete.
func (f *Front) delete(w http.ResponseWriter, r *http.Request, bucket, name string) {
	if !f.permitted(w, bucket, "storage.objects.delete") {
		return
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	live := f.live(bucket, name)
	if live == nil {
		fail(w, http.StatusNotFound, "notFound", fmt.Sprintf("No such object: %s/%s", bucket, name))
		return
	}
	if !queryConditions(r.URL.Query()).hold(w, live) || !f.released(w, bucket, name, live) || !f.unprotected(w, bucket, name, live) {
		return
	}
	answer := f.forward(r)
	if answer.Code == http.StatusOK {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	reply(w, answer, func(resource) {})
}

// upload creates an object,
// https://cloud.google.com/storage/docs/json_api/v1/objects/insert.
func (f *Front) upload(w http.ResponseWriter, r *http.Request, bucket string) {
	if !f.permitted(w, bucket, "storage.objects.create") {
		return
	}
	// With the client's own host: the emulator tells by it where the next chunk
	// of a resumable upload goes.
	f.emulator.ServeHTTP(w, r)
}

// update changes an object's metadata, which retention policies and holds allow.
func (f *Front) update(w http.ResponseWriter, r *http.Request, bucket, name string) {
	if !f.permitted(w, bucket, "storage.objects.update") {
		return
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	live := f.live(bucket, name)
	if live != nil && !queryConditions(r.URL.Query()).hold(w, live) || f.patchNotes(w, r, bucket, name, live) {
		return
	}
	reply(w, f.forward(r), f.decorate(bucket))
}
