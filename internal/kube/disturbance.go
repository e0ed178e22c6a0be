package kube

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var autoscalerKind = kind{GroupVersionKind: schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, resource: "horizontalpodautoscalers", namespaced: true}

// scaledObjectLabel is what KEDA puts on the autoscalers that it makes.
const scaledObjectLabel = "scaledobject.keda.sh/name"

// keeper is a program that keeps objects as they are described elsewhere.
type keeper struct {
	name    string
	marks   []string // labels or annotations by which its objects are known
	suspend string
}

var keepers = []keeper{
	{"Argo CD", []string{"argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"}, "suspend the automated sync of its application"},
	{"Flux", []string{"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"}, "suspend its reconciliation with `flux suspend`"},
	{"Config Sync", []string{"configmanagement.gke.io/managed"}, "stop its syncing"},
}

// disturbances are who might bring workloads back while they are to be stopped.
func (s *session) disturbances(ctx context.Context, namespaces []string, chosen []*workload) ([]string, error) {
	var warnings []string
	for _, k := range keepers {
		if kept := k.keeps(chosen); len(kept) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s manages %s, and may bring back what is stopped: %s first", k.name, strings.Join(kept, ", "), k.suspend))
		}
	}
	for _, w := range chosen {
		if owner := metav1.GetControllerOfNoCopy(w.object); owner != nil {
			warnings = append(warnings, fmt.Sprintf("%s is made by %s %s, whose operator may bring it back: suspend that first", w.described(), owner.Kind, owner.Name))
		}
	}
	for _, namespace := range namespaces {
		found, err := s.autoscalerWarnings(ctx, namespace, chosen)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, found...)
	}
	return warnings, nil
}

func (k keeper) keeps(chosen []*workload) []string {
	var kept []string
	for _, w := range chosen {
		labels, annotations := w.object.GetLabels(), w.object.GetAnnotations()
		for _, mark := range k.marks {
			if labels[mark] != "" || annotations[mark] != "" {
				kept = append(kept, w.described().String())
				break
			}
		}
	}
	return kept
}

// autoscalerWarnings name the autoscalers of workloads. Not to be allowed to see
// them is a warning, too: they are no part of what is needed.
func (s *session) autoscalerWarnings(ctx context.Context, namespace string, chosen []*workload) ([]string, error) {
	autoscalers, err := s.gather(ctx, autoscalerKind, namespace)
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		return []string{fmt.Sprintf("whether a HorizontalPodAutoscaler scales workloads in namespace %q is not known: the credentials may not list them", namespace)}, nil
	case answered(err, metav1.StatusReasonNotFound): // a server without that version
		return nil, nil
	case err != nil:
		return nil, err
	}
	var warnings []string
	for _, autoscaler := range autoscalers {
		for _, w := range chosen {
			if w.object.GetNamespace() == namespace && scales(autoscaler, w) {
				warnings = append(warnings, describeAutoscaler(autoscaler, w.described()))
			}
		}
	}
	return warnings, nil
}

func scales(autoscaler *unstructured.Unstructured, w *workload) bool {
	kind, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "name")
	return kind == w.kind.Kind && name == w.object.GetName()
}

func describeAutoscaler(autoscaler *unstructured.Unstructured, target Workload) string {
	if object := autoscaler.GetLabels()[scaledObjectLabel]; object != "" {
		return fmt.Sprintf("KEDA scales %s, from zero replicas too: pause it first with `kubectl -n %s annotate scaledobject %s autoscaling.keda.sh/paused=true`", target, target.Namespace, object)
	}
	return fmt.Sprintf("HorizontalPodAutoscaler %s/%s scales %s: it leaves it alone while it has no replicas, and goes on when it is back", target.Namespace, autoscaler.GetName(), target)
}
