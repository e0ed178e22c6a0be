// Package fields finds where two objects of Kubernetes differ, field by field; by what the
// server says about who has written which field, whether that is somebody's doing; and
// how much of it may be shown. It asks no server, and keeps nothing.
package fields

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// step leads from a value of an object to one within it.
type step struct {
	field string // of a mapping
	// element is the mapping that is an element of a list, by which managedFields
	// name it; nil for a field.
	element map[string]any
	text    string // of an element: "[name=main]", "[0]"
}

func fieldStep(name string) step { return step{field: name} }

func elementStep(element any, text string) step {
	fields, _ := element.(map[string]any)
	if fields == nil {
		fields = map[string]any{}
	}
	return step{element: fields, text: text}
}

// below returns a path that goes one step further. It shares nothing with path.
func below(path []step, s step) []step { return append(slices.Clone(path), s) }

// pathText spells a path: spec.containers[name=main].image, data["config.yaml"].
func pathText(path []step) string {
	var b strings.Builder
	for _, s := range path {
		switch {
		case s.element != nil:
			b.WriteString(s.text)
		case isPlainField(s.field):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.field)
		default:
			b.WriteString("[" + strconv.Quote(s.field) + "]")
		}
	}
	return b.String()
}

func isPlainField(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

// scalarText is a value that is neither a mapping nor a list as text. Numbers that
// are equal are equal as text, whatever type they have.
func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, bool, int64, float64:
		return true
	default:
		return false
	}
}

// elementKeys are the fields by which Kubernetes tells elements of its lists apart,
// the usual ones first.
var elementKeys = []string{"name", "mountPath", "containerPort", "port", "devicePath", "ip", "host", "topologyKey", "key", "path", "uid"}

// elementKey returns the field that tells the elements of lists apart, or nothing
// where they have none: every element has it, and in each list no two are alike.
func elementKey(lists ...[]any) string {
	for _, key := range elementKeys {
		if !slices.ContainsFunc(lists, func(list []any) bool { return !hasUnique(list, key) }) {
			return key
		}
	}
	return ""
}

func hasUnique(list []any, key string) bool {
	seen := make(map[string]bool, len(list))
	for _, element := range list {
		fields, _ := element.(map[string]any)
		value := fields[key]
		if !isScalar(value) || seen[scalarText(value)] {
			return false
		}
		seen[scalarText(value)] = true
	}
	return true
}

// keyed returns the elements of a list by what tells them apart.
func keyed(list []any, key string) (byKey map[string]any, order []string) {
	byKey = make(map[string]any, len(list))
	for _, element := range list {
		name := scalarText(element.(map[string]any)[key]) // hasUnique has seen it
		byKey[name] = element
		order = append(order, name)
	}
	return byKey, order
}

func keyStep(element any, key, value string) step {
	return elementStep(element, "["+key+"="+value+"]")
}

// Difference is one place in which two objects differ. What is absent is nil.
type Difference struct {
	path          []step
	before, after any
}

// Top is the field of the object in which it lies.
func (d Difference) Top() string { return d.path[0].field }

// Compare calls found for every place in which two objects differ, in the order of the
// fields' names.
func Compare(before, after map[string]any, found func(Difference)) {
	differences(nil, before, after, found)
}

// differences finds those of two values. Elements of a list are told apart by a key where
// they have one.
func differences(path []step, before, after any, found func(Difference)) {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			differingFields(path, b, a, found)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			differingElements(path, b, a, found)
			return
		}
	}
	if isScalar(before) && before == after || before == nil && after == nil {
		return
	}
	found(Difference{path, before, after})
}

func differingFields(path []step, before, after map[string]any, found func(Difference)) {
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		differences(below(path, fieldStep(name)), before[name], after[name], found)
	}
}

func differingElements(path []step, before, after []any, found func(Difference)) {
	key := elementKey(before, after)
	if key == "" {
		differingRow(path, before, after, found)
		return
	}
	was, order := keyed(before, key)
	is, newOrder := keyed(after, key)
	if !sameOrder(order, newOrder, was, is) {
		found(Difference{path, before, after})
		return
	}
	for _, name := range order {
		differences(below(path, keyStep(was[name], key, name)), was[name], is[name], found)
	}
	for _, name := range newOrder {
		if _, both := was[name]; !both {
			found(Difference{below(path, keyStep(is[name], key, name)), nil, is[name]})
		}
	}
}

// sameOrder reports whether what two lists have in common stands in one order.
func sameOrder(before, after []string, was, is map[string]any) bool {
	common := func(order []string, other map[string]any) []string {
		return slices.DeleteFunc(slices.Clone(order), func(name string) bool { _, ok := other[name]; return !ok })
	}
	return slices.Equal(common(before, is), common(after, was))
}

// differingRow compares lists whose elements only their places tell apart: where
// the number of them is another one, nobody knows which is which.
func differingRow(path []step, before, after []any, found func(Difference)) {
	if len(before) != len(after) {
		found(Difference{path, before, after})
		return
	}
	for i := range before {
		differences(below(path, elementStep(before[i], indexText(i))), before[i], after[i], found)
	}
}

func indexText(i int) string { return "[" + strconv.Itoa(i) + "]" }

// compactJSON is a value as it stands in a result.
func compactJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return nil // of JSON or YAML, so that it can be written as JSON
	}
	return data
}
