package kube

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// fleet is a small OpenIM in a namespace of its own.
type fleet struct {
	cluster
	*testbed.Workloads
	namespace string
}

// replicasOfFleet are what it has, by kind and name.
var replicasOfFleet = map[string]int32{
	"StatefulSet/openim-msggateway": 2,
	"Deployment/openim-api":         3,
	"Deployment/openim-msgtransfer": 1,
	"Deployment/openim-push":        0, // somebody has stopped it for good
	"Deployment/openim-rpc-user":    2,
	"StatefulSet/dragonfly":         1, // is not to be stopped
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	c := newCluster(t)
	namespace := c.namespace(t, nil)
	f := &fleet{c, c.env.NewWorkloads(t, namespace), namespace}
	for name, replicas := range replicasOfFleet {
		kind, name, _ := strings.Cut(name, "/")
		if kind == "StatefulSet" {
			f.StatefulSet(t, name, replicas)
		} else {
			f.Deployment(t, name, replicas)
		}
	}
	f.requirePods(t)
	return f
}

var stagesOfFleet = []Stage{
	{Name: "entry", Workloads: []string{"openim-msggateway", "openim-api"}},
	{Name: "transfer", Workloads: []string{"openim-msgtransfer", "openim-push"}},
	{Name: "rpc", Workloads: []string{"openim-rpc-*"}},
}

// quiescer returns one as a process of its own would make it.
func (f *fleet) quiescer(t *testing.T, change func(*Quiescer)) *Quiescer {
	t.Helper()
	q, err := NewQuiescer(f.source(t, nil, f.namespace), stagesOfFleet, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	q.interval = 20 * time.Millisecond
	if change != nil {
		change(q)
	}
	return q
}

// state is how many replicas each workload is meant to have, and what it says
// about being stopped.
func (f *fleet) state(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(kind string, meta metav1.ObjectMeta, replicas *int32) {
		text := fmt.Sprint(*replicas)
		if a := meta.Annotations; a[replicasAnnotation]+a[restoreAnnotation]+a[stageAnnotation] != "" {
			text += fmt.Sprintf(", was %s, by %s in stage %s", a[replicasAnnotation], a[restoreAnnotation], a[stageAnnotation])
		}
		found[kind+"/"+meta.Name] = text
	}
	deployments, err := f.AppsV1().Deployments(f.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deployments.Items {
		add("Deployment", d.ObjectMeta, d.Spec.Replicas)
	}
	sets, err := f.AppsV1().StatefulSets(f.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets.Items {
		add("StatefulSet", s.ObjectMeta, s.Spec.Replicas)
	}
	return found
}

// running is the state of a fleet that nobody has stopped.
func running() map[string]string {
	want := map[string]string{}
	for name, replicas := range replicasOfFleet {
		want[name] = fmt.Sprint(replicas)
	}
	return want
}

// stopped is the state of a fleet that a restore has stopped.
func stopped(restore string) map[string]string {
	want := running()
	for name, stage := range map[string]int{
		"StatefulSet/openim-msggateway": 0, "Deployment/openim-api": 0, "Deployment/openim-msgtransfer": 1, "Deployment/openim-rpc-user": 2,
	} {
		want[name] = fmt.Sprintf("0, was %s, by %s in stage %d", want[name], restore, stage)
	}
	return want
}

func (f *fleet) requireState(t *testing.T, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, f.state(t)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// requirePods wants the pods of the workloads to have come to be what the
// replicas say.
func (f *fleet) requirePods(t *testing.T) {
	t.Helper()
	for name, text := range f.state(t) {
		want := 0
		if _, err := fmt.Sscan(text, &want); err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(name, "/")
		f.AwaitPods(t, name, want)
	}
}

// scale does what an operator does with kubectl.
func (f *fleet) scale(t *testing.T, deployment string, replicas int) {
	t.Helper()
	f.patchDeployment(t, deployment, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
}

func (f *fleet) patchDeployment(t *testing.T, deployment, patch string) {
	t.Helper()
	f.must(t)(f.AppsV1().Deployments(f.namespace).Patch(t.Context(), deployment, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))
}

// notes gathers what is said, without the namespace.
type notes struct {
	namespace string
	steps     []string
}

func (f *fleet) notes() *notes { return &notes{namespace: f.namespace} }

func (n *notes) take(step string) error {
	n.steps = append(n.steps, strings.ReplaceAll(step, n.namespace+"/", ""))
	return nil
}

func ignore(string) error { return nil }

// through returns a kubeconfig that reaches the API server at another address.
func (c cluster) through(t *testing.T, address string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(c.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range config.Clusters {
		info.Server = "https://" + address
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// apiServer is the API server's address.
func (c cluster) apiServer(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(config.Host, "https://")
}

// mustStop and mustRelease are for tests of something else.
func mustStop(ctx context.Context, t *testing.T, q *Quiescer, restore string) {
	t.Helper()
	if err := q.Stop(ctx, restore, ignore); err != nil {
		t.Fatal(err)
	}
}

func mustRelease(ctx context.Context, t *testing.T, q *Quiescer, restore string) {
	t.Helper()
	if err := q.Release(ctx, restore, ignore); err != nil {
		t.Fatal(err)
	}
}
