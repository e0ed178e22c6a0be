package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestRunbookOfALostCluster brings every kind of object back with stock tools alone:
// definitions before what they define, and the webhook that refuses it last.
func TestRunbookOfALostCluster(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	namespace := env.NewNamespace(t)
	z := newLostCluster(t, env, namespace)
	z.make(t)
	keys := newKeys(t)
	dir := t.TempDir()
	repository, config := filepath.Join(dir, "repository"), filepath.Join(dir, "config.yaml")
	writeFile(t, config, lostClusterConfig(repository, keys, env, namespace))
	run := func(args ...string) string { return runProcess(t, nil, args...) }
	run("init", "--config", config)
	run("backup", "--config", config)
	page := run("runbook", "latest", "--config", config)
	z.remove(t.Context(), t)

	h := newHands(t, env, page, repository, keys.dir, filepath.Dir(env.Kubeconfig))
	h.fillIn(t, map[string]string{"IDENTITY": filepath.Join(keys.dir, "operator.key")})
	h.ok(t, h.steps...)
	for _, u := range z.objects {
		if _, err := z.of(t, u).Get(t.Context(), u.GetName(), metav1.GetOptions{}); err != nil {
			t.Errorf("%s %s did not come back: %v", u.GetKind(), u.GetName(), err)
		}
	}
	h.stops(t, "holds what stands above", h.step(t, "the namespaces of source cluster can be restored"))
	h.ok(t, h.last)
}

// TestOverwritingWhatBelongsToNoNamespace keeps it in a rollback point before, as
// every other target.
func TestOverwritingWhatBelongsToNoNamespace(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	namespace := env.NewNamespace(t)
	z := newLostCluster(t, env, namespace)
	z.make(t)
	keys := newKeys(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, lostClusterConfig(filepath.Join(t.TempDir(), "repository"), keys, env, namespace))
	run := func(args ...string) string {
		return runProcess(t, nil, append(args, "--config", config, "--identity", filepath.Join(keys.dir, "operator.key"))...)
	}
	runProcess(t, nil, "init", "--config", config)
	runProcess(t, nil, "backup", "--config", config)
	class := z.objects[slices.IndexFunc(z.objects, func(u *unstructured.Unstructured) bool { return u.GetKind() == "IngressClass" })]
	label := func() string {
		live, err := z.of(t, class).Get(t.Context(), namespace, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return live.GetLabels()["by"]
	}
	_, err := z.of(t, class).Patch(t.Context(), namespace, apitypes.MergePatchType, []byte(`{"metadata":{"labels":{"by":"hand"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := run("restore", "--include", "cluster/_cluster", "--overwrite", "kubernetes/test/_cluster", "-o", "json")
	var result struct{ RollbackPoint string }
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.Decode(&result) == nil; { // the plan comes first
	}
	if got := label(); got != "" || result.RollbackPoint == "" {
		t.Fatalf("the label is %q, the rollback point %q:\n%s", got, result.RollbackPoint, out)
	}
	run("restore", result.RollbackPoint, "--include", "cluster/_cluster/IngressClass/"+namespace, "--overwrite", "kubernetes/test/_cluster")
	if got := label(); got != "hand" {
		t.Errorf("after the rollback the label is %q", got)
	}
}

func lostClusterConfig(repository string, keys someKeys, env *testbed.Env, namespace string) string {
	return fmt.Sprintf(`instance: test
repository: {url: "%s", recipients: [%s], catalogIdentity: "file:%s/catalog.key", signingKey: "file:%[3]s/signing.key", trustedSigners: [{key: %s, roles: [writer, operator]}]}
sources:
  - {name: cluster, kind: kubernetes, kubeconfig: "%[5]s", cluster: test, namespaces: [%[6]s], kinds: ["*"], names: ["*%[6]s*"]}
`, repository, keys.operator, keys.dir, keys.signing, env.Kubeconfig, namespace)
}

// lostCluster is a zoo of objects of every kind.
type lostCluster struct {
	client  dynamic.Interface
	kinds   *restmapper.DeferredDiscoveryRESTMapper
	objects []*unstructured.Unstructured
}

func newLostCluster(t *testing.T, env *testbed.Env, namespace string) *lostCluster {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	z := &lostCluster{client: dynamic.NewForConfigOrDie(config)}
	z.kinds = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config)))
	text, err := os.ReadFile("../../internal/kube/testdata/kinds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	named := strings.NewReplacer("NAMESPACE", namespace, "NAME", namespace, "GROUP", namespace+".example.com").Replace(string(text))
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(named), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if u.GetKind() != "Endpoints" { // the server warns that they are old
			z.objects = append(z.objects, u)
		}
	}
	t.Cleanup(func() { z.remove(context.WithoutCancel(t.Context()), t) })
	return z
}

func (z *lostCluster) of(t *testing.T, u *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	gvk := u.GroupVersionKind()
	mapping, err := z.kinds.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if u.GetNamespace() == "" {
		return z.client.Resource(mapping.Resource)
	}
	return z.client.Resource(mapping.Resource).Namespace(u.GetNamespace())
}

// definedPatience is how long the server may take to serve what was defined.
const definedPatience = time.Minute

func (z *lostCluster) make(t *testing.T) {
	t.Helper()
	for _, u := range z.objects {
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, definedPatience, true, func(ctx context.Context) (bool, error) {
			at := z.of(t, u)
			if at == nil {
				z.kinds.Reset()
				return false, nil
			}
			_, err := at.Create(ctx, u, metav1.CreateOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatalf("make %s: %v", u.GetKind(), err)
		}
	}
}

// remove deletes everything, without finalizers, for which there is no controller.
func (z *lostCluster) remove(ctx context.Context, t *testing.T) {
	t.Helper()
	backwards := slices.Clone(z.objects)
	slices.Reverse(backwards)
	for _, u := range backwards {
		at := z.of(t, u)
		if at == nil {
			continue
		}
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, definedPatience, true, func(ctx context.Context) (bool, error) {
			err := at.Delete(ctx, u.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
			if err == nil && u.GetKind() != "CustomResourceDefinition" {
				_, err = at.Patch(ctx, u.GetName(), apitypes.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			}
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			t.Errorf("remove %s: %v", u.GetKind(), err)
		}
	}
}
