package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/kube/helm"
)

// What a release says of itself stands in a plain file: names and versions, and nothing
// that somebody may have hidden in them.
func TestWhatIsRecordedOfARelease(t *testing.T) {
	release := &helm.Release{Namespace: "openim", Name: "main", Revision: 7, Status: "deployed", Chart: helm.Chart{Name: "op en\x00im\n", Version: "1.2.3", AppVersion: strings.Repeat("x", 200)}}
	want := CapturedRelease{Namespace: "openim", Name: "main", Chart: "openim", ChartVersion: "1.2.3", AppVersion: strings.Repeat("x", 128), Revision: 7, Status: "deployed"}
	if diff := cmp.Diff(want, releaseRecord(release)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
