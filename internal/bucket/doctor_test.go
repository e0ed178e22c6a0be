package bucket

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// strangersAt says what doctor finds of strangers at a server.
func strangersAt(t *testing.T, s *Source, bucket string) []string {
	t.Helper()
	var found []string
	for _, who := range s.strangers() {
		f := s.examineStranger(t.Context(), bucket, who)
		found = append(found, f.Check+" "+string(f.Severity))
		if f.Severity != source.OK && f.Remedy == "" {
			t.Errorf("%s says nothing to do", f.Check)
		}
	}
	return found
}

// Doctor tells a server that turns strangers away from one that takes any key, and from
// one that takes none.
func TestStrangersAtSeaweedFS(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	tests := map[string]struct {
		start func(testing.TB) *testbed.SeaweedFS
		want  []string
	}{
		"with identities":                {nil, []string{"bucket.unsigned ok", "bucket.wrong-key ok"}},
		"without identities":             {env.StartOpenSeaweedFS, []string{"bucket.unsigned error", "bucket.wrong-key error"}},
		"with the identity of anonymous": {env.StartAnonymousSeaweedFS, []string{"bucket.unsigned error", "bucket.wrong-key ok"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := env.S3Endpoint
			if tt.start != nil {
				endpoint = tt.start(t).Endpoint
			}
			s := newStandAt(t, env, endpoint, Options{})
			if got := strangersAt(t, s.source, s.bucket); !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// Only a refusal is one: whoever is told that there is no such bucket, or to come back
// later, has not been turned away.
func TestWhatIsNoRefusal(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		http.StatusUnauthorized: "ok", http.StatusForbidden: "ok", http.StatusNotFound: "warning", http.StatusTooManyRequests: "warning",
	} {
		s := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		s.settings.AccessKey, s.settings.SecretKey = inFile(t, "key"), inFile(t, "secret")
		for _, found := range strangersAt(t, s, "b") {
			if !strings.HasSuffix(found, " "+want) {
				t.Errorf("status %d: %s, want %s", status, found, want)
			}
		}
	}
}
