package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

func TestADeploymentComesBackFromSeveralNamespaces(t *testing.T) {
	cluster := newCluster(t)
	var namespaces []string
	for range seed.Namespaces() {
		namespaces = append(namespaces, cluster.freeName(t))
	}
	seeded, err := seed.Kubernetes(t.Context(), cluster, namespaces, seed.Size{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]map[string]seen{}
	for _, namespace := range namespaces {
		before[namespace] = cluster.look(t, namespace)
	}

	fixture := repotest.New(t)
	c := cluster.source(t, nil, namespaces...)
	from := fixture.Capture(t, "cluster", Kind, c)
	repotest.RequireSealed(t, fixture.Dir(), seeded.Markers()) // invariant 4
	var captured Captured
	if err := from.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, namespace := range captured.Namespaces {
		for kind, n := range namespace.Kinds {
			counts[kind] += n
		}
	}
	want := map[string]int64{"Secret": int64(seeded.Secrets), "ConfigMap": int64(seeded.ConfigMaps)}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("captured (-seeded +recorded):\n%s", diff)
	}

	for _, namespace := range namespaces {
		cluster.wipe(t.Context(), t, namespace)
	}
	_, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	for _, namespace := range namespaces {
		if diff := cmp.Diff(before[namespace], cluster.look(t, namespace)); diff != "" {
			t.Errorf("namespace %s differs (-before +after):\n%s", namespace, diff)
		}
	}
}

func TestPatternsChooseNamespaces(t *testing.T) {
	cluster := newCluster(t)
	one := cluster.namespace(t, nil)
	c := cluster.source(t, nil, one[:len(one)-1]+"?", one)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	var captured Captured
	if err := from.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	if len(captured.Namespaces) != 1 || captured.Namespaces[0].Name != one {
		t.Errorf("captured %+v, want %s once", captured.Namespaces, one)
	}

	every, err := New("cluster", &Settings{Kubeconfig: cluster.env.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	s, err := every.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, _, err := s.chosen(t.Context(), every.settings)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		found[name] = true
	}
	if !found[one] || !found["default"] || found["kube-system"] {
		t.Errorf("without settings the namespaces are %v, want all but the cluster's own", names)
	}
}
