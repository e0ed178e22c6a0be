package helm

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestEveryCombination: each is what Helm's linter takes, what openim-dr takes for its
// configuration, and what an API server takes that validates strictly and enforces the
// restricted level of Pod Security.
func TestEveryCombination(t *testing.T) {
	env := testbed.Need(t)
	for name, path := range combinations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env.RunHelm(t, append([]string{"lint", chart, "--strict"}, values(path)...)...)
			all := render(t, env, path)
			for _, c := range all.ofKind("ConfigMap") {
				if _, has, _ := unstructured.NestedString(c.Object, "data", "openim-dr.yaml"); has {
					ask(t, env, "config", "check", "--config", all.configuration(t, c.GetName()))
				}
			}
			newServer(t, env).accept(t, all)
		})
	}
}

// server is an API server that is asked in dry runs.
type server struct {
	client dynamic.Interface
	env    *testbed.Env
	// namespaces of the testbed that stand for those of the chart.
	namespaces map[string]string
}

func newServer(t *testing.T, env *testbed.Env) *server {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &server{client, env, map[string]string{}}
}

// namespace returns a namespace that enforces the restricted level.
func (s *server) namespace(t *testing.T, wanted string) string {
	t.Helper()
	if made, ok := s.namespaces[wanted]; ok {
		return made
	}
	made := s.env.NewNamespace(t)
	client := s.env.Kubernetes(t).CoreV1()
	namespace, err := client.Namespaces().Get(t.Context(), made, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespace.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	if _, err := client.Namespaces().Update(t.Context(), namespace, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.namespaces[wanted] = made
	return made
}

// ofOperators are kinds that come with an operator, which the server has not. That they
// are of their types a test beside the alerts shows.
func ofOperators(kind string) bool {
	return kind == "ServiceMonitor" || kind == "PodMonitor" || kind == "PrometheusRule"
}

// accept offers every object to the server, and the pods that workloads are going to
// have: what Pod Security forbids it says of pods alone.
func (s *server) accept(t *testing.T, all rendered) {
	t.Helper()
	for _, u := range all.ofKind("ServiceAccount") {
		s.create(t, u.DeepCopy(), metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}) // pods are offered of it
	}
	for _, u := range all {
		switch kind := u.GetKind(); {
		case kind == "ServiceAccount":
			continue
		case ofOperators(kind):
			continue
		case kind == "Deployment":
			s.offerPod(t, u, as[appsv1.Deployment](t, u).Spec.Template)
		case kind == "CronJob":
			s.offerPod(t, u, as[batchv1.CronJob](t, u).Spec.JobTemplate.Spec.Template)
		}
		s.offer(t, u.DeepCopy())
	}
}

func (s *server) offerPod(t *testing.T, owner *unstructured.Unstructured, template corev1.PodTemplateSpec) {
	t.Helper()
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.Name = owner.GetNamespace(), owner.GetName()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		t.Fatal(err)
	}
	s.offer(t, &unstructured.Unstructured{Object: object})
}

// offer asks the server to create an object in a dry run.
func (s *server) offer(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	s.create(t, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
}

func (s *server) create(t *testing.T, u *unstructured.Unstructured, options metav1.CreateOptions) {
	t.Helper()
	resource, _ := meta.UnsafeGuessKindToResource(u.GroupVersionKind())
	var client dynamic.ResourceInterface = s.client.Resource(resource)
	switch kind := u.GetKind(); {
	case kind == "Namespace":
		u.SetName(s.env.NewNamespace(t) + "-drill")
	case !strings.HasPrefix(kind, "Cluster"):
		namespace := u.GetNamespace()
		if namespace == "" {
			namespace = inNamespace
		}
		u.SetNamespace(s.namespace(t, namespace))
		client = s.client.Resource(resource).Namespace(u.GetNamespace())
	}
	if _, err := client.Create(t.Context(), u, options); err != nil {
		t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
	}
}

// TestTheServerRefuses what is wrong, or it would have shown nothing.
func TestTheServerRefuses(t *testing.T) {
	env := testbed.Need(t)
	s := newServer(t, env)
	namespace := s.namespace(t, inNamespace)
	pod := podOf(t, render(t, env, "testdata/1-as-documented.yaml"), "Deployment", "openim-dr")
	pod.ServiceAccountName = ""
	pod.AutomountServiceAccountToken = new(bool)
	root := int64(0)
	pod.Containers[0].SecurityContext.RunAsUser = &root
	_, err := env.Kubernetes(t).CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: pod}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil || !strings.Contains(err.Error(), "runAsUser=0") {
		t.Errorf("of a pod that runs as root it says: %v", err)
	}
}
