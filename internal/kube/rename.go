package kube

import (
	"maps"
	"slices"
	"strings"

	pathvalidation "k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// renaming gives a single object another name, in its namespace.
type renaming struct {
	text string // namespace/Kind/name, as it was asked for
	from pattern
	to   string
}

// parseRenames tells names of namespaces from those of objects in them.
func parseRenames(asked map[string]string) (namespaces map[string]string, objects []renaming, err error) {
	namespaces = map[string]string{}
	for _, old := range slices.Sorted(maps.Keys(asked)) {
		if !strings.Contains(old, "/") {
			namespaces[old] = asked[old]
			continue
		}
		parts, to := strings.Split(old, "/"), asked[old]
		if len(parts) != 3 || slices.Contains(parts, "") || slices.ContainsFunc(parts, isPattern) || len(pathvalidation.IsValidPathSegmentName(to)) > 0 {
			return nil, nil, fault.New(fault.Usage, "rename objects", "%s=%s is not NAMESPACE/KIND/NAME=NEW", old, to).
				Hint("for example: openim/Secret/openim-mysql=openim-mysql-restored")
		}
		objects = append(objects, renaming{text: old, from: pattern{text: old, namespace: parts[0], kind: strings.ToLower(parts[1]), name: parts[2]}, to: to})
	}
	return namespaces, objects, nil
}

// renamed returns what gives an object of a part another name; nil is nothing.
func (s *selection) renamed(part string, k key) *renaming {
	at := slices.IndexFunc(s.objects, func(r renaming) bool { return r.from.matches(part, k) })
	if at < 0 {
		return nil
	}
	return &s.objects[at]
}

// rename gives an object the name that it has at the target, and reports whether that
// is another one.
func (s *selection) rename(part string, u *unstructured.Unstructured) bool {
	r := s.renamed(part, keyOf(u))
	if r != nil {
		u.SetName(r.to)
	}
	return r != nil
}

// requireRenamed fails where an object is to have another name that is not restored:
// nobody writes that to have it under the old one.
func (s *selection) requireRenamed(held *inventory) error {
	for _, r := range s.objects {
		if r.from.namespace == held.captured.Name && !slices.Contains(held.renamed, r.text) {
			return fault.New(fault.Usage, "rename objects", "nothing that is restored is called %s", r.text).
				Hint("openim-dr changes --identity FILE names objects; what --exclude or the settings leave out cannot be renamed")
		}
	}
	return nil
}
