package main

import (
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/kube"
)

// What was changed by hand is told in a few lines, whatever was changed.
func TestHandWorkIsBounded(t *testing.T) {
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	later := at.Add(time.Hour)
	changes := []kube.Change{
		{Namespace: "im", Kind: "Secret", Change: kube.Changed, By: "k9s", At: &at},
		{Namespace: "im", Kind: "ConfigMap", Change: kube.Changed, By: "kubectl-edit", At: &later},
		{Namespace: "im", Kind: "ConfigMap", Change: kube.Changed, By: "kubectl-edit", At: &at},
		{Kind: "ClusterRole.rbac.authorization.k8s.io", Change: kube.Added},
	}
	want := `2 ConfigMap changed in namespace im, by kubectl-edit, last at 2026-11-27 03:00:00Z
1 Secret changed in namespace im, by k9s, last at 2026-11-27 02:00:00Z
1 ClusterRole.rbac.authorization.k8s.io added`
	if got := handWork(changes); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i := range 100 {
		changes = append(changes, kube.Change{Kind: strings.Repeat("K", i+1), Change: kube.Added})
	}
	if got := handWork(changes); strings.Count(got, "\n") != mostByHand || !strings.HasSuffix(got, "and 93 more lines like these") {
		t.Errorf("got\n%s", got)
	}
}
