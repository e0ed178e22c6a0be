package bucket

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// doer is an HTTP client that is a function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestLimitsAreKept(t *testing.T) {
	const size = 1 << 20
	tests := map[string]struct {
		options  Options
		requests int
		want     time.Duration
	}{
		"none":      {Options{Workers: 4}, 100, 0},
		"requests":  {Options{Workers: 4, Requests: 10}, 104, 10 * time.Second},
		"bandwidth": {Options{Workers: 4, Bandwidth: size}, 10, 20 * time.Second}, // there and back
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limited := newThrottle(doer(func(r *http.Request) (*http.Response, error) {
					_, err := io.Copy(io.Discard, r.Body)
					return &http.Response{Body: io.NopCloser(bytes.NewReader(make([]byte, size)))}, err
				}), tt.options)
				began := time.Now()
				for range tt.requests {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1", bytes.NewReader(make([]byte, size)))
					if err != nil {
						t.Fatal(err)
					}
					response, err := limited.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := io.Copy(io.Discard, response.Body); n != size || err != nil {
						t.Fatalf("%d bytes, %v", n, err)
					}
				}
				if took := time.Since(began); took < tt.want*95/100 || took > tt.want*105/100 {
					t.Errorf("took %s, want about %s", took, tt.want)
				}
			})
		})
	}
}
