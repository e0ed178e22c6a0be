package kube

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/kube/helm"
)

// helmHistory is the oldest revision of each release of a namespace that is
// captured.
type helmHistory map[string]int

// helmHistory finds out which revisions of a kind are the newest ones. It reads
// labels alone: a revision holds the whole release.
func (s *session) helmHistory(ctx context.Context, k kind, namespace string, newest int) (helmHistory, error) {
	history := helmHistory{}
	if newest == 0 || k.Group != "" || k.Kind != "Secret" && k.Kind != "ConfigMap" {
		return history, nil
	}
	revisions := map[string][]int{}
	l := listing{kind: k, namespace: namespace, selector: helm.Selector, metadataOnly: true}
	err := s.list(ctx, l, func(u *unstructured.Unstructured) error {
		if release, revision := helm.RevisionOf(u); revision > 0 {
			revisions[release] = append(revisions[release], revision)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for release, all := range revisions {
		slices.Sort(all)
		history[release] = all[max(len(all)-newest, 0)]
	}
	return history, nil
}

// tooOld reports whether an object is a revision that is left out. The one that is
// deployed never is, however often upgrading it has failed.
func (h helmHistory) tooOld(u *unstructured.Unstructured) bool {
	release, revision := helm.RevisionOf(u)
	return revision > 0 && revision < h[release] && u.GetLabels()["status"] != "deployed"
}
