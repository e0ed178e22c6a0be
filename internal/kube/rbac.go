package kube

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
)

// Account is a ServiceAccount.
type Account struct{ Namespace, Name string }

// ParseAccount reads NAMESPACE/NAME.
func ParseAccount(text string) (Account, error) {
	namespace, name, _ := strings.Cut(text, "/")
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return Account{}, fault.New(fault.Usage, "read the ServiceAccount", "%q is not NAMESPACE/NAME", text)
	}
	return Account{namespace, name}, nil
}

// Manifests writes the YAML with which `kubectl apply` makes the account and grants it
// some accesses, each in Roles of its own, so that they can be granted and taken away
// apart. The same accesses give the same bytes.
func (a Account) Manifests(w io.Writer, accesses ...*Access) error {
	m := &manifests{account: a}
	m.write([]string{
		"Which kinds there are, and which rights it has, every account may ask by default",
		"(the ClusterRoles system:discovery and system:basic-user).",
	}, corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name}})
	for _, access := range accesses {
		m.grant(access)
	}
	if m.failed != nil {
		return fmt.Errorf("write roles as YAML: %w", m.failed)
	}
	_, err := w.Write(m.text.Bytes())
	return err
}

// manifests is a stream of YAML documents.
type manifests struct {
	account Account
	text    bytes.Buffer
	failed  error
}

func (m *manifests) write(comment []string, object any) {
	text, err := kubeyaml.Marshal(object)
	m.failed = cmp.Or(m.failed, err)
	if m.text.Len() > 0 {
		m.text.WriteString(document.Separator)
	}
	for _, line := range comment {
		m.text.WriteString("# " + line + "\n")
	}
	m.text.Write(text)
}

// grant writes one role for each namespace, and one for what is granted in the whole
// cluster.
func (m *manifests) grant(access *Access) {
	places := map[string][]grant{}
	for _, g := range access.grants {
		places[g.namespace] = append(places[g.namespace], g)
	}
	comment := []string{fmt.Sprintf("Source %s: what %s takes.", access.name, access.purpose)}
	if access.purpose == ForElect {
		comment = []string{"What it takes to elect one of several daemons by a Lease."}
	}
	for _, note := range access.notes {
		comment = append(comment, wrapped(note)...)
	}
	for _, namespace := range slices.Sorted(maps.Keys(places)) {
		m.role(comment, access, namespace, rulesOf(places[namespace]))
		comment = nil
	}
}

// role writes a role and its binding. Its name holds the account's namespace, since
// several installations may share a cluster, and colons, which no namespace has.
func (m *manifests) role(comment []string, access *Access, namespace string, rules []rbacv1.PolicyRule) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: strings.Join([]string{m.account.Namespace, m.account.Name, access.name, string(access.purpose)}, ":")}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: m.account.Namespace, Name: m.account.Name}}
	of := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
	}
	if namespace == "" {
		m.write(comment, rbacv1.ClusterRole{TypeMeta: of("ClusterRole"), ObjectMeta: meta, Rules: rules})
		m.write(nil, rbacv1.ClusterRoleBinding{
			TypeMeta: of("ClusterRoleBinding"), ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		})
		return
	}
	m.write(comment, rbacv1.Role{TypeMeta: of("Role"), ObjectMeta: meta, Rules: rules})
	m.write(nil, rbacv1.RoleBinding{
		TypeMeta: of("RoleBinding"), ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
	})
}

// verbOrder is that in which a rule names its verbs.
var verbOrder = []string{"get", "list", "create", "update", "patch", "delete", "bind", "escalate"}

// rulesOf writes rights, of one namespace, as rules: one for all resources of a group
// of which the same is granted.
func rulesOf(grants []grant) []rbacv1.PolicyRule {
	type object struct{ group, resource, name string }
	verbs := map[object][]string{}
	for _, g := range grants {
		o := object{g.kind.Group, g.kind.resource, g.name}
		if !slices.Contains(verbs[o], g.verb) {
			verbs[o] = append(verbs[o], g.verb)
		}
	}
	var rules []rbacv1.PolicyRule
	objects := slices.SortedFunc(maps.Keys(verbs), func(a, b object) int {
		return cmp.Or(strings.Compare(a.group, b.group), strings.Compare(a.resource, b.resource), strings.Compare(a.name, b.name))
	})
	for _, o := range objects {
		rule := rbacv1.PolicyRule{Verbs: verbs[o], APIGroups: []string{o.group}, Resources: []string{o.resource}}
		if o.name != "" {
			rule.ResourceNames = []string{o.name}
		}
		slices.SortFunc(rule.Verbs, func(a, b string) int { return slices.Index(verbOrder, a) - slices.Index(verbOrder, b) })
		at := slices.IndexFunc(rules, func(other rbacv1.PolicyRule) bool {
			return slices.Equal(other.APIGroups, rule.APIGroups) && slices.Equal(other.Verbs, rule.Verbs) && slices.Equal(other.ResourceNames, rule.ResourceNames)
		})
		if at < 0 {
			rules = append(rules, rule)
			continue
		}
		rules[at].Resources = append(rules[at].Resources, o.resource)
	}
	return rules
}

// commentWidth is how long a line of a comment may be, bytes.
const commentWidth = 78

// wrapped breaks a text into lines.
func wrapped(text string) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > commentWidth {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
