package fields

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// Change is one field that is not as it was, or as it should be. What may be a
// secret stands in it as a keyed digest: equal digests are equal values, and nobody
// can find a value out by guessing.
type Change struct {
	Path         string `json:"path"`
	Before       any    `json:"before,omitempty"`
	After        any    `json:"after,omitempty"`
	BeforeDigest string `json:"beforeDigest,omitempty"`
	AfterDigest  string `json:"afterDigest,omitempty"`
}

// largestShown bounds a value that is shown, as JSON: more is a digest too.
const largestShown = 4 << 10

// Disclosure decides what of an object may be shown. It is not safe for concurrent use.
type Disclosure struct {
	Hasher *seal.Hasher // of what may not
	// Values lets values of ConfigMaps and of environments be shown. Those of
	// Secrets never are.
	Values bool
}

// Change describes a difference between two objects of a kind.
func (d *Disclosure) Change(kind schema.GroupKind, diff Difference) Change {
	change := Change{Path: pathText(diff.path)}
	before, after := compactJSON(diff.before), compactJSON(diff.after)
	if d.conceals(kind, diff) || max(len(before), len(after)) > largestShown {
		change.BeforeDigest, change.AfterDigest = d.digest(diff.before, before), d.digest(diff.after, after)
		return change
	}
	change.Before, change.After = diff.before, diff.after
	return change
}

func (d *Disclosure) digest(v any, text []byte) string {
	if v == nil {
		return ""
	}
	d.Hasher.Reset()
	_, _ = d.Hasher.Write(text) // a hash never fails
	return d.Hasher.Sum().String()
}

// conceals reports whether what differs may be a secret.
func (d *Disclosure) conceals(kind schema.GroupKind, diff Difference) bool {
	path := diff.path
	if isSecret(kind) {
		return !isLabel(path) && !isField(path, "type") && !isField(path, "immutable")
	}
	if d.Values {
		return false
	}
	if isConfigMap(kind) && len(path) > 0 && (path[0].field == "data" || path[0].field == "binaryData") {
		return true
	}
	return slices.ContainsFunc(path, func(s step) bool { return isSetting(s.field) }) || holdsSetting(diff.before) || holdsSetting(diff.after)
}

func isSecret(kind schema.GroupKind) bool { return kind.Group == "" && kind.Kind == "Secret" }

func isConfigMap(kind schema.GroupKind) bool { return kind.Group == "" && kind.Kind == "ConfigMap" }

func isField(path []step, name string) bool { return len(path) == 1 && path[0].field == name }

func isLabel(path []step) bool {
	return len(path) == 3 && path[0].field == "metadata" && path[1].field == "labels"
}

// lastApplied is a copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// settings are fields of any kind into which people put passwords, and endings of
// the names of such fields.
var (
	settings    = []string{"env", "args", "command", lastApplied}
	settingEnds = []string{"password", "passwd", "passphrase", "token", "secret", "apikey", "accesskey", "secretkey"}
)

func isSetting(field string) bool {
	lower := strings.ToLower(field)
	return slices.Contains(settings, field) || slices.ContainsFunc(settingEnds, func(end string) bool { return strings.HasSuffix(lower, end) })
}

// holdsSetting reports whether there is one anywhere in a value.
func holdsSetting(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if isSetting(name) || holdsSetting(value) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSetting)
	}
	return false
}
