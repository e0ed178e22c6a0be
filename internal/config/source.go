package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// source reads name and kind, and leaves the other keys to the kind's own
// settings.
func (d *decoder) source(node *yaml.Node, key string, into *Source) {
	rest := *node
	rest.Content = nil
	d.entries(node, key, func(name, content *yaml.Node) {
		at := child(key, name.Value)
		switch name.Value {
		case "name":
			d.lines[at] = name.Line
			d.decode(content, at, &into.Name)
		case "kind":
			d.lines[at] = name.Line
			d.decode(content, at, &into.Kind)
		default:
			rest.Content = append(rest.Content, name, content)
		}
	})
	prototype, known := d.kinds[into.Kind]
	switch {
	case node.Kind != yaml.MappingNode:
	case into.Kind == "":
		d.problem(key, "a source needs a kind: one of %s", d.kinds.names())
	case !known:
		d.problem(child(key, "kind"), "it is no kind of source that this version of openim-dr knows: one of %s", d.kinds.names())
	default:
		into.Settings = prototype()
		d.decode(&rest, key, into.Settings)
		d.nodes[key] = node
	}
}

func (k Kinds) names() string {
	names := make([]string, 0, len(k))
	for name := range k {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// validateSources checks a list of sources that stands under key.
func (d *decoder) validateSources(key string, sources []Source) {
	if len(sources) == 0 {
		d.problem(key, "name at least one source")
	}
	first := map[string]int{}
	for i, s := range sources {
		at := element(key, i)
		earlier, twice := first[s.Name]
		switch {
		case s.Name == "":
			d.problem(at, "a source needs a name")
		case strings.ContainsAny(s.Name, "/=, \t\r\n"):
			d.problem(child(at, "name"), `a name holds no blank and none of "/", "=" and ","`)
		case twice:
			d.problem(child(at, "name"), "%s has the same name", element(key, earlier))
		default:
			first[s.Name] = i
		}
		if s.Settings != nil {
			d.validateSettings(at, s.Settings)
		}
	}
}

// validateSettings lets the kind judge, and finds the line: of the value that
// its message quotes, else of the key that it begins with.
func (d *decoder) validateSettings(key string, settings Settings) {
	err := settings.Validate()
	if err == nil {
		return
	}
	text := err.Error()
	if e, ok := fault.Outermost(err); ok {
		text = e.Reason()
	}
	name, reason, found := strings.Cut(text, ": ")
	at := child(key, name)
	if _, seen := d.lines[at]; !found || !seen {
		at, reason = key, text
	}
	reason, line := withoutValues(d.nodes[key], reason)
	d.problem(at, "%s", reason)
	if line > 0 {
		d.problems[len(d.problems)-1].Line = line
	}
}

// withoutValues takes the file's own values out of a message, and returns the
// line of the first that stood in it.
func withoutValues(node *yaml.Node, text string) (cleaned string, line int) {
	for _, n := range scalars(node) {
		quoted := strconv.Quote(n.Value)
		if n.Value == "" || !strings.Contains(text, quoted) {
			continue
		}
		text = strings.ReplaceAll(text, quoted, "it")
		if line == 0 {
			line = n.Line
		}
	}
	return text, line
}

// scalars returns the single values below a node, without the keys.
func scalars(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.ScalarNode {
		return []*yaml.Node{node}
	}
	var found []*yaml.Node
	for i, n := range node.Content {
		if node.Kind != yaml.MappingNode || i%2 == 1 {
			found = append(found, scalars(n)...)
		}
	}
	return found
}
