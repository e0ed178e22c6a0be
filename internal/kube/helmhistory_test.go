package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// revision is what Helm keeps of one.
func revision(release string, n int, state string) corev1.Secret {
	m := meta(fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, n))
	m.Labels = map[string]string{"owner": "helm", "name": release, "version": strconv.Itoa(n), "status": state}
	return corev1.Secret{ObjectMeta: m, Type: "helm.sh/release.v1", Data: map[string][]byte{"release": []byte(marker)}}
}

func TestOldRevisionsOfHelmReleasesAreLeftOut(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	var secrets []corev1.Secret
	for n := 1; n <= 12; n++ { // by name v10 comes before v2
		state := "superseded"
		if n == 12 {
			state = "deployed"
		}
		secrets = append(secrets, revision("openim", n, state))
	}
	secrets = append(secrets, revision("failing", 1, "deployed"))
	for n := 2; n <= 6; n++ {
		secrets = append(secrets, revision("failing", n, "failed"))
	}
	other := revision("other", 1, "deployed")
	other.Labels = nil // not Helm's, whatever its name is
	cluster.create(t, namespace, append(secrets, other), nil)
	tests := map[string]struct {
		newest *int
		want   []string
	}{
		"the default": {nil, []string{"failing.v1", "failing.v4", "failing.v5", "failing.v6", "openim.v10", "openim.v11", "openim.v12", "other.v1"}},
		"one":         {ref(1), []string{"failing.v1", "failing.v6", "openim.v12", "other.v1"}},
		"more":        {ref(20), nil},
		"all":         {ref(0), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster.source(t, func(s *Settings) { s.Exclude.HelmHistory = tt.newest }, namespace)
			var got []string
			for line := range strings.Lines(string(plaintext(t, repotest.New(t).Capture(t, "cluster", Kind, c), namespace))) {
				if release, ok := strings.CutPrefix(line, "  name: sh.helm.release.v1."); ok {
					got = append(got, strings.TrimSpace(release))
				}
			}
			slices.Sort(got)
			if tt.want == nil && len(got) == len(secrets)+1 {
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("captured (-want +got):\n%s", diff)
			}
		})
	}
}
