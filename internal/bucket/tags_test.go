package bucket

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

func TestTagHeader(t *testing.T) {
	for name, tt := range map[string]struct {
		tags map[string]string
		want string
	}{
		"none":         {nil, ""},
		"plain":        {map[string]string{"b": "2.0_x~-", "a": "1"}, "a=1&b=2.0_x~-"},
		"a blank":      {map[string]string{"a": "1", "b": "x y"}, ""},
		"in a name":    {map[string]string{"a=b": "1"}, ""},
		"not of ASCII": {map[string]string{"a": "ü"}, ""},
	} {
		if got := tagHeader(tt.tags); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// untagged leads to the server, and lets no request through that tags an object.
func (s *stand) untagged() *Source {
	s.Helper()
	server, err := url.Parse(s.endpoint)
	if err != nil {
		s.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(server)
		r.Out.Host = r.In.Host // which is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Query().Has("tagging") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.Cleanup(front.Close)
	return s.openAt(front.URL, Options{})
}

// An object that was uploaded, and the process killed before it had set the tags, is
// not taken for somebody else's: its tags came with it. Where they could not, that is
// said.
func TestKilledBeforeTheTags(t *testing.T) {
	for name, tt := range map[string]struct {
		tags map[string]string
		why  string
	}{
		"that come with the object": {map[string]string{"kind": "test", "size": "s"}, ""},
		"that cannot":               {map[string]string{"kind": "a test"}, "has ended just before it would have set them"},
	} {
		t.Run(name, func(t *testing.T) {
			onEachServer(t, Options{}, func(s *stand) {
				s.put(object{key: "own", content: []byte("1")}, object{key: "tagged", content: []byte("2"), metadata: repository.Metadata{Tags: tt.tags}},
					object{key: "large", content: noise(1, 9<<20), metadata: repository.Metadata{Tags: tt.tags}})
				want := s.content(s.bucket)
				from := s.capture()
				for _, key := range []string{"tagged", "large"} {
					s.remove(key)
					killed := s.untagged()
					plan, err := killed.Plan(s.Context(), from, source.Selection{MissingOnly: true})
					if err != nil {
						s.Fatal(err)
					}
					if _, err := killed.Restore(s.Context(), from, plan, progress.Discard); err == nil {
						s.Fatal("no tag was to be set")
					}
				}
				_, c := s.restoreInto(from, source.Selection{MissingOnly: true, Attempt: source.Attempt{ID: "r", Resumed: true}})
				if tt.why != "" {
					if len(c.Deviations) != 2 || !strings.Contains(c.Deviations[0].Why, tt.why) {
						s.Errorf("deviations %v", c.Deviations)
					}
					return
				}
				if diff := cmp.Diff(want, s.content(s.bucket)); diff != "" || !c.Equal() || len(c.Deviations) != 0 {
					s.Errorf("differences %v, deviations %v (-want +got):\n%s", c.Differences, c.Deviations, diff)
				}
			})
		})
	}
}
