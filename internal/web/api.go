package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Bounds of a page of points or runs.
const (
	pageSize    = 50
	mostPerPage = 500
)

// server answers for a board.
type server struct {
	board   *Board
	version string
}

// Handler answers under / and /api/v1/. It takes GET and HEAD alone.
//
//	/                  the status page; ?before=POINT shows older points
//	/assets/NAME       its style and script
//	/api/v1/status     status.Report, or 503 where nobody can tell
//	/api/v1/points     Points; ?limit=N, ?before=POINT
//	/api/v1/runs       Runs; ?schedule=NAME, ?limit=N
//	/api/v1/schedules  Schedules
//	/api/v1/proofs     Proofs
//	/api/v1/objectives Objectives
//	/api/v1/events     server-sent events: status, run and progress
func Handler(b *Board, version string) http.Handler {
	s := &server{b, version}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.page)
	mux.HandleFunc("/assets/{name}", serveAsset)
	mux.HandleFunc("/api/v1/status", s.status)
	mux.HandleFunc("/api/v1/points", s.points)
	mux.HandleFunc("/api/v1/runs", s.runs)
	mux.HandleFunc("/api/v1/schedules", s.schedules)
	mux.HandleFunc("/api/v1/proofs", s.proofs)
	mux.HandleFunc("/api/v1/objectives", s.objectives)
	mux.HandleFunc("/api/v1/events", s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, FailureDetail{Code: "usage", Doing: "answer", Target: r.URL.Path, Why: "there is nothing under this path", Try: "docs/DAEMON.md lists the paths"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, FailureDetail{Code: "usage", Doing: "answer", Target: r.Method, Why: "nothing can be changed here", Try: "use GET"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// policy lets a page load its own style and script, and nothing else from anywhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// answer sends a document, or only that it is the one that the client has.
func answer(w http.ResponseWriter, r *http.Request, document any) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(document); err != nil {
		panic(fmt.Sprintf("a document cannot be written as JSON: %v", err)) // a defect of this program
	}
	sum := sha256.Sum256(body.Bytes())
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, http.StatusOK, body.Bytes())
}

// fail sends what went wrong.
func fail(w http.ResponseWriter, code int, why FailureDetail) {
	body, err := json.Marshal(Failure{why})
	if err != nil {
		panic(fmt.Sprintf("a failure cannot be written as JSON: %v", err)) // a defect of this program
	}
	send(w, code, append(body, '\n'))
}

func send(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // whoever asked is gone
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	v := s.board.current()
	if state, why := v.state(time.Now()); state == Unknown {
		w.Header().Set("Retry-After", "30")
		fail(w, http.StatusServiceUnavailable, FailureDetail{Code: "failed", Doing: "say how things stand", Why: why, Try: "see the log of the daemon, and /readyz"})
		return
	}
	answer(w, r, v.report)
}

func (s *server) points(w http.ResponseWriter, r *http.Request) {
	limit, before, wrong := pageOf(r)
	if wrong != nil {
		fail(w, http.StatusBadRequest, *wrong)
		return
	}
	seen := s.board.current().seen
	points, next := seen.before(before, limit)
	document := Points{Points: listed(points), Total: seen.total}
	if next != "" {
		document.Next = &next
	}
	answer(w, r, document)
}

func listed[T any](list []T) []T { return append([]T{}, list...) }

// pageOf reads which page is asked for.
func pageOf(r *http.Request) (limit int, before string, wrong *FailureDetail) {
	limit, wrong = limitOf(r)
	before = r.URL.Query().Get("before")
	if _, err := repository.PointTime(before); before != "" && err != nil {
		wrong = &FailureDetail{Code: "usage", Doing: "read before", Why: "it is no id of a point", Try: "give the next of the page before"}
	}
	return limit, before, wrong
}

func limitOf(r *http.Request) (int, *FailureDetail) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return pageSize, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > mostPerPage {
		return 0, &FailureDetail{Code: "usage", Doing: "read limit", Why: fmt.Sprintf("it is not between 1 and %d", mostPerPage), Try: "leave it out, or ask for several pages"}
	}
	return limit, nil
}

func (s *server) runs(w http.ResponseWriter, r *http.Request) {
	limit, wrong := limitOf(r)
	if wrong != nil {
		fail(w, http.StatusBadRequest, *wrong)
		return
	}
	runs := s.board.current().recent()
	if only := r.URL.Query().Get("schedule"); only != "" {
		runs = slices.DeleteFunc(runs, func(run Run) bool { return run.Schedule != only })
	}
	answer(w, r, Runs{listed(runs[:min(limit, len(runs))])})
}

func (s *server) schedules(w http.ResponseWriter, r *http.Request) {
	answer(w, r, Schedules{s.board.schedules(time.Now())})
}

// schedules joins what is planned, what was run and what runs.
func (b *Board) schedules(now time.Time) []Schedule {
	v, running := b.current(), b.Activity.running(now)
	all := []Schedule{}
	if v.report == nil {
		return all
	}
	for _, planned := range v.report.Schedules {
		one := Schedule{Schedule: planned.Schedule, Cron: planned.Cron, Next: planned.Next}
		if runs := v.runs[planned.Schedule]; len(runs) > 0 {
			one.Last = &runs[0]
		}
		if at := slices.IndexFunc(running, func(r Running) bool { return r.Schedule == planned.Schedule }); at >= 0 {
			one.Running = &running[at]
		}
		all = append(all, one)
	}
	return all
}

func (s *server) proofs(w http.ResponseWriter, r *http.Request) {
	answer(w, r, Proofs{listed(s.board.current().seen.drills)})
}

func (s *server) objectives(w http.ResponseWriter, r *http.Request) {
	answer(w, r, s.board.current().objectives())
}

// objectives are what was promised, and what was measured.
func (v view) objectives() Objectives {
	o := Objectives{RPO: RPOTrend{Sources: []SourceTrend{}}, RTO: RTOTrend{Drills: []DrillTimes{}}}
	for _, d := range slices.Backward(v.seen.drills) {
		o.RTO.Drills = append(o.RTO.Drills, DrillTimes{d.Drill, d.Started, d.Passed, d.Full, d.RTOSeconds, d.RPOSeconds})
	}
	if v.report == nil {
		return o
	}
	o.RPO.ObjectiveSeconds, o.RTO.ObjectiveSeconds = v.report.Objectives.RPO.ObjectiveSeconds, v.report.Objectives.RTO.ObjectiveSeconds
	for _, s := range v.report.Objectives.RPO.Sources {
		o.RPO.Sources = append(o.RPO.Sources, SourceTrend{s.Source, listed(v.seen.captures[s.Source])})
	}
	return o
}
