package bucket

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
)

// wire is between a source and the server. It counts the bytes of objects that
// come from the server, calls what it is told to after so many, and lets a test
// meddle with the answers.
type wire struct {
	bytes  atomic.Int64
	then   atomic.Pointer[trigger]
	meddle atomic.Pointer[func(*http.Response)]
}

type trigger struct {
	bytes int64
	call  func()
}

func (w *wire) after(bytes int64, call func()) { w.then.Store(&trigger{bytes, call}) }

// answers has do see every answer that delivers an object whose key ends so.
func (w *wire) answers(key string, do func(*http.Response)) {
	meddle := func(r *http.Response) {
		ofObject := r.Request.URL.RawQuery == "" || r.Request.URL.RawQuery == "x-id=GetObject" // as the SDK asks
		if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, key) && ofObject {
			do(r)
		}
	}
	w.meddle.Store(&meddle)
}

func (w *wire) count(n int) {
	if t := w.then.Load(); w.bytes.Add(int64(n)) >= t.bytes && t.call != nil {
		t.call()
	}
}

// throughWire has the source reach SeaweedFS through a wire.
func (s *stand) throughWire(o Options) *wire {
	s.Helper()
	return s.throughWireTo(s.env.S3Endpoint, o)
}

func (s *stand) throughWireTo(endpoint string, o Options) *wire {
	s.Helper()
	w := new(wire)
	w.after(0, nil)
	server, err := url.Parse(endpoint)
	if err != nil {
		s.Fatal(err)
	}
	listener := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = r.In.Host // which is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if meddle := w.meddle.Load(); meddle != nil {
				(*meddle)(r)
			}
			if r.Request.Method == http.MethodGet && strings.Count(r.Request.URL.Path, "/") > 1 {
				r.Body = &countedBody{r.Body, w}
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}, // of requests that a test has cut
	})
	s.Cleanup(listener.Close)
	s.wire = listener.URL
	s.source = s.openAt(s.wire, o)
	return w
}

type countedBody struct {
	io.ReadCloser
	wire *wire
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.wire.count(n)
	return n, err
}

// alteredBody is a body with its first bit flipped.
type alteredBody struct {
	io.ReadCloser
	done bool
}

func (b *alteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && !b.done {
		p[0] ^= 1
		b.done = true
	}
	return n, err
}

// cutBody breaks off after so many bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		panic(http.ErrAbortHandler)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
