package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

func TestOperatorsAreKnownByTheirSecrets(t *testing.T) {
	tests := map[string]struct{ object, want string }{
		"written by somebody":        {`{apiVersion: v1, kind: Secret, metadata: {name: a}}`, ""},
		"owned by an ExternalSecret": {`{apiVersion: v1, kind: Secret, metadata: {name: a, ownerReferences: [{apiVersion: external-secrets.io/v1beta1, kind: ExternalSecret, name: b, uid: u}]}}`, "External Secrets"},
		"marked as managed":          {`{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {reconcile.external-secrets.io/managed: "true"}}}`, "External Secrets"},
		"unsealed":                   {`{apiVersion: v1, kind: Secret, metadata: {name: a, ownerReferences: [{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, name: b, uid: u}]}}`, "Sealed Secrets"},
		"a certificate":              {`{apiVersion: v1, kind: Secret, metadata: {name: a, annotations: {cert-manager.io/certificate-name: b}}}`, "cert-manager"},
		"owned by something else":    {`{apiVersion: v1, kind: Secret, metadata: {name: a, ownerReferences: [{apiVersion: example.com/v1, kind: ExternalSecret, name: b, uid: u}]}}`, ""},
		"no Secret":                  {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {reconcile.external-secrets.io/managed: "true"}}}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := operatorOf(parsed(t, tt.object)); got != tt.want {
				t.Errorf("operator %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSecretsOfWhichExternalSecretsAreTheSource(t *testing.T) {
	sources := secretSources{}
	for _, text := range []string{
		`{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: by-its-name}}`,
		`{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: a}, spec: {target: {name: by-target}}}`,
		`{apiVersion: external-secrets.io/v1beta1, kind: ExternalSecret, metadata: {name: b}, spec: {target: {name: left-behind, creationPolicy: Orphan}}}`,
		`{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: c}, spec: {target: {name: of-somebody, creationPolicy: Merge}}}`,
		`{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: store}}`,
		`{apiVersion: example.com/v1, kind: ExternalSecret, metadata: {name: other}}`,
	} {
		sources.see(parsed(t, text))
	}
	got := map[string]string{}
	for secret, from := range sources {
		got[secret] = from.name
	}
	if diff := cmp.Diff(map[string]string{"by-its-name": "by-its-name", "by-target": "a", "left-behind": "b"}, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// With the operator's kind at the target a Secret is left to it, unless somebody
// asks for Secrets; without it, the Secret comes back like any other.
func TestSecretsAreLeftToTheirOperator(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	definition := z.only(t, "CustomResourceDefinition")
	definition.SetName("externalsecrets.external-secrets.io")
	spec := definition.Object["spec"].(map[string]any)
	spec["group"], spec["scope"] = "external-secrets.io", "Namespaced"
	spec["names"] = map[string]any{"kind": "ExternalSecret", "plural": "externalsecrets", "singular": "externalsecret", "listKind": "ExternalSecretList"}
	z.objects = []*unstructured.Unstructured{definition, parsed(t, `{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: mysql, namespace: `+z.namespace+`}, spec: {}}`)}
	z.make(t)
	made := meta("mysql")
	made.Labels = map[string]string{"reconcile.external-secrets.io/managed": "true"}
	z.create(t, z.namespace, []corev1.Secret{{ObjectMeta: made, Data: map[string][]byte{"a": []byte(marker)}}, {ObjectMeta: meta("by-hand")}}, nil)
	c := z.source(t, func(s *Settings) {
		s.Kinds, s.Names = []string{"secrets", "*.external-secrets.io", "customresourcedefinitions.apiextensions.k8s.io"}, []string{"mysql", "by-hand", definition.GetName()}
	})
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	if got := capturedOf(t, from).Namespaces[0].Managed; got != 1 {
		t.Errorf("%d Secrets are said to be made by an operator, want 1", got)
	}
	secrets := func(namespace string) string {
		list, err := z.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range list.Items {
			names = append(names, s.Name)
		}
		return strings.Join(names, " ")
	}
	left := []source.Deviation{{Object: z.namespace + "/Secret/mysql", What: "left out", Why: "External Secrets makes it at the target, from ExternalSecret mysql; to restore it all the same, ask for its kind too: --include 'cluster/*' --include 'cluster/*/Secret'"}}
	t.Run("with the operator", func(t *testing.T) {
		renamed := z.freeName(t)
		plan, compared := bringBack(t, c, from, source.Selection{Include: []string{z.namespace}, Rename: map[string]string{z.namespace: renamed}})
		requireEqual(t, compared)
		if got := secrets(renamed); got != "by-hand" {
			t.Errorf("Secrets %q came back", got)
		}
		if diff := cmp.Diff([][]source.Deviation{left, left}, [][]source.Deviation{plan.Deviations, compared.Deviations}); diff != "" {
			t.Errorf("deviations of plan and comparison (-want +got):\n%s", diff)
		}
	})
	t.Run("asked for", func(t *testing.T) {
		renamed := z.freeName(t)
		_, compared := bringBack(t, c, from, source.Selection{Include: []string{z.namespace, "*/Secret"}, Rename: map[string]string{z.namespace: renamed}})
		requireEqual(t, compared)
		if got := secrets(renamed); got != "by-hand mysql" {
			t.Errorf("Secrets %q came back", got)
		}
	})
	t.Run("in a cluster without the operator", func(t *testing.T) {
		z.remove(t.Context(), t)
		renamed := z.freeName(t)
		plan, compared := bringBack(t, c, from, source.Selection{Rename: map[string]string{z.namespace: renamed}})
		requireEqual(t, compared)
		if got := secrets(renamed); got != "by-hand mysql" || len(plan.Deviations) > 0 {
			t.Errorf("Secrets %q came back, deviations %v", got, plan.Deviations)
		}
	})
}
