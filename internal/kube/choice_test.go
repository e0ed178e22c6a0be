package kube

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// capturedOf reads the record of a point.
func capturedOf(t *testing.T, from *repository.SourceReader) Captured {
	t.Helper()
	var captured Captured
	if err := from.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	return captured
}

func TestPatternsChooseKinds(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.make(t)
	s, err := z.source(t, nil).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ours := func(kinds []kind) (names []string) {
		for _, k := range kinds {
			names = append(names, k.rbac())
		}
		return names
	}
	widgets, gadgets := "widgets."+z.group(), "gadgets."+z.group()
	tests := map[string]struct {
		settings Settings
		want     []string
	}{
		"a group":                       {Settings{Kinds: []string{"*." + z.group()}}, []string{gadgets, widgets}},
		"a group and above":             {Settings{Kinds: []string{"*" + z.name + "*"}}, []string{gadgets, widgets}},
		"names and patterns":            {Settings{Kinds: []string{"w*." + z.group(), "secrets", "customresourcedefinitions.apiextensions.k8s.io"}}, []string{"customresourcedefinitions.apiextensions.k8s.io", "secrets", widgets}},
		"a name that a pattern repeats": {Settings{Kinds: []string{"secret*", "secrets"}}, []string{"secrets"}},
		"in any case":                   {Settings{Kinds: []string{"Widgets." + z.group()}}, []string{widgets}},
		"an exclusion":                  {Settings{Kinds: []string{"*." + z.group()}, Exclude: Exclude{Kinds: []string{"g*"}}}, []string{widgets}},
		"an exclusion of a name":        {Settings{Kinds: []string{"secrets", "configmaps"}, Exclude: Exclude{Kinds: []string{"secrets"}}}, []string{"configmaps"}},
		"what is left out of patterns":  {Settings{Kinds: []string{"*.coordination.k8s.io", "secrets"}}, []string{"secrets"}},
		"unless it is named":            {Settings{Kinds: []string{"leases.coordination.k8s.io"}}, []string{"leases.coordination.k8s.io"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			chosen, err := newCatalog(s).choose(t.Context(), tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, ours(chosen.kinds)); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("everything", func(t *testing.T) {
		chosen, err := newCatalog(s).choose(t.Context(), Settings{Kinds: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		all := ours(chosen.kinds)
		for _, want := range []string{"secrets", "deployments.apps", "clusterroles.rbac.authorization.k8s.io", widgets, gadgets} {
			if !slices.Contains(all, want) {
				t.Errorf("%s is missing from %v", want, all)
			}
		}
		for _, unwanted := range []string{"namespaces", "events", "events.events.k8s.io", "nodes", "tokenreviews.authentication.k8s.io", "bindings", "componentstatuses"} {
			if slices.Contains(all, unwanted) {
				t.Errorf("%s is chosen", unwanted)
			}
		}
		if !slices.IsSortedFunc(chosen.kinds, func(a, b kind) int { return int(rankOf(a.GroupKind()) - rankOf(b.GroupKind())) }) {
			t.Errorf("not in the order in which they are restored: %v", all)
		}
	})
}

// What only a pattern asks for and is forbidden is recorded; what is named fails the
// run, before anything is stored.
func TestForbiddenKinds(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	cluster.create(t, namespace, []corev1.Secret{{ObjectMeta: meta("a"), Data: map[string][]byte{"a": []byte(marker)}}}, nil)
	everyKindButSome := []rbacv1.PolicyRule{
		{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"secrets", "services"}},
		{Verbs: []string{"list"}, APIGroups: []string{"apps"}, Resources: []string{"*"}},
	}
	reader := cluster.as(t, namespace, everyKindButSome...)
	with := func(kinds ...string) *Cluster {
		return cluster.source(t, func(s *Settings) { s.Kubeconfig, s.Kinds = reader, kinds }, namespace)
	}
	t.Run("by a pattern", func(t *testing.T) {
		fixture := repotest.New(t)
		from := fixture.Capture(t, "cluster", Kind, with("secrets", "*.apps", "*.batch", "ingressclasses*"))
		want := []string{"IngressClass.networking.k8s.io in _cluster", "CronJob.batch in " + namespace, "Job.batch in " + namespace}
		if diff := cmp.Diff(want, capturedOf(t, from).Forbidden); diff != "" {
			t.Errorf("forbidden (-want +got):\n%s", diff)
		}
		if point := from.Point().Sources[0]; !point.Complete || !slices.Contains(point.Warnings, repository.Count{Source: "cluster", Code: warnKindForbidden, Count: 3}) {
			t.Errorf("complete %v, warnings %v", point.Complete, point.Warnings)
		}
	})
	t.Run("by name", func(t *testing.T) {
		fixture := repotest.New(t)
		_, err := fixture.TryCapture(t.Context(), t, "cluster", Kind, with("secrets", "*", "jobs.batch", "ingressclasses.networking.k8s.io"))
		requireFault(t, err, fault.Usage, `"list" on jobs.batch in namespace "`+namespace+`"`, `"list" on ingressclasses.networking.k8s.io in the whole cluster`)
		if strings.Contains(err.Error(), "cronjobs") {
			t.Errorf("error %v names what only a pattern asks for", err)
		}
	})
	t.Run("doctor says it", func(t *testing.T) {
		findings := with("secrets", "*.batch", "ingressclasses.networking.k8s.io").Examine(t.Context())
		want := []string{"kubernetes.reachable ok", "kubernetes.namespaces warning", "kubernetes.rights error", "kubernetes.rights warning", "kubernetes.rights warning"}
		if diff := cmp.Diff(want, severities(findings)); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
	})
}

// An API group whose server is down harms only who names a kind of it.
func TestABrokenGroup(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.keep("CustomResourceDefinition", "Widget", "Secret")
	z.make(t)
	down := z.front(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/apis/"+z.group()+"/") {
			return false
		}
		status(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		return true
	})
	with := func(kinds ...string) *Cluster {
		return z.source(t, func(s *Settings) { s.Kubeconfig, s.Kinds = down, kinds })
	}
	from := repotest.New(t).Capture(t, "cluster", Kind, with("*."+z.group(), "secrets"))
	captured := capturedOf(t, from)
	if !slices.Equal(captured.Broken, []string{z.group()}) || captured.sum().Documents != 3 {
		t.Errorf("broken %v, %d documents, want group %s and the Secrets", captured.Broken, captured.sum().Documents, z.group())
	}
	if point := from.Point().Sources[0]; !point.Complete || !slices.Contains(point.Warnings, repository.Count{Source: "cluster", Code: warnGroupBroken, Count: 1}) {
		t.Errorf("complete %v, warnings %v", point.Complete, point.Warnings)
	}
	_, err := repotest.New(t).TryCapture(t.Context(), t, "cluster", Kind, with("widgets."+z.group()))
	requireFault(t, err, fault.Failed, "503")
	if diff := cmp.Diff([]string{"kubernetes.reachable ok", "kubernetes.namespaces ok", "kubernetes.kinds warning", "kubernetes.rights ok"}, severities(with("*."+z.group(), "secrets").Examine(t.Context()))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A list whose state the server forgets between two pages is begun again, and its
// file with it.
func TestAListThatExpiresIsReadAgain(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	var configMaps []corev1.ConfigMap
	for i := range 2 * firstPage {
		configMaps = append(configMaps, corev1.ConfigMap{ObjectMeta: meta("m-" + string(rune('a'+i/26)) + string(rune('a'+i%26)))})
	}
	cluster.create(t, namespace, nil, configMaps)
	var forgotten atomic.Int32
	front := cluster.front(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("continue") == "" || !strings.HasSuffix(r.URL.Path, "/configmaps") || forgotten.Add(1) > 1 {
			return false
		}
		status(w, http.StatusGone, string(metav1.StatusReasonExpired))
		return true
	})
	from := repotest.New(t).Capture(t, "cluster", Kind, cluster.source(t, func(s *Settings) { s.Kubeconfig = front }, namespace))
	if got := from.Summary().Documents; got != int64(len(configMaps)) || forgotten.Load() < 2 {
		t.Errorf("captured %d objects of %d, after %d further pages", got, len(configMaps), forgotten.Load())
	}
}

func TestNamesChooseObjects(t *testing.T) {
	cluster := newCluster(t)
	namespace := cluster.namespace(t, nil)
	secrets, configMaps := zoo()
	cluster.create(t, namespace, secrets, configMaps[:4])
	c := cluster.source(t, func(s *Settings) { s.Names = []string{"tls", "im*"} }, namespace)
	held := string(plaintext(t, repotest.New(t).Capture(t, "cluster", Kind, c), namespace))
	if got := strings.Count(held, "\n  name: "); got != 4 || strings.Count(held, "\n  name: immutable\n") != 2 {
		t.Errorf("captured %d documents, want the namespace, tls and two that are immutable:\n%s", got, held)
	}
}

// Of what a restore would overwrite all is kept, whatever the settings choose.
func TestOnlyCapturesWhatIsOverwritten(t *testing.T) {
	t.Parallel()
	z := newKindZoo(t)
	z.keep("CustomResourceDefinition", "Gadget", "Widget", "Secret", "ConfigMap")
	z.make(t)
	settings := Settings{Kubeconfig: z.env.Kubeconfig, Namespaces: []string{"*"}, LabelSelector: "nobody=has", Names: []string{"nothing"}}
	for name, tt := range map[string]struct {
		parts []string
		want  map[string]int64
	}{
		"kinds of a namespace":      {[]string{z.namespace + "/secrets", z.namespace + "/widgets." + z.group()}, map[string]int64{"Secret": 3, "Widget." + z.group(): 1}},
		"a namespace":               {[]string{z.namespace}, map[string]int64{"Secret": 3, "ConfigMap": 1}},
		"what is of the cluster":    {[]string{"_cluster/gadgets." + z.group()}, map[string]int64{"Gadget." + z.group(): 1}},
		"both":                      {[]string{"_cluster/gadgets." + z.group(), z.namespace + "/secrets"}, map[string]int64{"Gadget." + z.group(): 1, "Secret": 3}},
		"kinds of another part too": {[]string{z.namespace + "/secrets"}, map[string]int64{"Secret": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			only := settings.Only(tt.parts)
			if err := only.Validate(); err != nil {
				t.Fatal(err)
			}
			c, err := New("cluster", only)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for _, part := range capturedOf(t, repotest.New(t).Capture(t, "cluster", Kind, c)).parts() {
				for kind, n := range part.Kinds {
					got[kind] += n
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("captured (-want +got):\n%s", diff)
			}
		})
	}
}
