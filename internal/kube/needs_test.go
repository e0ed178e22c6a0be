package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

func TestFilesThatASelectionNeeds(t *testing.T) {
	cluster := newCluster(t)
	one, two := cluster.namespace(t, nil), cluster.namespace(t, nil)
	for _, namespace := range []string{one, two} {
		cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("a")}}, nil)
	}
	c := cluster.source(t, nil, one, two)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	for name, want := range map[string]source.Selection{
		"included":     {Include: []string{one + "/Secret"}},
		"not excluded": {Exclude: []string{two}},
	} {
		got, err := c.Needs(from, want)
		if diff := cmp.Diff(from.FilesBelow(one), got); err != nil || diff != "" || len(got) == 0 {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	// What is said about objects is no object.
	whole := append(from.FilesBelow(one), from.FilesBelow(two)...)
	if got, err := c.Needs(from, source.Selection{}); err != nil || len(got) != len(whole) || len(from.Files()) != len(whole)+1 {
		t.Errorf("all: %v, %v", got, err)
	}
}

func TestClaimsAreNeededWhereVolumesAreWanted(t *testing.T) {
	s := newSnapped(t, snapshotv1.VolumeSnapshotContentDelete)
	c := s.capturing(t, nil)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	all := len(from.Files()) - 1 // but for the list of the objects
	for volumes, want := range map[bool]int{true: all, false: all - 1} {
		if got, err := c.Needs(from, source.Selection{Volumes: volumes}); err != nil || len(got) != want {
			t.Errorf("volumes %t: %d files are needed (%v), want %d", volumes, len(got), err, want)
		}
	}
}
