package fields

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Owners is what the server says about who wrote which field of an object: its
// managedFields, as they are before they are stripped. It shares its maps with the
// object.
type Owners []fieldOwner

// fieldOwner is one of the managers of an object.
type fieldOwner struct {
	manager string
	time    string         // RFC 3339, as the server has it
	fields  map[string]any // fieldsV1: "f:name" for a field, "k:{…}" for an element of a list
	sub     string         // the subresource that it wrote through
}

// OwnersOf reads the managedFields of an object.
func OwnersOf(u *unstructured.Unstructured) Owners {
	metadata, _ := u.Object["metadata"].(map[string]any)
	managed, _ := metadata["managedFields"].([]any)
	owners := make(Owners, 0, len(managed))
	for _, entry := range managed {
		e, _ := entry.(map[string]any)
		var o fieldOwner
		o.manager, _ = e["manager"].(string)
		o.time, _ = e["time"].(string)
		o.fields, _ = e["fieldsV1"].(map[string]any)
		o.sub, _ = e["subresource"].(string)
		owners = append(owners, o)
	}
	return owners
}

// Newest is who has changed the object last, subresources aside, and when. The time
// is zero where the server does not tell.
func (o Owners) Newest() (manager string, at time.Time) {
	return o.newestOf(func(owner fieldOwner) bool { return owner.sub == "" })
}

// NewestHand is the hand that has written one of some fields last. Of what was written
// through the subresource scale the server does not tell the time.
func (o Owners) NewestHand(fields []Difference) (manager string, at time.Time) {
	return o.newestOf(func(owner fieldOwner) bool {
		return owner.sub != "status" && IsHand(owner.manager) && slices.ContainsFunc(fields, func(d Difference) bool { return owns(owner.fields, d.path) })
	})
}

func (o Owners) newestOf(wanted func(fieldOwner) bool) (manager string, at time.Time) {
	for _, owner := range o {
		if !wanted(owner) {
			continue
		}
		t, err := time.Parse(time.RFC3339, owner.time)
		if manager == "" || err == nil && !t.Before(at) { // of several within a second the last one
			manager, at = owner.manager, t
		}
	}
	return manager, at
}

// of returns who owns a field, or some of it.
func (o Owners) of(path []step) []string {
	var managers []string
	for _, owner := range o {
		if owner.sub != "status" && owns(owner.fields, path) {
			managers = append(managers, owner.manager)
		}
	}
	return managers
}

// byHand reports whether people, or programs that nobody knows of, have written a
// field.
func (o Owners) byHand(path []step) bool { return slices.ContainsFunc(o.of(path), IsHand) }

// touched reports whether a hand has written anything of the object.
func (o Owners) touched() bool {
	return slices.ContainsFunc(o, func(owner fieldOwner) bool { return owner.sub != "status" && IsHand(owner.manager) })
}

// owns follows a path through the fields of a manager. A field without fields of
// its own is owned as a whole, with all that is in it.
func owns(fields map[string]any, path []step) bool {
	if len(fields) == 0 {
		return false
	}
	for _, s := range path {
		below, ok := s.in(fields)
		if !ok {
			return false
		}
		if fields = below; len(fields) == 0 {
			return true
		}
	}
	return true
}

// in finds what a manager owns of a field or an element.
func (s step) in(fields map[string]any) (map[string]any, bool) {
	if s.element == nil {
		below, ok := fields["f:"+s.field].(map[string]any)
		return below, ok
	}
	for name, below := range fields {
		text, ok := strings.CutPrefix(name, "k:")
		if !ok {
			continue
		}
		var wanted map[string]any
		if json.Unmarshal([]byte(text), &wanted) == nil && s.hasAll(wanted) {
			owned, _ := below.(map[string]any)
			return owned, true
		}
	}
	return nil, false
}

// hasAll reports whether an element of a list has the fields that tell it apart.
func (s step) hasAll(wanted map[string]any) bool {
	for name, value := range wanted {
		if got, ok := s.element[name]; ok && scalarText(got) != scalarText(value) {
			return false
		}
	}
	return true
}

// OwnManager is what a restore writes as.
const OwnManager = "openim-dr"

// automata are managers that write for a program, and not for a person: parts of
// Kubernetes, and others by what their names end in.
var (
	automata      = []string{"kube-apiserver", "kube-scheduler", "kubelet", "glbc", "before-first-apply"}
	automatonEnds = []string{"controller", "controller-manager", "operator", "autoscaler", "cainjector"}
)

func isHelm(manager string) bool { return strings.Contains(strings.ToLower(manager), "helm") }

func isAutomaton(manager string) bool {
	return slices.Contains(automata, manager) || slices.ContainsFunc(automatonEnds, func(end string) bool { return strings.HasSuffix(manager, end) })
}

// IsHand reports whether a manager is neither Helm, nor a program that works by
// itself, nor a restore.
func IsHand(manager string) bool {
	return manager != "" && manager != OwnManager && !isHelm(manager) && !isAutomaton(manager)
}
