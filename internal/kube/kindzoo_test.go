package kube

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

//go:embed testdata/kinds.yaml
var kindsZoo string

// kindZoo is one object of every kind, and the means to make, see and remove them
// that are none of those under test.
type kindZoo struct {
	cluster
	client          dynamic.Interface
	name, namespace string
	objects         []*unstructured.Unstructured // as they are written
}

// newKindZoo reads the zoo, with names of the test's own, and makes nothing yet.
func newKindZoo(t *testing.T) *kindZoo {
	t.Helper()
	c := newCluster(t)
	config, err := clientcmd.BuildConfigFromFlags("", c.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := c.freeName(t)
	z := &kindZoo{cluster: c, client: client, name: namespace, namespace: namespace}
	text := strings.NewReplacer("NAMESPACE", z.namespace, "NAME", z.name, "GROUP", z.group()).Replace(kindsZoo)
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		z.objects = append(z.objects, u)
	}
	t.Cleanup(func() { z.remove(context.WithoutCancel(t.Context()), t) })
	return z
}

func (z *kindZoo) group() string { return z.name + ".example.com" }

// plurals of the zoo that are not their kind in lower case with an s.
var plurals = map[string]string{
	"Endpoints": "endpoints", "Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses", "PriorityClass": "priorityclasses",
	"RuntimeClass": "runtimeclasses", "IngressClass": "ingressclasses", "DeviceClass": "deviceclasses", "VolumeAttributesClass": "volumeattributesclasses",
	"ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}

func (z *kindZoo) of(u *unstructured.Unstructured) dynamic.ResourceInterface {
	plural := plurals[u.GetKind()]
	if plural == "" {
		plural = strings.ToLower(u.GetKind()) + "s"
	}
	resource := z.client.Resource(u.GroupVersionKind().GroupVersion().WithResource(plural))
	if u.GetNamespace() == "" {
		return resource
	}
	return resource.Namespace(u.GetNamespace())
}

// zooPatience is how long a server may take, on a busy machine.
const zooPatience = time.Minute

// make creates every object, and each as soon as the server serves its kind.
func (z *kindZoo) make(t *testing.T) {
	t.Helper()
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": z.namespace}}}
	for _, u := range append([]*unstructured.Unstructured{namespace}, z.objects...) {
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, zooPatience, true, func(ctx context.Context) (bool, error) {
			_, err := z.of(u).Create(ctx, u, metav1.CreateOptions{FieldManager: "zoo"})
			if apierrors.IsNotFound(err) { // not served yet
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatalf("make %s %s: %v", u.GetKind(), u.GetName(), err)
		}
	}
}

// remove deletes every object, and does what controllers would that are not there.
func (z *kindZoo) remove(ctx context.Context, t *testing.T) {
	t.Helper()
	backwards := slices.Clone(z.objects)
	slices.Reverse(backwards) // guards first, definitions last
	for _, u := range backwards {
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, zooPatience, true, func(ctx context.Context) (bool, error) {
			err := z.of(u).Delete(ctx, u.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			if u.GetKind() != "CustomResourceDefinition" && err == nil {
				_, err = z.of(u).Patch(ctx, u.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			}
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			t.Errorf("remove %s %s: %v", u.GetKind(), u.GetName(), err)
		}
	}
}

// serverSet are fields that differ between an object and the one that takes its
// place, by kind; those of "" are of any.
var serverSet = map[string][][]string{
	"":                 {{"status"}, {"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "generation"}, {"metadata", "managedFields"}},
	"Job":              {{"spec", "selector"}, {"spec", "template", "metadata", "labels", "controller-uid"}, {"spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid"}, {"metadata", "labels", "controller-uid"}, {"metadata", "labels", "batch.kubernetes.io/controller-uid"}},
	"PersistentVolume": {{"spec", "claimRef", "uid"}, {"spec", "claimRef", "resourceVersion"}},
	"ClusterRole":      {{"rules"}}, // of one that aggregates
	"DaemonSet":        {{"metadata", "annotations", "deprecated.daemonset.template.generation"}},
}

// look reads every object that is there, without what the server sets.
func (z *kindZoo) look(t *testing.T) map[string]any {
	t.Helper()
	seen := map[string]any{}
	for _, u := range z.objects {
		live, err := z.of(u).Get(t.Context(), u.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range append(serverSet[""], serverSet[u.GetKind()]...) {
			if _, aggregates := live.Object["aggregationRule"]; u.GetKind() != "ClusterRole" || aggregates || path[0] != "rules" {
				unstructured.RemoveNestedField(live.Object, path...)
			}
		}
		if u.GetKind() == "Service" {
			forgetAddresses(live)
		}
		seen[u.GetKind()+"/"+u.GetName()] = live.Object
	}
	return seen
}

// forgetAddresses replaces what a Service was given by the fact that it was.
func forgetAddresses(u *unstructured.Unstructured) {
	spec := u.Object["spec"].(map[string]any)
	if spec["clusterIP"] != nil && spec["clusterIP"] != "None" {
		spec["clusterIP"], spec["clusterIPs"] = "given", "given"
	}
	if spec["healthCheckNodePort"] != nil {
		spec["healthCheckNodePort"] = "given"
	}
	ports, _ := spec["ports"].([]any)
	for _, p := range ports {
		if port := p.(map[string]any); port["nodePort"] != nil && port["nodePort"] != askedPort {
			port["nodePort"] = "given"
		}
	}
}

// askedPort is a node port that a test has asked for; others are given.
const askedPort = int64(30123)

// source chooses what the zoo holds, by a pattern of kinds: beside it other tests
// make objects of the cluster.
func (z *kindZoo) source(t *testing.T, change func(*Settings)) *Cluster {
	t.Helper()
	return z.cluster.source(t, func(s *Settings) {
		s.Kinds, s.Names = []string{"*"}, []string{"*" + z.name + "*"}
		if change != nil {
			change(s)
		}
	}, z.namespace)
}

// only leaves one object in the zoo.
func (z *kindZoo) only(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	z.objects = slices.DeleteFunc(z.objects, func(u *unstructured.Unstructured) bool { return u.GetKind() != kind })
	if len(z.objects) == 0 {
		t.Fatalf("the zoo has no %s", kind)
	}
	return z.objects[0]
}

// keep leaves objects of some kinds in the zoo.
func (z *kindZoo) keep(kinds ...string) {
	z.objects = slices.DeleteFunc(z.objects, func(u *unstructured.Unstructured) bool { return !slices.Contains(kinds, u.GetKind()) })
}
