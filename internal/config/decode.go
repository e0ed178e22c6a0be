package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/spelling"
)

// decoder fills Go values from YAML nodes. It goes on after a problem, so
// that all are reported at once. The YAML package's own strict decoding would
// do, were its errors not to quote the file.
type decoder struct {
	kinds    Kinds
	problems Problems
	lines    map[string]int // of each key that was seen, by its path
	nodes    map[string]*yaml.Node
}

func newDecoder(kinds Kinds) *decoder {
	return &decoder{kinds: kinds, lines: map[string]int{}, nodes: map[string]*yaml.Node{}}
}

// later are keys that the design knows and this version does not: refused,
// lest somebody believe that they work.
var later = []string{
	"repository.control",
}

// problem reports on a key, or on the nearest one above it in the file.
func (d *decoder) problem(key, format string, args ...any) {
	line := 1
	for at := key; ; at = parent(at) {
		if n, ok := d.lines[at]; ok {
			line = n
			break
		}
		if at == "" {
			break
		}
	}
	d.problems = append(d.problems, Problem{line, key, fmt.Sprintf(format, args...)})
}

func parent(key string) string {
	i := strings.LastIndexAny(key, ".[")
	return key[:max(i, 0)]
}

// child returns the path of a key below another.
func child(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// decode fills what into points to.
func (d *decoder) decode(node *yaml.Node, key string, into any) {
	d.value(node, key, reflect.ValueOf(into).Elem())
}

func (d *decoder) value(node *yaml.Node, key string, v reflect.Value) {
	if _, seen := d.lines[key]; !seen {
		d.lines[key] = node.Line
	}
	d.nodes[key] = node
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		d.problem(key, "anchors and aliases are not understood here; write it out")
		return
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		d.problem(key, "it has no value; leave the key out for the default")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch into := v.Addr().Interface().(type) {
	case *Source:
		d.source(node, key, into)
	case *time.Time:
		d.scalar(node, key, `a time such as "2026-11-23T02:00:00Z"`, func(text string) (err error) {
			*into, err = time.Parse(time.RFC3339, text)
			return err
		})
	case *time.Duration:
		d.scalar(node, key, `a duration such as "90s" or "30d"`, func(text string) error {
			parsed, err := quantity.ParseDuration(text)
			*into = parsed.Duration()
			return err
		})
	case encoding.TextUnmarshaler:
		d.text(node, key, into)
	default:
		d.plain(node, key, v)
	}
}

// plain fills what the language itself provides.
func (d *decoder) plain(node *yaml.Node, key string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(node, key, v)
	case reflect.Slice:
		d.list(node, key, v)
	case reflect.Map:
		d.dictionary(node, key, v)
	case reflect.String:
		d.scalar(node, key, "a text", func(text string) error {
			v.SetString(text)
			return nil
		})
	case reflect.Bool:
		d.scalar(node, key, "true or false", func(text string) error {
			parsed, err := strconv.ParseBool(text)
			v.SetBool(parsed)
			return err
		})
	case reflect.Int, reflect.Int64:
		d.scalar(node, key, "a whole number", func(text string) error {
			parsed, err := strconv.ParseInt(text, 10, v.Type().Bits())
			v.SetInt(parsed)
			return err
		})
	default:
		panic(fmt.Sprintf("settings hold a %s, which config cannot read", v.Type())) // a defect of a kind's Settings
	}
}

// scalar reads a single value; what says what it should be.
func (d *decoder) scalar(node *yaml.Node, key, what string, read func(string) error) {
	if node.Kind != yaml.ScalarNode || read(node.Value) != nil {
		d.problem(key, "it is not %s", what)
	}
}

// text reads a value that knows its own form. An error that quotes what it
// was given is replaced.
func (d *decoder) text(node *yaml.Node, key string, into encoding.TextUnmarshaler) {
	if node.Kind != yaml.ScalarNode {
		d.problem(key, "it is not a single value")
		return
	}
	err := into.UnmarshalText([]byte(node.Value))
	switch {
	case err == nil:
	case node.Value != "" && strings.Contains(err.Error(), node.Value):
		d.problem(key, "it is not what belongs here")
	default:
		d.problem(key, "%s", err)
	}
}

func (d *decoder) list(node *yaml.Node, key string, v reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.problem(key, "it is not a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		d.value(item, element(key, i), v.Index(i))
	}
}

func (d *decoder) dictionary(node *yaml.Node, key string, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.entries(node, key, func(name, content *yaml.Node) {
		value := reflect.New(v.Type().Elem()).Elem()
		at := child(key, fmt.Sprintf("(entry in line %d)", name.Line)) // the name is the file's own text
		d.lines[at] = name.Line
		d.value(content, at, value)
		v.SetMapIndex(reflect.ValueOf(name.Value), value)
	})
}

func (d *decoder) structure(node *yaml.Node, key string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	d.entries(node, key, func(name, content *yaml.Node) {
		index, known := fields[name.Value]
		if !known {
			d.unknown(name, key, fields)
			return
		}
		at := child(key, name.Value)
		d.lines[at] = name.Line
		d.value(content, at, v.Field(index))
	})
}

// entries calls fn for every entry of a mapping, each name once.
func (d *decoder) entries(node *yaml.Node, key string, fn func(name, content *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.problem(key, "it is not a mapping of keys to values")
		return
	}
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		first, twice := seen[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			d.problems = append(d.problems, Problem{name.Line, key, "a key here is not a text"})
		case twice:
			d.problems = append(d.problems, Problem{name.Line, key, fmt.Sprintf("the key stands in line %d already", first)})
		default:
			seen[name.Value] = name.Line
			fn(name, node.Content[i+1])
		}
	}
}

// unknown reports a key that nobody reads, without its text.
func (d *decoder) unknown(name *yaml.Node, key string, fields map[string]int) {
	at := child(key, name.Value)
	if slices.Contains(later, at) {
		d.problems = append(d.problems, Problem{name.Line, at, "it is not in this version of openim-dr, and would do nothing"})
		return
	}
	known := make([]string, 0, len(fields))
	for field := range fields {
		known = append(known, field)
	}
	slices.Sort(known)
	text := "unknown key; "
	if meant, ok := spelling.Meant(name.Value, known); ok {
		text += "is " + meant + " meant? "
	}
	d.problems = append(d.problems, Problem{name.Line, key, text + "known here are " + strings.Join(known, ", ")})
}

// fieldsOf returns the fields of a struct by their yaml names.
func fieldsOf(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
		}
	}
	return fields
}
