package kube

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// bringBack plans, restores and compares.
func bringBack(t *testing.T, c *Cluster, from *repository.SourceReader, want source.Selection) (*source.Plan, *source.Comparison) {
	t.Helper()
	plan, err := c.Plan(t.Context(), from, want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	compared, err := c.Compare(t.Context(), from, plan, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return plan, compared
}

func requireEqual(t *testing.T, compared *source.Comparison) {
	t.Helper()
	if !compared.Equal() {
		t.Errorf("restored objects differ: %+v", compared.Differences)
	}
}

// Invariant 3, with the typed client as the witness.
func TestZooSurvivesCaptureWipeAndRestore(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), seconds(zoo()))
	before := cluster.look(t, namespace)
	cluster.create(t, namespace, firsts(leftOut()), seconds(leftOut()))

	fixture := repotest.New(t)
	c := cluster.source(t, nil, namespace)
	from := fixture.Capture(t, "cluster", Kind, c)
	if got := from.Summary().Documents; got != int64(len(before)) {
		t.Errorf("captured %d documents, want %d", got, len(before))
	}
	repotest.RequireSealed(t, fixture.Dir(), []string{marker, "sh.helm.release", "last-applied"}) // invariant 4

	unlock(t, cluster, namespace)
	cluster.wipe(t.Context(), t, namespace)
	plan, compared := bringBack(t, c, from, source.Selection{})
	if len(plan.Occupied) != 0 {
		t.Errorf("an empty namespace is occupied: %+v", plan.Occupied)
	}
	requireEqual(t, compared)
	if diff := cmp.Diff(before, cluster.look(t, namespace)); diff != "" {
		t.Errorf("objects differ (-before +after):\n%s", diff)
	}
	unlock(t, cluster, namespace)
}

// unlock removes the finalizers of the zoo, which no controller does here.
func unlock(t *testing.T, cluster cluster, namespace string) {
	t.Helper()
	owned, err := cluster.CoreV1().ConfigMaps(namespace).Get(t.Context(), "owned", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned.Finalizers = nil
	cluster.must(t)(cluster.CoreV1().ConfigMaps(namespace).Update(t.Context(), owned, metav1.UpdateOptions{}))
}

func firsts[A, B any](a A, _ B) A  { return a }
func seconds[A, B any](_ A, b B) B { return b }

func TestRestoreUnderAnotherNameMakesTheNamespace(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	renamed := cluster.freeName(t)

	c := cluster.source(t, nil, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	plan, compared := bringBack(t, c, from, source.Selection{Rename: map[string]string{namespace: renamed}})
	requireEqual(t, compared)
	if diff := cmp.Diff(cluster.look(t, namespace), cluster.look(t, renamed)); diff != "" {
		t.Errorf("objects differ (-old +new):\n%s", diff)
	}
	made, err := cluster.CoreV1().Namespaces().Get(t.Context(), renamed, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantLabels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "kubernetes.io/metadata.name": renamed}
	if diff := cmp.Diff(wantLabels, made.Labels); diff != "" {
		t.Errorf("labels of the namespace (-want +got):\n%s", diff)
	}
	target := "kubernetes/testbed/" + renamed
	want := []source.Step{{Action: "create namespace", Target: target}, {Action: "apply", Target: target, Objects: 12, Bytes: plan.Steps[1].Bytes}}
	if diff := cmp.Diff(want, plan.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// plaintext reads a namespace's file.
func plaintext(t *testing.T, from *repository.SourceReader, namespace string) []byte {
	t.Helper()
	file, err := from.Open(t.Context(), fileName(namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What kubectl does with a file: split it, read each document as YAML, create it
// under the resource of its kind. The server is asked to take it, without doing
// so. (kubectl apply --server-side is another matter: there the server itself
// reads YAML, and refuses control characters.)
func TestFilesAreWhatKubectlApplies(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), seconds(zoo()))
	data := plaintext(t, repotest.New(t).Capture(t, "cluster", Kind, cluster.source(t, nil, namespace)), namespace)
	before := cluster.look(t, namespace)
	unlock(t, cluster, namespace)
	cluster.wipe(t.Context(), t, namespace)

	config, err := clientcmd.BuildConfigFromFlags("", cluster.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		resource := client.Resource(u.GroupVersionKind().GroupVersion().WithResource(strings.ToLower(u.GetKind()) + "s")).Namespace(u.GetNamespace())
		_, err := resource.Create(t.Context(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		if err != nil && !(u.GetKind() == "Namespace" && apierrors.IsAlreadyExists(err)) {
			t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
		}
		applied++
	}
	if applied != len(before)+1 {
		t.Errorf("%d documents, want the namespace and %d objects", applied, len(before))
	}
}

func TestTwoCapturesOfAnUnchangedNamespaceAreEqual(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, firsts(zoo()), seconds(zoo()))
	c, fixture := cluster.source(t, nil, namespace), repotest.New(t)
	first := fixture.Capture(t, "cluster", Kind, c)
	second := fixture.Capture(t, "cluster", Kind, c)
	if !bytes.Equal(plaintext(t, first, namespace), plaintext(t, second, namespace)) {
		t.Error("the files differ")
	}
	var one, two Captured
	if err := errors.Join(first.Captured(&one), second.Captured(&two)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.Namespaces, two.Namespaces, cmp.Comparer(sameDigest)); diff != "" {
		t.Errorf("records differ (-first +second):\n%s", diff)
	}
	unlock(t, cluster, namespace)
}

func sameDigest(a, b seal.Digest) bool { return a == b }
