package helm

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestRightsAreThoseOfTheConfiguration: what the chart grants is what `openim-dr config
// rbac` prints for the configuration that the chart writes, no more and no less.
func TestRightsAreThoseOfTheConfiguration(t *testing.T) {
	env := testbed.Need(t)
	for name, tt := range map[string]struct {
		values, account, source, purposes string
	}{
		"secrets and configmaps of namespaces": {"1-as-documented", "openim-dr", "", "backup,doctor"},
		"with an election by a Lease":          {"3-two-daemons-and-a-lease", "openim-dr", "", "backup,doctor,elect"},
		"of an account of another name":        {"4-lease-elsewhere", "backup", "", "backup,doctor,elect"},
		"in every namespace":                   {"5-everywhere", "openim-dr", "", "backup,doctor"},
		"kinds by name":                        {"6-kinds-by-name", "openim-dr", "cluster", "backup,doctor"},
		"volumes":                              {"8-volumes", "openim-dr", "", "backup,doctor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, env, "testdata/"+tt.values+".yaml")
			arguments := []string{"config", "rbac", "--config", all.configuration(t, "openim-dr"), "--service-account", inNamespace + "/" + tt.account, "--for", tt.purposes}
			if tt.source != "" {
				arguments = append(arguments, "--source", tt.source)
			}
			want := grants(t, parse(t, ask(t, env, arguments...)))
			got := grants(t, all)
			if len(want) == 0 {
				t.Fatal("nothing is printed")
			}
			for _, g := range want {
				if !slices.Contains(got, g) {
					t.Errorf("the chart does not grant what it takes: %s", g)
				}
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("the chart grants what it does not take: %s", g)
				}
			}
		})
	}
}

// grants are single rights, each with the role and the subject that has it.
func grants(t *testing.T, all rendered) (list []string) {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, u := range all.ofKind("Role") {
		rules["Role "+u.GetNamespace()+" "+u.GetName()] = as[rbacv1.Role](t, u).Rules
	}
	for _, u := range all.ofKind("ClusterRole") {
		rules["ClusterRole  "+u.GetName()] = as[rbacv1.ClusterRole](t, u).Rules
	}
	bound := func(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		role := ref.Kind + " " + namespace + " " + ref.Name
		if len(rules[role]) == 0 {
			t.Errorf("%s is bound, and there is no such role", role)
		}
		for _, subject := range subjects {
			for _, rule := range rules[role] {
				for _, one := range single(rule) {
					list = append(list, strings.Join([]string{role, subject.Kind, subject.Namespace, subject.Name, one}, " "))
				}
			}
		}
	}
	for _, u := range all.ofKind("RoleBinding") {
		b := as[rbacv1.RoleBinding](t, u)
		bound(b.Namespace, b.RoleRef, b.Subjects)
	}
	for _, u := range all.ofKind("ClusterRoleBinding") {
		b := as[rbacv1.ClusterRoleBinding](t, u)
		bound("", b.RoleRef, b.Subjects)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// single takes a rule apart.
func single(rule rbacv1.PolicyRule) (list []string) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{"any"}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					list = append(list, strings.Join([]string{verb, resource, group, name}, " "))
				}
			}
		}
	}
	return list
}

// TestKindsByPatternAreRefused: what a pattern means only the cluster knows, and to grant
// everything instead would be more than it takes.
func TestKindsByPatternAreRefused(t *testing.T) {
	env := testbed.Need(t)
	said := refused(t, env, append(values("testdata/7-kinds-by-pattern-without-roles.yaml"), "--set", "rbac.create=true")...)
	if want := "openim-dr config rbac --source cluster --service-account openim-dr/openim-dr"; !strings.Contains(said, want) {
		t.Errorf("it says %q, want %q in it", said, want)
	}
}

// TestADrillHasNoRights in the cluster, whatever the daemon has.
func TestADrillHasNoRights(t *testing.T) {
	env := testbed.Need(t)
	for _, g := range grants(t, render(t, env, "testdata/9-restore-test.yaml")) {
		if strings.Contains(g, "ServiceAccount openim-dr-drill") {
			t.Errorf("the drill has a right: %s", g)
		}
	}
}
