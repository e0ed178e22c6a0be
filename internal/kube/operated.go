package kube

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/source"
)

// externalSecret is the kind out of which the External Secrets Operator makes a
// Secret.
var externalSecret = schema.GroupKind{Group: "external-secrets.io", Kind: "ExternalSecret"}

// operatorMarks are labels and annotations by which operators know the Secrets that
// they make.
var operatorMarks = []struct{ operator, mark string }{
	{"External Secrets", "reconcile.external-secrets.io/managed"},
	{"External Secrets", "reconcile.external-secrets.io/created-by"},
	{"cert-manager", "cert-manager.io/certificate-name"},
}

// operatorOwners are the kinds whose operator makes the Secrets that they own.
var operatorOwners = map[string]string{
	"ExternalSecret.external-secrets.io": "External Secrets",
	"SealedSecret.bitnami.com":           "Sealed Secrets",
	"Certificate.cert-manager.io":        "cert-manager",
}

// operatorOf names the operator that makes a Secret, as the server has it; empty
// where somebody has written it.
func operatorOf(u *unstructured.Unstructured) string {
	if u.GetAPIVersion() != "v1" || u.GetKind() != "Secret" {
		return ""
	}
	for _, owner := range u.GetOwnerReferences() {
		if operator := operatorOwners[schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind().String()]; operator != "" {
			return operator
		}
	}
	for _, m := range operatorMarks {
		if u.GetLabels()[m.mark] != "" || u.GetAnnotations()[m.mark] != "" {
			return m.operator
		}
	}
	return ""
}

// secretSources are the ExternalSecrets of a namespace by the name of the Secret
// that each makes.
type secretSources map[string]secretSource

type secretSource struct {
	name string
	kind schema.GroupVersionKind
}

// see notes an ExternalSecret that makes its Secret all by itself. One that only
// adds to a Secret of somebody else needs that to be there.
func (s secretSources) see(u *unstructured.Unstructured) {
	if u.GroupVersionKind().GroupKind() != externalSecret {
		return
	}
	target, _, _ := unstructured.NestedString(u.Object, "spec", "target", "name")
	policy, _, _ := unstructured.NestedString(u.Object, "spec", "target", "creationPolicy")
	if policy == "" || policy == "Owner" || policy == "Orphan" {
		s[cmp.Or(target, u.GetName())] = secretSource{u.GetName(), u.GroupVersionKind()}
	}
}

// leaveToOperator takes from what is to be restored the Secrets that an operator
// at the target makes by itself, unless they are asked for by kind: a restore is
// not to fight it. The operator is taken to be there where its kind is served
// already.
func (r *planner) leaveToOperator(ctx context.Context, planned *plannedNamespace, held *inventory) error {
	for _, secret := range slices.Sorted(maps.Keys(held.sources)) {
		k, from := key{schema.GroupKind{Kind: "Secret"}, secret}, held.sources[secret]
		entry, wanted := held.objects[k]
		if !wanted || r.point.selection.asksFor(held.captured.Name, k) {
			continue
		}
		if served, err := r.catalog.serves(ctx, from.kind); !served || err != nil {
			return err
		}
		planned.left[k] = true
		delete(held.objects, k)
		held.bytes -= entry.size
		r.plan.Deviations = append(r.plan.Deviations, source.Deviation{
			Object: held.captured.Name + "/" + k.String(), What: "left out",
			Why: fmt.Sprintf("External Secrets makes it at the target, from ExternalSecret %[1]s; to restore it all the same, ask for its kind too: --include '%[2]s/*' --include '%[2]s/*/Secret'", from.name, r.point.from.Name()),
		})
	}
	return nil
}

// managed is a line of the point's sealed details about a Secret that an operator
// makes.
type managed struct {
	Code      string `json:"code"`
	Namespace string `json:"namespace"`
	Object    string `json:"object"`
	ManagedBy string `json:"managedBy"`
}

func managedDetail(namespace string, u *unstructured.Unstructured, operator string) managed {
	return managed{Code: "kubernetes.managed", Namespace: namespace, Object: keyOf(u).String(), ManagedBy: operator}
}
