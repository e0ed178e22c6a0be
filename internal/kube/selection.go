package kube

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// selection decides what of a point is restored. Patterns are spelled
// namespace, namespace/Kind or namespace/Kind/name, each part with * and ?;
// a Kind matches in any case, with or without its group. What belongs to no
// namespace is in _cluster.
type selection struct {
	include, exclude []pattern
	namespaces       map[string]string // captured name -> name at the target
	objects          []renaming
}

type pattern struct {
	text                  string
	namespace, kind, name string
}

func newSelection(want source.Selection) (*selection, error) {
	include, err := parsePatterns(want.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := parsePatterns(want.Exclude)
	if err != nil {
		return nil, err
	}
	namespaces, objects, err := parseRenames(want.Rename)
	if err != nil {
		return nil, err
	}
	return &selection{include: include, exclude: exclude, namespaces: namespaces, objects: objects}, nil
}

func parsePatterns(texts []string) ([]pattern, error) {
	patterns := make([]pattern, 0, len(texts))
	for _, text := range texts {
		parts := strings.Split(text, "/")
		if len(parts) > 3 || slices.Contains(parts, "") {
			return nil, badPattern(text)
		}
		for _, part := range parts {
			if _, err := path.Match(part, ""); err != nil {
				return nil, badPattern(text)
			}
		}
		for len(parts) < 3 {
			parts = append(parts, "*")
		}
		patterns = append(patterns, pattern{text: text, namespace: parts[0], kind: strings.ToLower(parts[1]), name: parts[2]})
	}
	return patterns, nil
}

func badPattern(text string) error {
	return fault.New(fault.Usage, "read pattern", "%q is not namespace, namespace/Kind or namespace/Kind/name", text).
		Hint("for example: openim/Secret/openim-mysql, or openim/ConfigMap")
}

func (p pattern) matches(namespace string, k key) bool {
	return matchesAny([]string{p.namespace}, namespace) &&
		(matchesAny([]string{p.kind}, strings.ToLower(k.Kind)) || matchesAny([]string{p.kind}, strings.ToLower(k.GroupKind.String()))) &&
		matchesAny([]string{p.name}, k.name)
}

// wants reports whether an object is to be restored.
func (s *selection) wants(namespace string, k key) bool {
	matches := func(p pattern) bool { return p.matches(namespace, k) }
	return (len(s.include) == 0 || slices.ContainsFunc(s.include, matches)) && !slices.ContainsFunc(s.exclude, matches)
}

// asksFor reports whether an object is included by its kind, and not as one of all.
func (s *selection) asksFor(namespace string, k key) bool {
	return slices.ContainsFunc(s.include, func(p pattern) bool { return p.kind != "*" && p.matches(namespace, k) })
}

// mayWant reports whether any object of a namespace can be wanted, so that
// the others need not be read.
func (s *selection) mayWant(namespace string) bool {
	inNamespace := func(p pattern) bool { return matchesAny([]string{p.namespace}, namespace) }
	whole := func(p pattern) bool { return inNamespace(p) && p.kind == "*" && p.name == "*" }
	return (len(s.include) == 0 || slices.ContainsFunc(s.include, inNamespace)) && !slices.ContainsFunc(s.exclude, whole)
}

// target returns what a captured namespace is called at the target.
func (s *selection) target(namespace string) string {
	if renamed, ok := s.namespaces[namespace]; ok {
		return renamed
	}
	return namespace
}

// namesOf names some of the captured namespaces.
func namesOf(captured []CapturedNamespace) string {
	const few = 5
	var names []string
	for _, n := range captured {
		names = append(names, n.Name)
	}
	if more := len(names) - few; more > 0 {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// check refuses patterns and renamings that the point does not bear out:
// nobody writes them to restore less than they believe.
func (s *selection) check(captured []CapturedNamespace) error {
	from := map[string]string{}
	for _, namespace := range captured {
		if !s.mayWant(namespace.Name) {
			continue
		}
		target := s.target(namespace.Name)
		if other, taken := from[target]; taken {
			return fault.New(fault.Usage, "rename namespaces", "%q and %q would both become %q", other, namespace.Name, target)
		}
		from[target] = namespace.Name
	}
	for _, r := range s.objects {
		if !slices.ContainsFunc(captured, func(c CapturedNamespace) bool { return c.Name == r.from.namespace && s.mayWant(c.Name) }) {
			return fault.New(fault.Usage, "rename objects", "nothing of %q is restored", r.from.namespace).Hint("the point holds the namespaces %s", namesOf(captured))
		}
	}
	for old := range s.namespaces {
		if old == clusterPart {
			return fault.New(fault.Usage, "rename namespaces", "%s is none: it is what belongs to no namespace", clusterPart)
		}
		if !slices.ContainsFunc(captured, func(c CapturedNamespace) bool { return c.Name == old }) {
			return fault.New(fault.Usage, "rename namespaces", "the point holds no namespace %q", old).
				Hint("it holds the namespaces %s", namesOf(captured))
		}
	}
	return nil
}
