package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

// problems are what doctor finds wrong.
func problems(findings []source.Finding) []string {
	var wrong []string
	for _, f := range findings {
		if f.Severity.Bad() {
			wrong = append(wrong, f.Evidence+": "+f.Remedy)
		}
	}
	return wrong
}

// A backup takes all that is printed for it, and nothing else.
func TestABackupRunsWithThePrintedRights(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("a"), Data: map[string][]byte{"a": []byte(marker)}}}, []corev1.ConfigMap{{ObjectMeta: meta("b")}})
	for name, change := range map[string]func(*Settings){
		"named namespaces, the default kinds": func(*Settings) {},
		"kinds that belong to no namespace":   func(s *Settings) { s.Kinds = []string{"secrets", "priorityclasses.scheduling.k8s.io"} },
		"patterns": func(s *Settings) {
			s.Namespaces, s.Kinds = []string{namespace + "*"}, []string{"secret*", "*.scheduling.k8s.io"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			access, err := cluster.source(t, change, namespace).AccessFor(t.Context(), ForBackup)
			if err != nil {
				t.Fatal(err)
			}
			cluster.requireEachRight(t, namespace, access, func(t *testing.T, kubeconfig string, _ *grant) []string {
				c := cluster.source(t, func(s *Settings) { change(s); s.Kubeconfig = kubeconfig }, namespace)
				fixture := repotest.New(t)
				_, err := fixture.TryCapture(t.Context(), t, "cluster", Kind, c)
				return append(found(err), problems(c.Examine(t.Context()))...)
			})
		})
	}
}

// Doctor looks at everything with what is printed for it and for a backup, and says
// what it could not look at without.
func TestDoctorLooksWithThePrintedRights(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	source := cluster.source(t, nil, namespace)
	backup, err := source.AccessFor(t.Context(), ForBackup)
	if err != nil {
		t.Fatal(err)
	}
	access, err := source.AccessFor(t.Context(), ForDoctor)
	if err != nil {
		t.Fatal(err)
	}
	before := cluster.granted(t, namespace, backup)
	if d, _ := cluster.source(t, func(s *Settings) { s.Kubeconfig = before }, namespace).Uncovered(t.Context()); len(d.Unread) != len(access.grants) {
		t.Errorf("with the rights of a backup it could not look at %q", d.Unread)
	}
	after := cluster.granted(t, namespace, backup, access)
	if d, _ := cluster.source(t, func(s *Settings) { s.Kubeconfig = after }, namespace).Uncovered(t.Context()); len(d.Unread) > 0 {
		t.Errorf("with its own it could not look at %q", d.Unread)
	}
}

// restorable are objects of kinds that take more than others to be written.
const restorable = `
{apiVersion: v1, kind: Secret, metadata: {name: NAME, namespace: NAME, labels: {of: NAME}}, type: Opaque, data: {password: aHVudGVyMg==}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: NAME, labels: {of: NAME}}, value: 7}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: NAME, namespace: NAME, labels: {of: NAME}}, rules: [{apiGroups: [""], resources: [pods/exec], verbs: [create]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: NAME-role, namespace: NAME, labels: {of: NAME}}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: NAME-delegator, namespace: NAME, labels: {of: NAME}}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: NAME, labels: {of: NAME}}, rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: NAME, labels: {of: NAME}}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}}
`

// restoring tries restores of restorable.
type restoring struct {
	cluster
	namespace string
	session   *session
	objects   []*unstructured.Unstructured
	from      *repository.SourceReader
	change    func(*Settings)
}

// changed makes every object another one at the target, and a Secret one that cannot
// be made the wanted one by an update.
func (r *restoring) changed(t *testing.T) {
	t.Helper()
	var others []*unstructured.Unstructured
	for _, u := range r.objects {
		other := u.DeepCopy()
		other.SetAnnotations(map[string]string{"changed": "by hand"})
		if u.GetKind() == "Secret" {
			_ = unstructured.SetNestedField(other.Object, "example.com/other", "type")
		}
		others = append(others, other)
	}
	r.lost(t, everyObject)
	r.session.apply(t, others)
}

func everyObject(*unstructured.Unstructured) bool { return true }

func ofRoles(u *unstructured.Unstructured) bool { return strings.Contains(u.GetKind(), "Role") }

// lost deletes objects from the target.
func (r *restoring) lost(t *testing.T, which func(*unstructured.Unstructured) bool) {
	t.Helper()
	catalog := newCatalog(r.session)
	for _, u := range r.objects {
		if !which(u) {
			continue
		}
		k, err := catalog.captured(t.Context(), u.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		_ = r.session.objects.Resource(k.gvr()).Namespace(u.GetNamespace()).Delete(t.Context(), u.GetName(), metav1.DeleteOptions{})
	}
}

// try restores, and returns what is wrong with it.
func (r *restoring) try(t *testing.T, kubeconfig string, want source.Selection) []string {
	t.Helper()
	c := r.source(t, func(s *Settings) { r.change(s); s.Kubeconfig = kubeconfig }, r.namespace)
	plan, err := c.Plan(t.Context(), r.from, want)
	if err != nil {
		return found(err)
	}
	wrong := slices.DeleteFunc(slices.Clone(plan.Warnings), func(text string) bool { return !strings.Contains(text, "right") })
	if len(wrong) > 0 {
		return wrong
	}
	if _, err := c.Restore(t.Context(), r.from, plan, progress.Discard); err != nil {
		return found(err)
	}
	compared, err := c.Compare(t.Context(), r.from, plan, progress.Discard)
	if err != nil {
		return found(err)
	}
	for _, d := range compared.Differences {
		wrong = append(wrong, d.Object+" differs")
	}
	if id, err := c.ServerID(t.Context()); id == "" || err != nil {
		wrong = append(wrong, fmt.Sprintf("get namespaces: the cluster cannot be told from others: %v", err))
	}
	if !isPattern(strings.Join(c.settings.Namespaces, "")) { // who restores need not list namespaces
		wrong = append(wrong, problems(c.Examine(t.Context()))...)
	}
	return wrong
}

// A restore takes all that is printed for it, and nothing else: into namespaces that
// are fresh, that hold other objects, and that are not there.
func TestARestoreRunsWithThePrintedRights(t *testing.T) {
	t.Parallel()
	const rbac = ".rbac.authorization.k8s.io"
	for name, change := range map[string]func(*Settings){
		"named namespaces": func(s *Settings) { s.Kinds = []string{"secrets", "roles" + rbac, "rolebindings" + rbac} },
		"patterns": func(s *Settings) {
			s.Namespaces, s.Kinds = []string{s.Namespaces[0] + "*"}, []string{"secrets", "priorityclasses.scheduling.k8s.io", "*" + rbac}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := newCluster(t)
			namespace := cluster.namespace(t, nil)
			r := &restoring{cluster: cluster, namespace: namespace, session: cluster.admin(t), change: func(s *Settings) { change(s); s.LabelSelector = "of=" + namespace }}
			r.objects = documentsOf(t, strings.ReplaceAll(restorable, "NAME", namespace))
			r.session.apply(t, r.objects)
			c := r.source(t, r.change, namespace)
			r.from = repotest.New(t).Capture(t, "cluster", Kind, c)
			access, err := c.AccessFor(t.Context(), ForRestore)
			if err != nil {
				t.Fatal(err)
			}
			cluster.requireEachRight(t, namespace, access, func(t *testing.T, kubeconfig string, missing *grant) []string {
				switch {
				case missing == nil:
					r.lost(t, everyObject)
					wrong := r.try(t, kubeconfig, source.Selection{})
					r.changed(t)
					return append(wrong, r.try(t, kubeconfig, source.Selection{})...)
				case missing.verb == "escalate" || missing.verb == "bind":
					r.lost(t, ofRoles)
				case missing.kind == namespaceKind && missing.verb == "create":
					return r.try(t, kubeconfig, source.Selection{Include: []string{namespace + "/Secret"}, Rename: map[string]string{namespace: cluster.freeName(t)}})
				case missing.kind != namespaceKind:
					r.changed(t)
				}
				return r.try(t, kubeconfig, source.Selection{})
			})
		})
	}
}

// To stop workloads takes all that is printed for it, and nothing else.
func TestQuiescingRunsWithThePrintedRights(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for name, namespaces := range map[string]string{"a named namespace": f.namespace, "a pattern": f.namespace + "*"} {
		t.Run(name, func(t *testing.T) {
			quiescer := func(kubeconfig string) *Quiescer {
				q, err := NewQuiescer(f.source(t, func(s *Settings) { s.Kubeconfig = kubeconfig }, namespaces), stagesOfFleet, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				q.interval = 20 * time.Millisecond
				return q
			}
			f.requireEachRight(t, f.namespace, quiescer(f.env.Kubeconfig).Access(), func(t *testing.T, kubeconfig string, missing *grant) []string {
				q := quiescer(kubeconfig)
				plan, err := q.Plan(t.Context())
				if err != nil || missing != nil {
					if plan != nil {
						return append(found(err), plan.Warnings...)
					}
					return found(err)
				}
				mustStop(t.Context(), t, q, "r1")
				f.requireState(t, stopped("r1"))
				mustRelease(t.Context(), t, q, "r1")
				f.requireState(t, running())
				return plan.Warnings
			})
		})
	}
}

// A drill that is given a cluster takes all that is printed for it, and nothing else.
func TestADrillRunsWithThePrintedRights(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("a")}}, []corev1.ConfigMap{{ObjectMeta: meta("b")}})
	change := func(s *Settings) {
		s.Kinds = []string{"secrets", "configmaps", "priorityclasses.scheduling.k8s.io"}
		s.Names = []string{"a", "b", namespace}
	}
	cluster.admin(t).apply(t, documentsOf(t, "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: "+namespace+"}, value: 7}"))
	c := cluster.source(t, change, namespace)
	from := repotest.New(t).Capture(t, "cluster", Kind, c)
	access := accessTo(t, c, ForDrill)
	t.Cleanup(func() { cluster.removeScratch(context.WithoutCancel(t.Context()), t) })
	cluster.requireEachRight(t, namespace, access, func(t *testing.T, kubeconfig string, missing *grant) []string {
		drill := &Rehearsal{cluster.source(t, func(s *Settings) { change(s); s.Kubeconfig = kubeconfig }, namespace), true}
		plan, err := drill.Plan(t.Context(), from, source.Selection{})
		if err != nil {
			return found(err)
		}
		if _, err := drill.Restore(t.Context(), from, plan, progress.Discard); err != nil || missing != nil {
			return found(err)
		}
		compared, err := drill.Compare(t.Context(), from, plan, progress.Discard)
		if err == nil && (!compared.Equal() || len(compared.Deviations) > 0) {
			return []string{fmt.Sprintf("not all was tried: %+v", compared)}
		}
		return found(err)
	})
}

// removeScratch removes the namespaces of drills that have been deleted, as the
// namespace controller would.
func (c cluster) removeScratch(ctx context.Context, t *testing.T) {
	t.Helper()
	list, err := c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: drillLabel + "=true"})
	if err != nil {
		t.Error(err)
		return
	}
	for _, left := range list.Items {
		if left.DeletionTimestamp != nil {
			c.removeNamespace(ctx, t, left.Name)
		}
	}
}
