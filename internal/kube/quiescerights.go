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
		On("kubernetes " + s.cluster).Hint("grant them by a Role or ClusterRole, or use an administrator's kubeconfig")
}

func (s *session) missingRights(ctx context.Context, namespaces []string) ([]string, error) {
	var missing []string
	for _, namespace := range namespaces {
		for _, r := range quiesceRights {
			what := call{verb: r.verb, resource: r.kind.rbac(), namespace: namespace}
			allowed, err := s.may(ctx, r.kind, what)
			if err != nil {
				return nil, err
			}
			if !allowed {
				missing = append(missing, what.right())
			}
		}
	}
	return missing, nil
}
