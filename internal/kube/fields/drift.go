package fields

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openim-dr/openim-dr/internal/kube/helm"
)

// Drift finds where an object is not as the manifest of its release has it, and
// not because of the server or of a program that works by itself. live is the object
// in canonical form, owners what the server says about who wrote its fields.
//
// A manifest is not the whole object: the server adds defaults, writes quantities in
// another way and leaves out what is empty, and controllers add what is theirs. So a
// field counts if a hand has written it (see isHand), and of what the object has
// beyond the manifest nothing else does. What differs or is missing and belongs to
// nobody counts if a hand has changed the object at all, if the server does not
// tell, or if it is nothing that a server would leave out. scaled says that an autoscaler
// sets the replicas.
func Drift(want, live map[string]any, owners Owners, scaled bool) []Difference {
	d := &drifting{owners: owners, scaled: scaled, secret: want["kind"] == "Secret"}
	d.fields(nil, served(want), live)
	return d.found
}

type drifting struct {
	owners Owners
	scaled bool
	secret bool
	found  []Difference
}

// identity are fields that say which object it is, and what the server keeps.
var identity = []string{"apiVersion", "kind", "status"}

// comparedMetadata are the metadata that people write.
var comparedMetadata = []string{"labels", "annotations", "finalizers"}

// ownNames are mappings in which the user chooses the names.
var ownNames = []string{"data", "binaryData", "labels", "annotations"}

// bookkeeping are annotations and labels by which programs keep their books.
var bookkeeping = []string{lastApplied, "kubectl.kubernetes.io/restartedAt", "app.kubernetes.io/managed-by", helm.NameAnnotation, helm.NamespaceAnnotation}

// served returns a manifest's object in the form that the server gives it.
func served(want map[string]any) map[string]any {
	want = maps.Clone(want)
	texts, ok := want["stringData"].(map[string]any)
	if want["kind"] != "Secret" || !ok {
		return want
	}
	data := maps.Clone(asFields(want["data"]))
	if data == nil {
		data = map[string]any{}
	}
	for name, text := range texts {
		if isScalar(text) {
			data[name] = base64.StdEncoding.EncodeToString([]byte(scalarText(text)))
		}
	}
	delete(want, "stringData")
	want["data"] = data
	return want
}

func asFields(v any) map[string]any {
	fields, _ := v.(map[string]any)
	return fields
}

func (d *drifting) values(path []step, want, live any) {
	switch w := want.(type) {
	case map[string]any:
		if l, ok := live.(map[string]any); ok {
			d.fields(path, w, l)
			return
		}
	case []any:
		if l, ok := live.([]any); ok {
			d.elements(path, w, l)
			return
		}
	}
	switch {
	case isEmpty(want) && (live == nil || isEmpty(live)), want == nil:
		return // null is for the server to fill in, and what is empty is left out
	case live == nil:
		d.missing(path, want)
	case !d.same(path, want, live):
		d.differs(path, want, live)
	}
}

func (d *drifting) fields(path []step, want, live map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !ignored(path, name) {
			d.values(below(path, fieldStep(name)), want[name], live[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(live)) {
		if _, wanted := want[name]; wanted || ignored(path, name) {
			continue
		}
		at := below(path, fieldStep(name))
		if entries, ok := live[name].(map[string]any); ok && slices.Contains(ownNames, name) {
			d.fields(at, nil, entries)
		} else {
			d.surplus(at, live[name])
		}
	}
}

// ignored reports whether a field is none that a manifest decides.
func ignored(path []step, name string) bool {
	switch {
	case len(path) == 0:
		return slices.Contains(identity, name)
	case len(path) == 1 && path[0].field == "metadata":
		return !slices.Contains(comparedMetadata, name)
	default:
		return slices.Contains(bookkeeping, name) || strings.HasPrefix(name, "deployment.kubernetes.io/")
	}
}

func (d *drifting) elements(path []step, want, live []any) {
	key := elementKey(want, live)
	if key == "" {
		d.row(path, want, live)
		return
	}
	wanted, order := keyed(want, key)
	there, liveOrder := keyed(live, key)
	for _, name := range order {
		at := there[name]
		if at == nil {
			d.missing(below(path, keyStep(wanted[name], key, name)), wanted[name])
			continue
		}
		d.values(below(path, keyStep(at, key, name)), wanted[name], at)
	}
	for _, name := range liveOrder {
		if _, ok := wanted[name]; !ok {
			d.surplus(below(path, keyStep(there[name], key, name)), there[name])
		}
	}
}

// row compares lists whose elements only their places tell apart.
func (d *drifting) row(path []step, want, live []any) {
	switch {
	case len(want) == 0 && len(live) > 0:
		d.surplus(path, live)
	case len(want) != len(live):
		d.differs(path, want, live)
	default:
		for i := range want {
			d.values(below(path, elementStep(live[i], indexText(i))), want[i], live[i])
		}
	}
}

// differs is for what both have, and not alike.
func (d *drifting) differs(path []step, want, live any) {
	if d.scaled && pathText(path) == "spec.replicas" {
		return
	}
	if d.written(d.owners.of(path)) {
		d.found = append(d.found, Difference{path, want, live})
	}
}

// written reports whether a difference is somebody's doing, by who owns the field.
func (d *drifting) written(managers []string) bool {
	if len(managers) == 0 {
		return len(d.owners) == 0 || d.owners.touched()
	}
	// A restore writes what it has found in its point, whoever wrote that.
	restored := slices.Contains(managers, OwnManager) && !slices.ContainsFunc(managers, isHelm)
	return restored || slices.ContainsFunc(managers, IsHand)
}

// missing is for what only the manifest has. The server leaves fields out that it
// does not know, and tells nobody; entries of a mapping and elements of a list it
// does not. Of what was removed by hand managedFields know nothing.
func (d *drifting) missing(path []step, want any) {
	if isEntry(path) || len(d.owners) == 0 || d.owners.touched() {
		d.found = append(d.found, Difference{path, want, nil})
	}
}

// isEntry reports whether a path leads to something whose name is the user's own.
func isEntry(path []step) bool {
	last := path[len(path)-1]
	if last.element != nil || len(path) == 1 {
		return last.element != nil
	}
	return slices.Contains(ownNames, path[len(path)-2].field)
}

// surplus is for what only the object has.
func (d *drifting) surplus(path []step, live any) {
	if d.scaled && pathText(path) == "spec.replicas" {
		return
	}
	if d.owners.byHand(path) {
		d.found = append(d.found, Difference{path, nil, live})
	}
}

// isEmpty reports whether the server may leave a value out.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	default:
		return false
	}
}

// same reports whether the server may write the one for the other.
func (d *drifting) same(path []step, want, live any) bool {
	if !isScalar(want) || !isScalar(live) {
		return false
	}
	w, l := scalarText(want), scalarText(live)
	switch {
	case w == l:
		return true
	case path[0].field == "data" && !d.secret:
		return false
	case path[0].field == "data", path[0].field == "binaryData":
		return sameBase64(w, l)
	default:
		return isQuantity(path) && sameQuantity(w, l)
	}
}

// sameBase64 holds contents against each other that may be broken into lines in
// another way.
func sameBase64(a, b string) bool {
	if !strings.ContainsAny(a, "\r\n") {
		return false
	}
	was, err := base64.StdEncoding.DecodeString(a) // it skips line breaks
	if err != nil {
		return false
	}
	is, err := base64.StdEncoding.DecodeString(b)
	return err == nil && bytes.Equal(was, is)
}

// quantities are the fields in or below which Kubernetes has quantities.
var quantities = []string{
	"limits", "requests", "capacity", "hard", "min", "max", "default", "defaultRequest", "maxLimitRequestRatio",
	"sizeLimit", "storage", "divisor", "averageValue", "podFixed", "value",
}

func isQuantity(path []step) bool {
	for i, s := range path {
		// An environment's value is a text.
		if s.field == "env" || s.field == "value" && i > 0 && path[i-1].element != nil {
			return false
		}
	}
	return slices.ContainsFunc(path, func(s step) bool { return slices.Contains(quantities, s.field) })
}

func sameQuantity(a, b string) bool {
	was, err := resource.ParseQuantity(a)
	if err != nil {
		return false
	}
	is, err := resource.ParseQuantity(b)
	return err == nil && was.Cmp(is) == 0
}
