package kube

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

var (
	replicaSetKind = kind{GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, resource: "replicasets", namespaced: true}
	podKind        = kind{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, resource: "pods", namespaced: true}
)

// quiesceRights are what stopping takes. Replicas and annotation change in one
// patch of the workload itself, so that nothing is asked of its scale.
var quiesceRights = []struct {
	verb string
	kind kind
}{
	{"list", deploymentKind},
	{"get", deploymentKind},
	{"patch", deploymentKind},
	{"list", statefulSetKind},
	{"get", statefulSetKind},
	{"patch", statefulSetKind},
	{"list", replicaSetKind},
	{"list", podKind},
}

// requireRights refuses before anything is stopped what would fail halfway.
func (s *session) requireRights(ctx context.Context, namespaces []string) error {
	missing, err := s.missingRights(ctx, namespaces)
	if err != nil || len(missing) == 0 {
		return err
	}
	return fault.New(fault.Usage, "stop workloads of", "the credentials lack the rights %s", strings.Join(missing, ", ")).
		On("kubernetes " + s.cluster).Hint("grant them as `openim-dr config rbac --for quiesce` prints them, or use an administrator's kubeconfig")
}

func (s *session) missingRights(ctx context.Context, namespaces []string) ([]string, error) {
	var needed []right
	for _, namespace := range namespaces {
		for _, r := range quiesceRights {
			needed = append(needed, right{r.verb, r.kind, namespace})
		}
	}
	return s.lacking(ctx, needed)
}
