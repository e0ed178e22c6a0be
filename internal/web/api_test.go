package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/status"
)

// ask makes a request, and returns the answer and what it says.
func ask(t *testing.T, h http.Handler, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// document asks for a document, holds it against its schema, and reads it.
func document(t *testing.T, h http.Handler, path, schema string, code int, into any) {
	t.Helper()
	answer, body := ask(t, h, http.MethodGet, path)
	if answer.StatusCode != code || answer.Header.Get("Content-Type") != "application/json" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s answers %d, %v: %s", path, answer.StatusCode, answer.Header, body)
	}
	schemaDir.Require(t, schema, path, []byte(body))
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatal(err)
	}
}

// Every document tells what the repository holds, in the form of its schema.
func TestDocuments(t *testing.T) {
	d, b := deploy(t, "main", nasty), NewBoard()
	h := Handler(b, "test")
	var failure Failure
	document(t, h, "/api/v1/status", "failure", http.StatusServiceUnavailable, &failure)
	first, second := d.take(t), d.take(t)
	d.prove(t, 700, 2000)
	d.run(t, 1, repository.ScheduleNew)
	d.run(t, 2, "failed")
	d.run(t, 3, repository.ScheduleOK)
	want := d.look(t, b)
	job := b.Activity.Begin("hourly")
	defer job.End("ok")
	job.Task("dump main", progress.Rows, 100).Add(40)

	var report status.Report
	document(t, h, "/api/v1/status", "status", http.StatusOK, &report)
	if report.State != want.State || len(report.Reasons) != len(want.Reasons) || report.Instance != repotest.Instance {
		t.Errorf("status %+v, want %+v", report, want)
	}
	var points Points
	document(t, h, "/api/v1/points?limit=1", "points", http.StatusOK, &points)
	if len(points.Points) != 1 || points.Points[0].ID != second || points.Next == nil || points.Total != 2 || !slices.Equal(points.Points[0].Sources, []string{"main", nasty}) {
		t.Errorf("points %+v", points)
	}
	document(t, h, "/api/v1/points?before="+*points.Next, "points", http.StatusOK, &points)
	if len(points.Points) != 1 || points.Points[0].ID != first {
		t.Errorf("the points before %+v", points)
	}
	var runs Runs
	document(t, h, "/api/v1/runs", "runs", http.StatusOK, &runs)
	if len(runs.Runs) != 2 || runs.Runs[0].Number != 3 || runs.Runs[1].Result != "failed" {
		t.Errorf("runs %+v", runs)
	}
	document(t, h, "/api/v1/runs?schedule=another", "runs", http.StatusOK, &runs)
	if len(runs.Runs) != 0 {
		t.Errorf("runs of another schedule %+v", runs)
	}
	var schedules Schedules
	document(t, h, "/api/v1/schedules", "schedules", http.StatusOK, &schedules)
	if len(schedules.Schedules) != 1 || schedules.Schedules[0].Last.Number != 3 || schedules.Schedules[0].Running.Tasks[0].Done != 40 {
		t.Errorf("schedules %+v", schedules)
	}
	var proofs Proofs
	document(t, h, "/api/v1/proofs", "proofs", http.StatusOK, &proofs)
	if len(proofs.Proofs) != 2 || proofs.Proofs[0].Passed || proofs.Proofs[1].RTOSeconds != 700 {
		t.Errorf("proofs %+v", proofs)
	}
	var objectives Objectives
	document(t, h, "/api/v1/objectives", "objectives", http.StatusOK, &objectives)
	if *objectives.RPO.ObjectiveSeconds != 3600 || len(objectives.RPO.Sources[1].Captures) != 1 || objectives.RTO.Drills[0].RTOSeconds != 700 {
		t.Errorf("objectives %+v", objectives)
	}
}

// What is asked for in a wrong way is answered by a document, too, and nothing is ever
// changed.
func TestRefusals(t *testing.T) {
	h := Handler(NewBoard(), "test")
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/api/v1/nothing", http.StatusNotFound},
		{http.MethodGet, "/assets/page.000000000000.css", http.StatusNotFound},
		{http.MethodGet, "/api/v1/points?limit=0", http.StatusBadRequest},
		{http.MethodGet, "/api/v1/points?limit=501", http.StatusBadRequest},
		{http.MethodGet, "/api/v1/points?before=" + "<script>", http.StatusBadRequest},
		{http.MethodGet, "/api/v1/runs?limit=x", http.StatusBadRequest},
		{http.MethodGet, "/?before=x", http.StatusBadRequest},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/api/v1/points", http.StatusMethodNotAllowed},
	} {
		answer, body := ask(t, h, tt.method, tt.path)
		if answer.StatusCode != tt.code {
			t.Errorf("%s %s answers %d: %s", tt.method, tt.path, answer.StatusCode, body)
		}
		schemaDir.Require(t, "failure", tt.path, []byte(body))
		requireProtected(t, answer.Header)
	}
}

func requireProtected(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if !strings.HasPrefix(h.Get(name), want) {
			t.Errorf("%s is %q", name, h.Get(name))
		}
	}
	for _, loose := range []string{"unsafe", "*", "http:"} {
		if strings.Contains(h.Get("Content-Security-Policy"), loose) {
			t.Errorf("the policy allows %s", loose)
		}
	}
}

// A client that has the document is told so.
func TestTags(t *testing.T) {
	d, b := deploy(t, "main"), NewBoard()
	d.take(t)
	d.look(t, b)
	h := Handler(b, "test")
	answer, _ := ask(t, h, http.MethodGet, "/api/v1/points")
	again, body := ask(t, h, http.MethodGet, "/api/v1/points", "If-None-Match", `"other", `+answer.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("it answers %d %q", again.StatusCode, body)
	}
	d.take(t)
	d.look(t, b)
	if now, _ := ask(t, h, http.MethodGet, "/api/v1/points", "If-None-Match", answer.Header.Get("ETag")); now.StatusCode != http.StatusOK {
		t.Errorf("after a change it answers %d", now.StatusCode)
	}
}

// What cannot be seen is never told as if it were so, however well it stood before.
func TestNothingIsWellThatIsNotSeen(t *testing.T) {
	d, b := deploy(t, "main"), NewBoard()
	h := Handler(b, "test")
	d.take(t)
	well := green(d.look(t, b))
	for name, set := range map[string]func(){
		"a look has failed":     func() { b.Report(t.Context(), well); b.Failed(errors.New("no answer")) },
		"nobody has looked for": func() { old := *well; old.Time = time.Now().Add(-time.Hour); b.Report(t.Context(), &old) },
	} {
		set()
		if answer, body := ask(t, h, http.MethodGet, "/api/v1/status"); answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: the status answers %d: %s", name, answer.StatusCode, body)
		}
		if _, page := ask(t, h, http.MethodGet, "/"); !strings.Contains(page, `class="banner plain"`) || strings.Contains(page, `class="banner good"`) {
			t.Errorf("%s, and the page is still well", name)
		}
	}
	b.Report(t.Context(), well)
	if _, page := ask(t, h, http.MethodGet, "/"); !strings.Contains(page, `class="banner good"`) {
		t.Error("all is well, and the page does not say so")
	}
}

// Of 20,000 points the page shows fifty, and leads to all others; the board is small,
// and older ones than it keeps are counted.
func TestManyPoints(t *testing.T) {
	var before, after runtime.MemStats
	listing := manyPoints(MostPoints + 10)
	runtime.GC()
	runtime.ReadMemStats(&before)
	seen := See(listing, repotest.Instance, []string{"main", "media"})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 300*MostPoints {
		t.Errorf("%d points take %d bytes", MostPoints, grown)
	}
	b := NewBoard()
	b.Saw(seen)
	h := Handler(b, "test")
	_, page := ask(t, h, http.MethodGet, "/")
	if n := strings.Count(page, `data-label="Point"`); n != pageSize || !strings.Contains(page, "50 of 20010") {
		t.Errorf("the page shows %d points", n)
	}
	all, at := map[string]bool{}, ""
	for {
		points, next := seen.before(at, mostPerPage)
		for _, p := range points {
			if all[p.ID] {
				t.Fatalf("%s comes twice", p.ID)
			}
			all[p.ID] = true
		}
		if at = next; at == "" {
			break
		}
	}
	if len(all) != MostPoints {
		t.Errorf("pages lead to %d points", len(all))
	}
	gone := listing.Points[100].Point[:15] + "Z-0000" // of a point that was swept since
	if points, _ := seen.before(gone, 1); len(points) != 1 || points[0].ID != listing.Points[99].Point {
		t.Errorf("before one that is gone there is %v", points)
	}
	runtime.KeepAlive(listing)
}

// Events tell how things stand, what begins and ends, and how far it is; the time that
// the server gives an answer does not end them, and the daemon's end does.
func TestEvents(t *testing.T) {
	d, b := deploy(t, "main"), NewBoard()
	d.take(t)
	report := d.look(t, b)
	server := httptest.NewUnstartedServer(Handler(b, "test"))
	server.Config.WriteTimeout = time.Second
	server.Start()
	defer server.Close()
	answer, err := http.Get(server.URL + "/api/v1/events")
	if err != nil || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v, %v", answer, err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	await := func(name string, into any) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+name && lines.Scan() {
				data := strings.TrimPrefix(lines.Text(), "data: ")
				schemaDir.Require(t, name+"-event", "an event", []byte(data))
				if err := json.Unmarshal([]byte(data), into); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatalf("the stream ended before %s: %v", name, lines.Err())
	}
	var now StatusEvent
	if await("status", &now); now.State != report.State {
		t.Errorf("it begins with %+v", now)
	}
	job := b.Activity.Begin("hourly")
	var run RunEvent
	if await("run", &run); run.Event != "begin" || run.Schedule != "hourly" {
		t.Errorf("it goes on with %+v", run)
	}
	task := job.Task("dump main", progress.Rows, 10)
	var far ProgressEvent
	for range 2 { // the second comes after the time of the server
		task.Add(4)
		if await("progress", &far); len(far.Running) != 1 {
			t.Errorf("running is %+v", far)
		}
	}
	job.End("failed")
	if await("run", &run); run.Event != "end" || run.Result != "failed" {
		t.Errorf("it goes on with %+v", run)
	}
	b.Failed(errors.New("no answer"))
	if await("status", &now); now.State != Unknown {
		t.Errorf("it goes on with %+v", now)
	}
	b.Close()
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream ends with %v", lines.Err())
	}
	if late, body := ask(t, Handler(b, "test"), http.MethodGet, "/api/v1/events"); late.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("when the daemon ends a client is answered %d: %s", late.StatusCode, body)
	}
}

// Clients are few, and one that does not read holds up nobody.
func TestSlowClients(t *testing.T) {
	h := newHub()
	slow := h.join()
	for range mostClients - 1 {
		h.join()
	}
	if h.join() != nil {
		t.Error("one too many was let in")
	}
	for range mostWaiting + 1 {
		h.publish(event("x"))
	}
	n := 0
	for range slow {
		n++
	}
	if n != mostWaiting {
		t.Errorf("%d events were kept for a client that does not read", n)
	}
	h.leave(slow)
	if h.join() == nil {
		t.Error("a client that was let go still takes a place")
	}
}

// Whoever has the token is let in, as a program and with a browser; nobody else is.
func TestGuard(t *testing.T) {
	const token = "correct horse battery"
	var given string
	var broken error
	h := Guard(Handler(NewBoard(), "test"), func() (string, error) { return given, broken })
	basic := func(user, password string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	require := func(code int, authorization string) {
		t.Helper()
		answer, body := ask(t, h, http.MethodGet, "/api/v1/points", "Authorization", authorization)
		if answer.StatusCode != code || strings.Contains(body, token) {
			t.Errorf("%q is answered %d: %s", authorization, answer.StatusCode, body)
		}
		if asked := len(answer.Header.Values("WWW-Authenticate")) == 2; asked != (code == http.StatusUnauthorized) {
			t.Errorf("%q: a token is asked for: %v", authorization, asked)
		}
	}
	require(http.StatusOK, "")
	given = token
	for _, right := range []string{"Bearer " + token, "bearer " + token, basic("anybody", token), basic("", token)} {
		require(http.StatusOK, right)
	}
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer " + token + "x", "Bearer " + token[:5], "Basic " + token, token, basic(token, ""), basic(token, "x")} {
		require(http.StatusUnauthorized, wrong)
	}
	broken = os.ErrNotExist
	require(http.StatusServiceUnavailable, "Bearer "+token)
}
