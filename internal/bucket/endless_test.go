package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// against returns a source whose server is a handler, for which it waits so long.
func against(t *testing.T, wait time.Duration, handler http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s, err := New("media", &Settings{Endpoint: server.URL, Buckets: []string{"b"}},
		Options{patience: patience{header: wait, idle: wait, call: max(wait, 5*time.Second), attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Invariant 9: a server that lists the same again and again is not listened to
// for ever.
func TestListingThatBeginsAgain(t *testing.T) {
	t.Parallel()
	for name, truncated := range map[string]bool{"by token": true, "behind the last key": false} {
		t.Run(name, func(t *testing.T) {
			var pages atomic.Int64
			s := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%d</NextContinuationToken>`+
					`<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>`, truncated, pages.Add(1))
			})
			l := s.list("b", "")
			for range 100 {
				page, err := l.next(t.Context())
				if errors.As(err, new(*orderError)) {
					return
				}
				if err != nil || page == nil {
					t.Fatal(page, err)
				}
			}
			t.Errorf("%d pages, and no end", pages.Load())
		})
	}
}

// Invariant 9: a server that stops taking a body is not waited for for ever.
func TestUploadThatStalls(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	s := against(t, 200*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		<-released
	})
	t.Cleanup(func() { close(released) })
	content := noise(1, 64<<20) // more than all buffers on the way
	sum := sha256.Sum256(content)
	e := repository.IndexEntry{Key: "k", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	u := newUploader(s, "b", newFence(source.Attempt{}, wallClock), 1<<30, 1<<30)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := u.large(ctx, e, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err == nil || ctx.Err() != nil || !errors.As(err, new(*idleError)) {
		t.Errorf("got %v (%v), want an end by itself", err, ctx.Err())
	}
}
