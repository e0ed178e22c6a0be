package main

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// hands are those of somebody who has a page of the runbook and stock tools, in
// a container, and types what stands there.
type hands struct {
	env    *testbed.Env
	work   string
	mounts []string
	setup  string   // variables and functions
	steps  []string // blocks that end with OK or STOP
	last   string   // the block that removes what the others leave
}

// newHands takes a page in Markdown apart. The directories can be read in the
// container.
func newHands(t *testing.T, env *testbed.Env, page string, mounts ...string) *hands {
	t.Helper()
	h := &hands{env: env, work: t.TempDir(), mounts: mounts}
	blocks := shellBlocksOf(page)
	for _, block := range blocks {
		if strings.HasPrefix(block, "(\n") {
			h.steps = append(h.steps, block)
		} else {
			h.setup += h.last
			h.last = block
		}
	}
	if len(h.steps) < 4 || !strings.HasPrefix(h.last, "rm -rf ") {
		t.Fatalf("the page has %d blocks that end with OK, and %q last:\n%s", len(h.steps), h.last, page)
	}
	return h
}

// shellBlocksOf returns what stands between fences.
func shellBlocksOf(page string) []string {
	var blocks []string
	fence := ""
	for line := range strings.Lines(page) {
		switch {
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = strings.TrimSuffix(line, "sh\n")
			blocks = append(blocks, "")
		case fence != "" && strings.TrimSuffix(line, "\n") == fence:
			fence = ""
		case fence != "":
			blocks[len(blocks)-1] += line
		}
	}
	return blocks
}

// fillIn gives values to the variables that ask for it, which must be all.
func (h *hands) fillIn(t *testing.T, values map[string]string) {
	t.Helper()
	for name, value := range values {
		empty := "\n" + name + "=''  # FILL IN"
		if !strings.Contains(h.setup, empty) {
			t.Fatalf("the page does not ask for %s:\n%s", name, h.setup)
		}
		h.setup = strings.Replace(h.setup, empty, "\n"+name+"='"+value+"'  #", 1)
	}
	if strings.Contains(h.setup, "''  # FILL IN") {
		t.Fatalf("the page asks for more:\n%s", h.setup)
	}
}

// change gives another value to a variable.
func (h *hands) change(t *testing.T, name, value string) {
	t.Helper()
	before, rest, found := strings.Cut(h.setup, "\n"+name+"=")
	_, after, _ := strings.Cut(rest, "\n")
	if !found {
		t.Fatalf("the page has no variable %s:\n%s", name, h.setup)
	}
	h.setup = before + "\n" + name + "='" + value + "'\n" + after
}

// step finds a block by what it says in the end.
func (h *hands) step(t *testing.T, done string) string {
	t.Helper()
	for _, block := range h.steps {
		if strings.Contains(block, " '"+done+"'\n)\n") {
			return block
		}
	}
	t.Fatalf("no block ends with %q", done)
	return ""
}

// ok runs blocks that must end well and without a warning.
func (h *hands) ok(t *testing.T, blocks ...string) string {
	t.Helper()
	out, err := h.env.RunTools(t, h.work, h.mounts, h.setup+strings.Join(blocks, "\n"))
	if err != nil || strings.Contains(out, "STOP") || strings.Contains(out, "Warning") {
		t.Fatalf("the page ended with %v, and printed:\n%s", err, out)
	}
	return out
}

// stops runs blocks of which the last must not end well, and says why.
func (h *hands) stops(t *testing.T, why string, blocks ...string) {
	t.Helper()
	out, err := h.env.RunTools(t, h.work, h.mounts, h.setup+strings.Join(blocks, "\n"))
	if err == nil || !strings.Contains(out, "STOP: ") || !strings.Contains(out, why) {
		t.Errorf("the page ended with %v, want a STOP and %q; it printed:\n%s", err, why, out)
	}
}
