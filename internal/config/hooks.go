package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Bounds of how long a hook may take.
const (
	minHookTimeout = quantity.Duration(time.Second)
	maxHookTimeout = quantity.Duration(hook.MaxTimeout)
)

// headerName is what HTTP allows, without what nobody uses.
var headerName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// validateHooks refuses what would only be noticed when a hook is called: at
// three in the morning.
func (d *decoder) validateHooks(hooks []Hook) {
	for i, h := range hooks {
		key := element("hooks", i)
		if !slices.Contains(hook.Events, h.On) {
			d.problem(child(key, "on"), "it is not one of %v", hook.Events)
		}
		for j, verb := range h.For {
			if !slices.Contains(hook.Verbs, verb) {
				d.problem(element(child(key, "for"), j), "it is not one of %v, which call hooks", hook.Verbs)
			}
		}
		if (len(h.Command) == 0) == (h.URL == "") {
			d.problem(key, "it needs a command or a url, and not both")
		}
		if len(h.Command) > 0 && h.Command[0] == "" {
			d.problem(child(key, "command"), "it begins with no program")
		}
		if _, given := d.lines[child(key, "timeout")]; given && (h.Timeout < minHookTimeout || h.Timeout > maxHookTimeout) {
			d.problem(child(key, "timeout"), "it is not between %s and %s", minHookTimeout, maxHookTimeout)
		}
		d.validateHeaders(child(key, "headers"), h)
	}
}

func (d *decoder) validateHeaders(key string, h Hook) {
	if len(h.Headers) > 0 && h.URL == "" {
		d.problem(key, "only a request has headers")
	}
	node, given := d.nodes[key]
	if !given {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		at := child(key, fmt.Sprintf("(entry in line %d)", name.Line)) // the name is the file's own text
		if !headerName.MatchString(name.Value) {
			d.problem(at, "it is no name of a header")
		}
		if h.Headers[name.Value].IsZero() {
			d.problem(at, "it is empty")
		}
	}
}

// validateObjectives refuses a promise that nobody can keep.
func (d *decoder) validateObjectives(o Objectives) {
	for key, value := range map[string]quantity.Duration{"objectives.rpo": o.RPO, "objectives.rto": o.RTO, "objectives.proof": o.Proof} {
		if _, given := d.lines[key]; given && value <= 0 {
			d.problem(key, "it is not more than nothing")
		}
	}
}
