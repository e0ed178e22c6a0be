package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Measures of a stream of events.
const (
	mostClients   = 16
	mostWaiting   = 16 // events that a client is behind; one that is more so is let go
	heartbeat     = 15 * time.Second
	progressPause = 2 * time.Second
	writePatience = 10 * time.Second
)

// event is one of a stream, as it is sent.
type event []byte

func newEvent(name string, data any) event {
	text, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("an event cannot be written as JSON: %v", err)) // a defect of this program
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text)
}

func statusEvent(state string, at time.Time, reasons int) event {
	return newEvent("status", StatusEvent{state, at, reasons})
}

// hub hands events to every client. It waits for none of them.
type hub struct {
	mu      sync.Mutex
	clients map[chan event]bool
	ended   bool
}

func newHub() *hub { return &hub{clients: map[chan event]bool{}} }

// join returns a channel of events, which is closed when the hub is, or when the client
// is too slow. Nil: there are enough clients.
func (h *hub) join() chan event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || len(h.clients) >= mostClients {
		return nil
	}
	client := make(chan event, mostWaiting)
	h.clients[client] = true
	return client
}

func (h *hub) leave(client chan event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(client)
}

func (h *hub) drop(client chan event) {
	if h.clients[client] {
		delete(h.clients, client)
		close(client)
	}
}

func (h *hub) publish(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for client := range h.clients {
		select {
		case client <- e:
		default:
			h.drop(client) // it comes back, and is told how things stand then
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for client := range h.clients {
		h.drop(client)
	}
}

// events streams what happens, for as long as the client listens and the daemon runs.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	client := s.board.hub.join()
	if client == nil {
		w.Header().Set("Retry-After", "30")
		fail(w, http.StatusServiceUnavailable, FailureDetail{Code: "busy", Doing: "stream events", Why: fmt.Sprintf("%d clients listen already, or the daemon is ending", mostClients), Try: "ask for /api/v1/status now and then"})
		return
	}
	defer s.board.hub.leave(client)
	stream := &stream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	now := time.Now()
	v := s.board.current()
	state, _ := v.state(now)
	reasons := 0
	if v.report != nil {
		reasons = len(v.report.Reasons)
	}
	err := stream.send(append(event("retry: 5000\n\n"), statusEvent(state, now.UTC(), reasons)...))
	beat, progressing := time.NewTicker(heartbeat), time.NewTicker(progressPause)
	defer beat.Stop()
	defer progressing.Stop()
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case e, open := <-client:
			if !open {
				return
			}
			err = stream.send(e)
		case <-beat.C:
			err = stream.send(event(": still here\n\n"))
		case <-progressing.C:
			err = stream.progress(s.board.Activity.running(time.Now()))
		}
	}
}

// stream writes events. The time that the server gives an answer does not end it: each
// event has its own.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    event // of progress
}

func (s *stream) send(e event) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(e); err != nil {
		return err
	}
	return s.control.Flush()
}

// progress sends how far jobs are, where that has changed.
func (s *stream) progress(running []Running) error {
	e := newEvent("progress", ProgressEvent{running})
	if bytes.Equal(e, s.last) || s.last == nil && len(running) == 0 {
		return nil
	}
	s.last = e
	return s.send(e)
}
