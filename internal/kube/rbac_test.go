package kube

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// printed is what accesses grant, as a line for each rule, and their comments.
func printed(t *testing.T, accesses ...*Access) (rules []string, text string) {
	t.Helper()
	var out bytes.Buffer
	if err := (Account{"ops", "dr"}).Manifests(&out, accesses...); err != nil {
		t.Fatal(err)
	}
	for _, u := range documentsOf(t, out.String()) {
		list, _, _ := unstructured.NestedSlice(u.Object, "rules")
		for _, r := range list {
			var rule rbacv1.PolicyRule
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(r.(map[string]any), &rule); err != nil {
				t.Fatal(err)
			}
			line := u.GetKind() + " " + u.GetNamespace() + ": " + strings.Join(rule.Verbs, ",") + " " + strings.Join(rule.Resources, ",")
			if len(rule.ResourceNames) > 0 {
				line += " " + strings.Join(rule.ResourceNames, ",")
			}
			rules = append(rules, line)
		}
	}
	return rules, out.String()
}

// Where nothing but Secrets and ConfigMaps is captured no server is asked.
func TestTheRightsOfAConfiguration(t *testing.T) {
	tests := map[string]struct {
		settings Settings
		purpose  Purpose
		want     []string
		saying   string
	}{
		"a backup of named namespaces": {
			Settings{Namespaces: []string{"b", "a", "b"}}, ForBackup,
			[]string{"Role a: list configmaps,secrets", "Role a: get namespaces a", "Role b: list configmaps,secrets", "Role b: get namespaces b"},
			"To list is to read",
		},
		"a backup of some kinds": {
			Settings{Namespaces: []string{"a"}, Exclude: Exclude{Kinds: []string{"config*"}}}, ForBackup,
			[]string{"Role a: get namespaces a", "Role a: list secrets"}, "",
		},
		"a backup of patterns": {
			Settings{Namespaces: []string{"a", "im-*"}, Kinds: []string{"secrets"}}, ForBackup,
			[]string{"ClusterRole : get,list namespaces", "ClusterRole : list secrets"}, "by the pattern im-*",
		},
		"a backup of everything": {
			Settings{}, ForBackup,
			[]string{"ClusterRole : list configmaps,secrets", "ClusterRole : get,list namespaces"}, "by the pattern *",
		},
		"a restore into named namespaces": {
			Settings{Namespaces: []string{"a"}, Kinds: []string{"secrets"}}, ForRestore,
			[]string{"Role a: get namespaces a", "Role a: get,list,create,update,patch,delete secrets", "Role kube-system: get namespaces kube-system"},
			"# namespace NAME`)",
		},
		"a restore into any": {
			Settings{Kinds: []string{"secrets"}}, ForRestore,
			[]string{"ClusterRole : get,create namespaces", "ClusterRole : get,list,create,update,patch,delete secrets"}, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.settings.Kubeconfig = "/nowhere"
			c, err := New("cluster", &tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			access, err := c.AccessFor(t.Context(), tt.purpose)
			if err != nil {
				t.Fatal(err)
			}
			rules, text := printed(t, access)
			if diff := cmp.Diff(tt.want, rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if !strings.Contains(text, tt.saying) {
				t.Errorf("no comment says %q in:\n%s", tt.saying, text)
			}
			if _, again := printed(t, access); again != text {
				t.Error("printed again it is another text")
			}
		})
	}
}

func TestOtherKindsAreAskedOfTheServer(t *testing.T) {
	c, err := New("cluster", &Settings{Kubeconfig: "/nowhere", Kinds: []string{"secrets", "services"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AccessFor(t.Context(), ForBackup)
	requireFault(t, err, fault.Usage, `kinds of source "cluster"`, "/nowhere")
}

// What may never be deleted needs no right to it, and a right in the whole cluster is
// not granted in a namespace again.
func TestRightsOfARestoreByKind(t *testing.T) {
	for name, tt := range map[string]struct {
		kind kind
		want []string
	}{
		"what holds data": {definitionKind, []string{"ClusterRole : get,list,create,update,patch customresourcedefinitions"}},
		"roles":           {roleKind, []string{"Role a: get,list,create,update,patch,delete,escalate roles"}},
		"bindings": {roleOf("RoleBinding", "rolebindings", true), []string{
			"Role a: bind clusterroles,roles", "Role a: get,list,create,update,patch,delete rolebindings",
		}},
		"bindings of the cluster": {roleOf("ClusterRoleBinding", "clusterrolebindings", false), []string{
			"ClusterRole : get,list,create,update,patch,delete clusterrolebindings", "ClusterRole : bind clusterroles",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			access := &Access{name: "cluster", purpose: ForRestore}
			access.each([]kind{tt.kind}, []string{"a"}, restoreRights)
			rules, _ := printed(t, access)
			if diff := cmp.Diff(tt.want, rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("once", func(t *testing.T) {
		access := &Access{name: "cluster", purpose: ForRestore}
		access.add(right{"bind", clusterRoleKind, "a"}, right{"bind", roleKind, "a"}, right{"bind", clusterRoleKind, ""}, right{"bind", clusterRoleKind, ""})
		access.compact()
		rules, _ := printed(t, access)
		if diff := cmp.Diff([]string{"ClusterRole : bind clusterroles", "Role a: bind roles"}, rules); diff != "" {
			t.Errorf("rules (-want +got):\n%s", diff)
		}
	})
}

func TestAccounts(t *testing.T) {
	for text, ok := range map[string]bool{
		"openim-dr/backup": true, "a/b.c": true,
		"backup": false, "/backup": false, "openim-dr/": false, "a/b/c": false, "A/b": false, "a b/c": false, "": false,
	} {
		if _, err := ParseAccount(text); (err == nil) != ok || err != nil && fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: error %v, want it to be taken: %v", text, err, ok)
		}
	}
}

func TestCommentsAreWrapped(t *testing.T) {
	text := strings.Repeat("words of a comment ", 30) + strings.Repeat("x", 2*commentWidth)
	lines := wrapped(text)
	if got := strings.Join(lines, " "); got != text {
		t.Errorf("the text has become %q", got)
	}
	for _, line := range lines[:len(lines)-1] {
		if len(line) > commentWidth || line == "" {
			t.Errorf("line %q has %d bytes", line, len(line))
		}
	}
}
