//go:build cluster

package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// patience is how long something may take that must come, on a busy machine.
const patience = 3 * time.Minute

// interval is how long after no comes the next question.
const interval = 200 * time.Millisecond

// await asks again and again until the answer is yes. The answer to nothing yet says
// what was seen.
func await(t *testing.T, what string, ask func(ctx context.Context) (seen string, yes bool, err error)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), interval, patience, true, func(ctx context.Context) (bool, error) {
		seen, yes, err := ask(ctx)
		last = seen
		return yes, err
	})
	if err != nil {
		t.Fatalf("wait until %s: %v; last seen: %s", what, err, last)
	}
}

// task is a pod that does one thing and ends.
type task struct {
	namespace string
	account   string // service account
	image     string
	args      []string
	env       []corev1.EnvVar
	secrets   map[string]string // names of Secrets by where they are mounted
	journal   string            // directory on the node that is mounted at /journal
}

// pod is that of a task. It is as restricted as a pod can be, but where it reads the
// journal, which is root's and on the node.
func (k task) pod() *corev1.Pod {
	no, yes, user := false, true, int64(65532)
	container := corev1.Container{
		Name: "main", Image: k.image, Args: k.args, Env: k.env,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, RunAsNonRoot: &yes, RunAsUser: &user,
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	spec := corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: k.account}
	mount := func(name, path string, source corev1.VolumeSource) {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
	}
	mount("tmp", "/tmp", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	for path, name := range k.secrets {
		mount(name, path, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}})
	}
	if k.journal != "" {
		mount("journal", "/journal", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: k.journal}})
		container.SecurityContext = nil
	}
	spec.Containers = []corev1.Container{container}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "task-", Namespace: k.namespace, Labels: map[string]string{"app": "task"}}, Spec: spec}
}

// run runs a task and returns what it printed and how it ended.
func (c *cluster) run(t *testing.T, k task) (output string, exitCode int32) {
	t.Helper()
	pods := c.client.CoreV1().Pods(k.namespace)
	pod, err := pods.Create(t.Context(), k.pod(), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the pod "+pod.Name+" has ended", func(ctx context.Context) (string, bool, error) {
		now, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		seen, _ := json.Marshal(now.Status.ContainerStatuses)
		if len(now.Status.ContainerStatuses) == 1 && now.Status.ContainerStatuses[0].State.Terminated != nil {
			exitCode = now.Status.ContainerStatuses[0].State.Terminated.ExitCode
			return string(seen), true, nil
		}
		return string(seen), false, nil
	})
	text, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	return string(text), exitCode
}

// must is run for a task that has to end well.
func (c *cluster) must(t *testing.T, k task) string {
	t.Helper()
	output, code := c.run(t, k)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", strings.Join(k.args, " "), code, output)
	}
	return output
}

// follower keeps what a container logs.
type follower struct {
	mu    sync.Mutex
	lines []string
}

// follow reads the log of a pod from its beginning until the pod or the test ends.
func (c *cluster) follow(t *testing.T, namespace, pod string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stream, err := c.client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	f, done := &follower{}, make(chan struct{})
	go func() {
		defer close(done)
		f.read(stream)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		stream.Close()
	})
	return f
}

func (f *follower) read(stream io.Reader) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		f.mu.Lock()
		f.lines = append(f.lines, lines.Text())
		f.mu.Unlock()
	}
}

// after returns the index behind the first line, from an index on, that holds all
// texts; 0 where there is none.
func (f *follower) after(from int, texts ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
lines:
	for i := from; i < len(f.lines); i++ {
		for _, text := range texts {
			if !strings.Contains(f.lines[i], text) {
				continue lines
			}
		}
		return i + 1
	}
	return 0
}

// await waits for such a line.
func (f *follower) await(t *testing.T, from int, texts ...string) (next int) {
	t.Helper()
	await(t, "a log says "+strings.Join(texts, ", "), func(context.Context) (string, bool, error) {
		next = f.after(from, texts...)
		return f.String(), next > 0, nil
	})
	return next
}

// line is the one before an index.
func (f *follower) line(next int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines[next-1]
}

func (f *follower) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "\n" + strings.Join(f.lines[max(0, len(f.lines)-20):], "\n")
}

// count is how many lines there are now.
func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.lines)
}
