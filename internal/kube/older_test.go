package kube

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// older captures as digest version 1 did, with all that a kind was given.
type older struct {
	namespace string
	objects   []*unstructured.Unstructured
}

func (o older) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	captured := CapturedNamespace{Name: o.namespace, Kinds: map[string]int64{}, Objects: int64(len(o.objects))}
	file, err := draft.Create(ctx, fileName(o.namespace))
	if err != nil {
		return err
	}
	defer file.Abort()
	documents, digests := document.NewWriter(file), newDigester(draft.DigestKey())
	if err := documents.Write(bareNamespace(o.namespace)); err != nil {
		return err
	}
	for _, u := range o.objects {
		digest, err := digests.digest(u, o.namespace)
		if err != nil {
			return err
		}
		captured.Digest.Add(digest)
		captured.Kinds[u.GetKind()]++
		if err := documents.Write(u); err != nil {
			return err
		}
	}
	if err := file.Commit(); err != nil {
		return err
	}
	draft.Summarize(repository.Summary{Documents: captured.Objects})
	return draft.Captured(Captured{ServerVersion: "v1.30.0", DigestVersion: 1, Namespaces: []CapturedNamespace{captured}})
}

// A point of an older version is restored in the form of today: a Service gets an
// address of its own.
func TestAPointOfDigestVersionOne(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.freeName(t)
	from := repotest.New(t).Capture(t, "cluster", Kind, older{namespace, []*unstructured.Unstructured{
		parsed(t, `{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: `+namespace+`}, type: Opaque, data: {a: AAEC}}`),
		parsed(t, `{apiVersion: v1, kind: Service, metadata: {name: a, namespace: `+namespace+`}, spec: {type: ClusterIP, clusterIP: 192.0.2.1, clusterIPs: [192.0.2.1],
			internalTrafficPolicy: Cluster, sessionAffinity: None, selector: {app: a}, ports: [{port: 80, targetPort: 80, protocol: TCP}]}}`),
	}})
	c := cluster.source(t, nil, namespace)
	t.Cleanup(func() { removeServices(t, cluster, namespace) })
	plan, compared := bringBack(t, c, from, source.Selection{})
	requireEqual(t, compared)
	if len(plan.Steps) != 2 || plan.Steps[1].Objects != 2 {
		t.Errorf("steps %+v", plan.Steps)
	}
	made, err := cluster.CoreV1().Services(namespace).Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil || made.Spec.ClusterIP == "192.0.2.1" || made.Spec.Type != corev1.ServiceTypeClusterIP {
		t.Errorf("the Service is %+v, %v", made.Spec, err)
	}
}
