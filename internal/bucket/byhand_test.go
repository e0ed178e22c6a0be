package bucket

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/runbook"
)

// TestByHandFindsTheBucket runs the lines of the page that say where a bucket
// is, in its path or in the host's name.
func TestByHandFindsTheBucket(t *testing.T) {
	no := false
	for name, c := range map[string]struct {
		settings Settings
		want     string
	}{
		"in the path":          {Settings{Endpoint: "https://s3.example.com:8333/", Buckets: []string{"openim"}}, "https://s3.example.com:8333/openim"},
		"in the host's name":   {Settings{Endpoint: "https://s3.example.com:8333", PathStyle: &no, Buckets: []string{"openim"}}, "https://openim.s3.example.com:8333"},
		"over http, like that": {Settings{Endpoint: "http://s3.example.com", PathStyle: &no, Buckets: []string{"openim"}}, "http://openim.s3.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			source := runbook.Source{
				Name: "media", Dir: "points/x/media", Prefix: "MEDIA", Captured: []byte(`{"buckets": [{"bucket": "openim", "objects": 3, "bytes": 9}]}`),
				Rename: func(name string) string { return name },
			}
			part, err := ByHand(source, &c.settings)
			if err != nil {
				t.Fatal(err)
			}
			script := "WORK=/work\n"
			for _, v := range part.Variables {
				script += v.Name + "=" + runbook.Quote(v.Value) + "\n"
			}
			for _, b := range part.Sections[0].Blocks {
				step, ok := b.(runbook.Step)
				if before, _, found := strings.Cut(string(step.Body), "s3_compare"); ok && found {
					script += before
				}
			}
			out, err := exec.Command("sh", "-c", script+`s3_url "$MEDIA_BUCKET_1"`).CombinedOutput()
			if err != nil || string(out) != c.want {
				t.Errorf("sh says %q and %v, want %q", out, err, c.want)
			}
		})
	}
}
