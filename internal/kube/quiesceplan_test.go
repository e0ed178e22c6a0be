package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// autoscaler makes a HorizontalPodAutoscaler of a Deployment.
func (f *fleet) autoscaler(t *testing.T, name, deployment string, labels map[string]string) {
	t.Helper()
	made := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta(name), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment}, MaxReplicas: 9,
	}}
	made.Labels = labels
	f.must(t)(f.AutoscalingV2().HorizontalPodAutoscalers(f.namespace).Create(t.Context(), made, metav1.CreateOptions{}))
}

func TestThePlanNamesWhatIsStoppedAndWhoMayBringItBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.autoscaler(t, "api", "openim-api", nil)
	f.autoscaler(t, "keda-hpa-transfer", "openim-msgtransfer", map[string]string{scaledObjectLabel: "transfer"})
	f.autoscaler(t, "others", "web", nil)
	f.patchDeployment(t, "openim-api", `{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"im:apps/Deployment:openim/openim-api"}}}`)
	f.patchDeployment(t, "openim-rpc-user", `{"metadata":{"labels":{"helm.toolkit.fluxcd.io/name":"openim"}}}`)
	owner, err := f.AppsV1().Deployments(f.namespace).Get(t.Context(), "openim-api", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.patchDeployment(t, "openim-msgtransfer", fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"openim-api","uid":%q,"controller":true}]}}`, owner.UID))
	f.requirePods(t)

	plan, err := f.quiescer(t, nil).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := func(kind, name string, replicas int64) Workload {
		return Workload{Namespace: f.namespace, Kind: kind, Name: name, Replicas: replicas}
	}
	want := []PlannedStage{
		{"entry", []Workload{at("Deployment", "openim-api", 3), at("StatefulSet", "openim-msggateway", 2)}},
		{"transfer", []Workload{at("Deployment", "openim-msgtransfer", 1), at("Deployment", "openim-push", 0)}},
		{"rpc", []Workload{at("Deployment", "openim-rpc-user", 2)}},
	}
	if diff := cmp.Diff(want, plan.Stages); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	var warnings []string
	for _, w := range plan.Warnings {
		warnings = append(warnings, strings.ReplaceAll(w, f.namespace+"/", ""))
	}
	wantWarnings := []string{
		"Argo CD manages Deployment openim-api, and may bring back what is stopped: suspend the automated sync of its application first",
		"Flux manages Deployment openim-rpc-user, and may bring back what is stopped: suspend its reconciliation with `flux suspend` first",
		"Deployment openim-msgtransfer is made by Deployment openim-api, whose operator may bring it back: suspend that first",
		"HorizontalPodAutoscaler api scales Deployment openim-api: it leaves it alone while it has no replicas, and goes on when it is back",
		"KEDA scales Deployment openim-msgtransfer, from zero replicas too: pause it first with `kubectl -n " + f.namespace + " annotate scaledobject transfer autoscaling.keda.sh/paused=true`",
	}
	if diff := cmp.Diff(wantWarnings, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	f.requireState(t, running())

	var got []string
	for _, found := range f.quiescer(t, nil).Examine(t.Context()) {
		got = append(got, found.Check+" "+string(found.Severity))
		if found.Severity != source.OK && found.Remedy == "" {
			t.Errorf("%s says nothing to do", found.Check)
		}
	}
	wantFindings := append([]string{"quiesce.rights ok", "quiesce.workloads ok"}, slices.Repeat([]string{"quiesce.disturbed warning"}, len(wantWarnings))...)
	if diff := cmp.Diff(wantFindings, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// rulesFor allow what stopping takes, but for one right.
func rulesFor(without string) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, r := range quiesceRights {
		if r.verb+" "+r.kind.resource == without {
			continue
		}
		rules = append(rules, rbacv1.PolicyRule{Verbs: []string{r.verb}, APIGroups: []string{r.kind.Group}, Resources: []string{r.kind.resource}})
	}
	return rules
}

func TestEveryRightThatIsMissingIsFoundBeforeAnythingIsStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, r := range quiesceRights {
		right := r.verb + " " + r.kind.resource
		t.Run(right, func(t *testing.T) {
			limited := f.as(t, f.namespace, rulesFor(right)...)
			t.Cleanup(func() { f.dismiss(context.WithoutCancel(t.Context()), t) })
			q := f.quiescer(t, func(q *Quiescer) { q.cluster.settings.Kubeconfig = limited })
			_, err := q.Plan(t.Context())
			want := fmt.Sprintf("%q on %s in namespace %q", r.verb, r.kind.rbac(), f.namespace)
			e, ok := fault.Outermost(err)
			if !ok || e.Kind != fault.Usage || !strings.Contains(err.Error(), "lack the rights "+want) || e.Try == "" {
				t.Errorf("error %v, want one of usage that names %s", err, want)
			}
			findings := q.Examine(t.Context())
			if len(findings) != 1 || findings[0].Check != checkQuiesceRights || findings[0].Severity != source.Error {
				t.Errorf("findings %+v, want one error about rights", findings)
			}
		})
	}
	f.requireState(t, running())
}

// dismiss takes back what as has granted.
func (f *fleet) dismiss(ctx context.Context, t *testing.T) {
	now, all := metav1.DeleteOptions{}, metav1.ListOptions{}
	err := errors.Join(
		f.RbacV1().RoleBindings(f.namespace).DeleteCollection(ctx, now, all),
		f.RbacV1().Roles(f.namespace).DeleteCollection(ctx, now, all),
	)
	if err != nil {
		t.Error(err)
	}
}

// The rights of docs/CONFIG.md suffice, without those that are only good to have.
func TestTheRightsSuffice(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	limited := f.as(t, f.namespace, rulesFor("")...)
	withRights := func(q *Quiescer) { q.cluster.settings.Kubeconfig = limited }
	plan, err := f.quiescer(t, withRights).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "may not list them") {
		t.Errorf("warnings %q, want one about autoscalers that may not be seen", plan.Warnings)
	}
	mustStop(t.Context(), t, f.quiescer(t, withRights), "r1")
	f.requireState(t, stopped("r1"))
	mustRelease(t.Context(), t, f.quiescer(t, withRights), "r1")
	f.requireState(t, running())
}

func TestAChoiceThatCannotBeMeantIsAnError(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	tests := map[string]struct {
		stages []Stage
		saying string
	}{
		"nothing by pattern":     {[]Stage{{Name: "a", Workloads: []string{"im-*"}}}, "no stage chooses any of 6 Deployments and StatefulSets"},
		"nothing by label":       {[]Stage{{Name: "a", Selector: "app=nobody"}}, "no stage chooses any of 6"},
		"a name that nobody has": {[]Stage{{Name: "a", Workloads: []string{"openim-*", "openim-apl"}}}, `stage "a" names "openim-apl", and there is no such workload`},
		"no stage":               {nil, "there is no stage"},
		"a stage of nothing":     {[]Stage{{Name: "a"}}, "either names of workloads or a label selector"},
		"names and labels":       {[]Stage{{Name: "a", Workloads: []string{"b"}, Selector: "c=d"}}, "either names of workloads or a label selector"},
		"a broken pattern":       {[]Stage{{Name: "a", Workloads: []string{"["}}}, `"[" is neither a name nor a pattern`},
		"a broken selector":      {[]Stage{{Name: "a", Selector: "=="}}, "not a label selector"},
		"a selector of all":      {[]Stage{{Name: "a", Selector: ","}}, "not a label selector"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, err := NewQuiescer(f.source(t, nil, f.namespace), tt.stages, 0)
			if err == nil {
				if _, planErr := q.Plan(t.Context()); planErr == nil {
					t.Error("it was planned")
				}
				err = q.Stop(t.Context(), "r1", ignore)
			}
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.saying) {
				t.Errorf("error %v, want one of usage with %q", err, tt.saying)
			}
		})
	}
	t.Run("names that need not be there", func(t *testing.T) {
		q, err := NewQuiescer(f.source(t, nil, f.namespace), []Stage{{Name: "a", Workloads: []string{"openim-api", "chat-api"}, Optional: true}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Plan(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("by label, and the first stage that chooses", func(t *testing.T) {
		q, err := NewQuiescer(f.source(t, nil, f.namespace), []Stage{
			{Name: "one", Selector: "app in (openim-api, openim-msggateway)"}, {Name: "two", Workloads: []string{"openim-*"}},
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := q.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, stage := range plan.Stages {
			for _, w := range stage.Workloads {
				got = append(got, stage.Name+" "+w.Name)
			}
		}
		want := []string{"one openim-api", "one openim-msggateway", "two openim-msgtransfer", "two openim-push", "two openim-rpc-user"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stages (-want +got):\n%s", diff)
		}
	})
	t.Run("no restore", func(t *testing.T) {
		if err := f.quiescer(t, nil).Stop(t.Context(), "", ignore); fault.KindOf(err) != fault.Usage {
			t.Errorf("error %v, want one of usage", err)
		}
	})
}

func TestASpoiltRecordIsShownToSomebody(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.patchDeployment(t, "openim-push", `{"metadata":{"annotations":{"openim-dr.io/replicas":"many"}}}`)
	t.Run("it is not stopped", func(t *testing.T) {
		err := f.quiescer(t, nil).Stop(t.Context(), "r1", ignore)
		e, ok := fault.Outermost(err)
		if !ok || e.Kind != fault.Usage || !strings.Contains(err.Error(), "its annotation openim-dr.io/replicas is not a number of replicas") || !strings.Contains(e.Try, "kubectl -n "+f.namespace) {
			t.Errorf("error %v, want one of usage about the annotation", err)
		}
		want := running()
		want["Deployment/openim-push"] = "0, was many, by  in stage "
		f.requireState(t, want)
	})
	t.Run("it keeps no other from coming back", func(t *testing.T) {
		f.patchDeployment(t, "openim-api", `{"spec":{"replicas":0},"metadata":{"annotations":{"openim-dr.io/replicas":"3","openim-dr.io/restore":"r1"}}}`)
		err := f.quiescer(t, nil).Release(t.Context(), "r1", ignore)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "openim-push") {
			t.Errorf("error %v, want one of usage about openim-push", err)
		}
		if got := f.state(t)["Deployment/openim-api"]; got != "3" {
			t.Errorf("openim-api is %s, want 3", got)
		}
	})
}

// Scaling down is not harmless everywhere.
func TestAWorkloadWhoseVolumesWouldGoIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	f := &fleet{c, nil, c.namespace(t, nil)}
	labels := map[string]string{"app": "openim-store"}
	f.must(t)(f.AppsV1().StatefulSets(f.namespace).Create(t.Context(), &appsv1.StatefulSet{ObjectMeta: meta("openim-store"), Spec: appsv1.StatefulSetSpec{
		Replicas: ref(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}}},
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: meta("data"), Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}}},
		PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
			WhenScaled: appsv1.DeletePersistentVolumeClaimRetentionPolicyType, WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
		},
	}}, metav1.CreateOptions{}))
	q, err := NewQuiescer(f.source(t, nil, f.namespace), []Stage{{Name: "all", Workloads: []string{"openim-*"}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, planned := q.Plan(t.Context())
	for _, err := range []error{planned, q.Stop(t.Context(), "r1", ignore)} {
		if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Refused || !strings.Contains(err.Error(), "openim-store") || e.Try == "" {
			t.Errorf("error %v, want a refusal that names the workload", err)
		}
	}
}
