package bucket

import (
	"net/http"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A server is the same one whatever is done to its buckets, and tells no name of
// an account.
func TestServerIDStaysTheSame(t *testing.T) {
	onEachServer(t, Options{}, func(s *stand) {
		before, err := s.source.ServerID(s.Context())
		if err != nil || len(before) != 32 {
			s.Fatalf("got %q, %v", before, err)
		}
		testbed.NewBucketAt(s.T, s.client)
		s.put(object{key: "a/b", content: []byte("new")})
		if after, err := s.open(Options{}).ServerID(s.Context()); err != nil || after != before {
			s.Errorf("got %q, %v; it was %q", after, err, before)
		}
	})
}

// A key that may not list buckets is no failure: nothing is known then.
func TestServerIDThatIsNotTold(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		fails  bool
	}{
		"denied":      {http.StatusForbidden, `<Error><Code>AccessDenied</Code></Error>`, false},
		"not known":   {http.StatusNotImplemented, `<Error><Code>NotImplemented</Code></Error>`, false},
		"nothing":     {http.StatusOK, `<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>`, false},
		"out of work": {http.StatusInternalServerError, `<Error><Code>InternalError</Code></Error>`, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := against(t, 20*time.Second, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			})
			id, err := s.ServerID(t.Context())
			if id != "" || (err != nil) != tt.fails {
				t.Errorf("got %q, %v", id, err)
			}
		})
	}
}
