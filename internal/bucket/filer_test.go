package bucket

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A filer lets everybody in, however well the S3 server before it is guarded.
func TestAFilerThatCanBeReached(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	server := env.StartSeaweedFS(t)
	findings := examineFilers(t.Context(), []string{server.Filer})
	if len(findings) != 1 || findings[0].Severity != source.Error || !strings.Contains(findings[0].Evidence, server.Filer) || findings[0].Remedy == "" {
		t.Errorf("found %+v", findings)
	}
	s3 := strings.TrimPrefix(server.Endpoint, "http://")
	versity := strings.TrimPrefix(env.VersitygwEndpoint, "http://")
	if findings := examineFilers(t.Context(), []string{s3, versity, "127.0.0.1:1"}); len(findings) > 0 {
		t.Errorf("what is none is a filer: %+v", findings)
	}

	t.Run("given for the S3 server", func(t *testing.T) {
		s := newStandAt(t, env, server.Endpoint, Options{})
		s.source.settings.Endpoint = "http://" + server.Filer
		found := s.source.Examine(t.Context())
		if len(found) != 1 || found[0].Severity != source.Error || !strings.Contains(found[0].Evidence, "is a filer of SeaweedFS") {
			t.Errorf("found %+v", found)
		}
	})
}

// One that wants a key, and any other server, is no filer that lets everybody in.
func TestWhatIsNoOpenFiler(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"a filer that wants a key": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"Path":"/buckets"}`))
		},
		"another server's JSON": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"status":"ok"}`)) },
		"a page":                func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html></html>")) },
	} {
		s := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
		if isFiler(t.Context(), s.settings.Endpoint) {
			t.Errorf("%s is taken for an open filer", name)
		}
	}
}

func TestWhereFilersAre(t *testing.T) {
	for endpoint, want := range map[string][]string{
		"http://seaweedfs-filer.seaweedfs:8333": {"seaweedfs-filer.seaweedfs:8888"},
		"https://seaweedfs-s3.seaweedfs:8333":   {"seaweedfs-s3.seaweedfs:8888", "seaweedfs-filer.seaweedfs:8888"},
		"http://weed-s3:8333":                   {"weed-s3:8888", "weed-filer:8888"},
		"http://[::1]:8333":                     {"[::1]:8888"},
	} {
		parsed, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got := filersBeside(parsed); !slices.Equal(got, want) {
			t.Errorf("beside %s: %q, want %q", endpoint, got, want)
		}
	}
}
