package kube

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

func TestWorkloadsAreStoppedInStagesAndBroughtBackInTheOppositeOrder(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	said := f.notes()
	if err := f.quiescer(t, nil).Stop(t.Context(), "r1", said.take); err != nil {
		t.Fatal(err)
	}
	f.requireState(t, stopped("r1"))
	for _, name := range []string{"openim-api", "openim-msggateway", "openim-msgtransfer", "openim-rpc-user"} {
		if pods := f.Pods(t, name); len(pods) != 0 {
			t.Errorf("%s is said to be stopped, and has %d pods", name, len(pods))
		}
	}
	want := []string{
		"scale Deployment openim-api from 3 to 0; it will come back with 3 replicas",
		"scale StatefulSet openim-msggateway from 2 to 0; it will come back with 2 replicas",
		"scale Deployment openim-msgtransfer from 1 to 0; it will come back with 1 replica",
		"scale Deployment openim-rpc-user from 2 to 0; it will come back with 2 replicas",
	}
	if diff := cmp.Diff(want, said.steps); diff != "" {
		t.Errorf("steps of the stop (-want +got):\n%s", diff)
	}

	said = f.notes()
	if err := f.quiescer(t, nil).Release(t.Context(), "r1", said.take); err != nil {
		t.Fatal(err)
	}
	f.requireState(t, running())
	f.requirePods(t)
	want = []string{"scale Deployment openim-rpc-user to 2", "scale Deployment openim-msgtransfer to 1", "scale Deployment openim-api to 3", "scale StatefulSet openim-msggateway to 2"}
	if diff := cmp.Diff(want, said.steps); diff != "" {
		t.Errorf("steps of the release (-want +got):\n%s", diff)
	}
}

// The pods of a stage are gone before the next one is touched. Here they are on
// nodes, so that they take as long as the test wants.
func TestTheNextStageWaitsForThePodsOfTheOneBefore(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Bind(t, "openim-api", "node-1")
	done := make(chan error, 1)
	go func() { done <- f.quiescer(t, nil).Stop(t.Context(), "r1", ignore) }()
	f.AwaitDeleted(t, "openim-api", 3)
	f.AwaitPods(t, "openim-msggateway", 0)
	for _, untouched := range []string{"Deployment/openim-msgtransfer", "Deployment/openim-rpc-user"} {
		if got, want := f.state(t)[untouched], running()[untouched]; got != want {
			t.Errorf("%s is %s, want %s as long as pods of the first stage are there", untouched, got, want)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("it has not waited for the pods: %v", err)
	default:
	}
	if ended := f.EndDeleted(t, "openim-api"); ended != 3 {
		t.Errorf("%d pods were to be ended, want 3", ended)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.requireState(t, stopped("r1"))
}

func TestPodsThatDoNotGoAreNamedWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Bind(t, "openim-msggateway", "node-7")
	impatient := func(q *Quiescer) { q.patience = 1500 * time.Millisecond }
	err := f.quiescer(t, impatient).Stop(t.Context(), "r1", ignore)
	e, ok := fault.Outermost(err)
	if !ok || e.Kind != fault.Failed {
		t.Fatalf("error %v, want a failure", err)
	}
	for _, text := range []string{`stage "entry"`, "after 1.5s", "pod " + f.namespace + "/openim-msggateway-0 (to end by ", "on node node-7"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
	for _, text := range []string{"delete pod POD --force --grace-period=0", "resume the restore", "--release"} {
		if !strings.Contains(e.Try, text) {
			t.Errorf("the hint does not say %q: %s", text, e.Try)
		}
	}
	want := running()
	want["Deployment/openim-api"] = "0, was 3, by r1 in stage 0"
	want["StatefulSet/openim-msggateway"] = "0, was 2, by r1 in stage 0"
	f.requireState(t, want)

	f.EndDeleted(t, "openim-msggateway")
	mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
	f.requireState(t, stopped("r1"))
	mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
	f.requireState(t, running())
}

// A restore that is killed at any step is taken up by a process that knows
// nothing else, and no count is lost; so is a release.
func TestAStopAndAReleaseMayEndAtAnyStep(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	killed := errors.New("killed")
	// until lets so many steps be taken.
	until := func(steps int) Note {
		return func(string) error {
			if steps--; steps < 0 {
				return killed
			}
			return nil
		}
	}
	for steps := range 4 {
		t.Run(fmt.Sprintf("after %d steps", steps), func(t *testing.T) {
			if err := f.quiescer(t, nil).Stop(t.Context(), "r1", until(steps)); !errors.Is(err, killed) {
				t.Fatalf("error %v, want that of the note", err)
			}
			if f.state(t)["Deployment/openim-rpc-user"] != "2" {
				t.Error("the last stage is stopped already")
			}
			mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
			f.requireState(t, stopped("r1"))
			if err := f.quiescer(t, nil).Release(t.Context(), "r1", until(steps)); !errors.Is(err, killed) {
				t.Fatalf("error %v, want that of the note", err)
			}
			mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
			f.requireState(t, running())
			f.requirePods(t)
		})
	}
}

// The same with a network that breaks before the answer to a change is there:
// the server has done what nobody was told of.
func TestAnAnswerThatIsLostLosesNoCount(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	way := network.New(t, f.apiServer(t), "downstream", network.CutOne, math.MaxInt64)
	through := func(q *Quiescer) { q.cluster.settings.Kubeconfig = f.through(t, way.Address()) }
	// cutAt cuts the connection in the answer to a step: not at its first byte,
	// lest it be the end of the answer before.
	cutAt := func(step int) Note {
		return func(string) error {
			if step == 0 {
				way.Rearm(600)
			}
			step--
			return nil
		}
	}
	for step := range 4 {
		t.Run(fmt.Sprintf("to step %d", step), func(t *testing.T) {
			if err := f.quiescer(t, through).Stop(t.Context(), "r1", cutAt(step)); err == nil || fault.KindOf(err) != fault.Failed || !way.Struck() {
				t.Fatalf("error %v, want a failure", err)
			}
			mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
			f.requireState(t, stopped("r1"))
			if err := f.quiescer(t, through).Release(t.Context(), "r1", cutAt(step)); err == nil || fault.KindOf(err) != fault.Failed {
				t.Fatalf("error %v, want a failure", err)
			}
			mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
			f.requireState(t, running())
			f.requirePods(t)
		})
	}
}

func TestACountIsNeverOverwritten(t *testing.T) {
	tests := map[string]struct {
		again string // the restore that stops a second time
	}{
		"by the same restore": {"r1"},
		"by another one":      {"r2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
			f.scale(t, "openim-api", 1) // by somebody who wants to see something
			f.AwaitPods(t, "openim-api", 1)
			mustStop(t.Context(), t, f.quiescer(t, nil), tt.again)
			f.requireState(t, stopped(tt.again))
			mustRelease(t.Context(), t, f.quiescer(t, nil), tt.again)
			f.requireState(t, running())
		})
	}
}

func TestARestoreTakesOverFromOneThatWasAbandoned(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
	plan, err := f.quiescer(t, nil).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Stages[0].Workloads[0]; got.StoppedBy != "r1" || got.Replicas != 3 {
		t.Errorf("the plan says %+v, want 3 replicas, stopped by r1", got)
	}
	if len(plan.Warnings) != 4 || !strings.Contains(plan.Warnings[0], "has been stopped by restore r1, with 3 replicas: another restore takes it over") {
		t.Errorf("warnings %q, want one for each workload", plan.Warnings)
	}
	said := f.notes()
	if err := f.quiescer(t, nil).Stop(t.Context(), "r2", said.take); err != nil {
		t.Fatal(err)
	}
	if len(said.steps) != 4 || said.steps[0] != "take Deployment openim-api over from restore r1; it will come back with 3 replicas" {
		t.Errorf("steps %q", said.steps)
	}
	f.requireState(t, stopped("r2"))
	mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
	f.requireState(t, stopped("r2")) // r1 has no say any more
	mustRelease(t.Context(), t, f.quiescer(t, nil), "")
	f.requireState(t, running())
}

func TestWhatSomebodyHasScaledUpMeanwhileIsLeft(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	mustStop(t.Context(), t, f.quiescer(t, nil), "r1")
	f.scale(t, "openim-rpc-user", 5)
	said := f.notes()
	if err := f.quiescer(t, nil).Release(t.Context(), "r1", said.take); err != nil {
		t.Fatal(err)
	}
	if want := "leave Deployment openim-rpc-user at 5 replicas, as somebody has scaled it; it had 2"; said.steps[0] != want {
		t.Errorf("it says %q, want %q", said.steps[0], want)
	}
	want := running()
	want["Deployment/openim-rpc-user"] = "5"
	f.requireState(t, want)
}

// Whoever changes a workload at the same time is taken into account.
func TestAChangeByOthersAtTheSameMoment(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	meddle := func(change func()) (Note, *notes) {
		said, met := f.notes(), false
		return func(step string) error {
			if strings.Contains(step, "openim-api") && !met {
				met = true
				change()
			}
			return said.take(step)
		}, said
	}
	t.Run("of something else", func(t *testing.T) {
		note, said := meddle(func() { f.patchDeployment(t, "openim-api", `{"metadata":{"labels":{"seen":"yes"}}}`) })
		if err := f.quiescer(t, nil).Stop(t.Context(), "r1", note); err != nil {
			t.Fatal(err)
		}
		f.requireState(t, stopped("r1"))
		if len(said.steps) != 4 {
			t.Errorf("%d steps were told, want each of 4 once: %q", len(said.steps), said.steps)
		}
	})
	t.Run("of the replicas, while it is brought back", func(t *testing.T) {
		note, _ := meddle(func() { f.scale(t, "openim-api", 4) })
		if err := f.quiescer(t, nil).Release(t.Context(), "r1", note); err != nil {
			t.Fatal(err)
		}
		want := running()
		want["Deployment/openim-api"] = "4"
		f.requireState(t, want)
	})
	t.Run("of the replicas, while it is stopped", func(t *testing.T) {
		note, _ := meddle(func() { f.scale(t, "openim-api", 3) })
		if err := f.quiescer(t, nil).Stop(t.Context(), "r2", note); err != nil {
			t.Fatal(err)
		}
		f.requireState(t, stopped("r2"))
	})
	t.Run("which is its end", func(t *testing.T) {
		note, _ := meddle(func() {
			if err := f.AppsV1().Deployments(f.namespace).Delete(t.Context(), "openim-api", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		})
		if err := f.quiescer(t, nil).Release(t.Context(), "r2", note); err != nil {
			t.Fatal(err)
		}
		want := running()
		delete(want, "Deployment/openim-api")
		f.requireState(t, want)
	})
}

// As GitOps does it.
func TestOneWhoBringsAWorkloadBackIsNoticed(t *testing.T) {
	requireBroughtBack := func(t *testing.T, f *fleet, err error) {
		t.Helper()
		e, ok := fault.Outermost(err)
		if !ok || !errors.Is(err, errBroughtBack) || !strings.Contains(err.Error(), "Deployment "+f.namespace+"/openim-api") || !strings.Contains(e.Try, "Argo CD") {
			t.Errorf("error %v, want one that names the workload and what may do so", err)
		}
		f.EndDeleted(t, "openim-api")
		mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
	}
	t.Run("while its pods are waited for", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		f.Bind(t, "openim-api", "node-1")
		done := make(chan error, 1)
		go func() { done <- f.quiescer(t, nil).Stop(t.Context(), "r1", ignore) }()
		f.AwaitDeleted(t, "openim-api", 3)
		f.scale(t, "openim-api", 3)
		requireBroughtBack(t, f, <-done)
	})
	t.Run("while a later stage is stopped", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		err := f.quiescer(t, nil).Stop(t.Context(), "r1", func(step string) error {
			if strings.Contains(step, "openim-rpc-user") {
				f.scale(t, "openim-api", 3)
			}
			return nil
		})
		requireBroughtBack(t, f, err)
	})
}

// What has no controller and looks like a part of OpenIM may write as well. What
// has ended does not.
func TestPodsWithoutAController(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	pod := func(name, app string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}}}
		p.Labels = map[string]string{"app": app}
		made, err := f.CoreV1().Pods(f.namespace).Create(t.Context(), p, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	failed := pod("evicted", "openim-rpc-user")
	failed.Status.Phase = corev1.PodFailed
	f.must(t)(f.CoreV1().Pods(f.namespace).UpdateStatus(t.Context(), failed, metav1.UpdateOptions{}))
	pod("stray", "openim-msgtransfer")
	err := f.quiescer(t, func(q *Quiescer) { q.patience, q.stages = 1500*time.Millisecond, q.stages[1:] }).Stop(t.Context(), "r1", ignore)
	if err == nil || !strings.Contains(err.Error(), "pod "+f.namespace+"/stray (without a controller)") {
		t.Fatalf("error %v, want one that names the pod", err)
	}
	if err := f.CoreV1().Pods(f.namespace).Delete(t.Context(), "stray", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	mustStop(t.Context(), t, f.quiescer(t, nil), "r2")
	f.requireState(t, stopped("r2"))
}

func TestAWaitThatIsCancelledSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Bind(t, "openim-api", "node-1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.quiescer(t, nil).Stop(ctx, "r1", ignore) }()
	f.AwaitDeleted(t, "openim-api", 3)
	cancel()
	err := <-done
	e, ok := fault.Outermost(err)
	if !ok || e.Kind != fault.Failed || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancellation", err)
	}
	f.EndDeleted(t, "openim-api")
	mustRelease(t.Context(), t, f.quiescer(t, nil), "r1")
	f.requireState(t, running())
}
