package kube

import (
	"context"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// helmSelector finds what Helm keeps of its releases, in Secrets or ConfigMaps, one
// for each revision.
const helmSelector = "owner=helm"

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
	l := listing{kind: k, namespace: namespace, selector: helmSelector, metadataOnly: true}
	err := s.list(ctx, l, func(u *unstructured.Unstructured) error {
		if release, revision := revisionOf(u); revision > 0 {
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

// revisionOf reads Helm's labels; 0 where it is no revision of a release.
func revisionOf(u *unstructured.Unstructured) (release string, revision int) {
	labels := u.GetLabels()
	if labels["owner"] != "helm" || labels["name"] == "" {
		return "", 0
	}
	revision, err := strconv.Atoi(labels["version"])
	if err != nil {
		return "", 0
	}
	return labels["name"], revision
}

// tooOld reports whether an object is a revision that is left out. The one that is
// deployed never is, however often upgrading it has failed.
func (h helmHistory) tooOld(u *unstructured.Unstructured) bool {
	release, revision := revisionOf(u)
	return revision > 0 && revision < h[release] && u.GetLabels()["status"] != "deployed"
}
