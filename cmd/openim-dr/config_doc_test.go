package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/config"
)

// schemaNode is what of a JSON schema names keys.
type schemaNode struct {
	Properties map[string]schemaNode `json:"properties"`
	Items      *schemaNode           `json:"items"`
	Const      string                `json:"const"`
	OneOf      []schemaNode          `json:"oneOf"`
	Defs       map[string]schemaNode `json:"$defs"`
}

// keys returns the paths of all keys below a node.
func (n schemaNode) keys(prefix string) []string {
	var all []string
	for name, child := range n.Properties {
		all = append(all, prefix+name)
		all = append(all, child.keys(prefix+name+".")...)
		if child.Items != nil {
			all = append(all, child.Items.keys(prefix+name+"[].")...)
		}
	}
	return all
}

// TestConfigurationIsDocumented ties docs/CONFIG.md to the schema: every key
// stands in it, and no other.
func TestConfigurationIsDocumented(t *testing.T) {
	text, err := config.Schema(settingsOfKinds())
	if err != nil {
		t.Fatal(err)
	}
	var schema schemaNode
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(schema.keys(""), func(key string) bool {
		return strings.HasPrefix(key, "copies[].retention.") // those of retention
	})
	for _, kind := range schema.Defs["source"].OneOf {
		name := kind.Properties["kind"].Const
		for _, key := range kind.keys("") {
			if key != "name" && key != "kind" { // of every source
				want = append(want, name+": "+key)
			}
		}
	}
	want = append(want, "name", "kind")
	slices.Sort(want)
	if diff := cmp.Diff(want, documentedKeys(t)); diff != "" {
		t.Errorf("keys of the schema and of docs/CONFIG.md (-schema +document):\n%s", diff)
	}
}

var (
	kindHeading = regexp.MustCompile("^## Kind `(\\w+)`$")
	keyRow      = regexp.MustCompile("^\\| `([^`]+)` \\|.+\\|.*\\|.*\\|$")
)

// documentedKeys returns the keys of the tables of docs/CONFIG.md, those of a
// kind of source with the kind before them.
func documentedKeys(t *testing.T) []string {
	t.Helper()
	var keys []string
	prefix := ""
	for line := range strings.Lines(readDocument(t, "CONFIG.md")) {
		line = strings.TrimSuffix(line, "\n")
		if heading := kindHeading.FindStringSubmatch(line); heading != nil {
			prefix = heading[1] + ": "
		}
		if row := keyRow.FindStringSubmatch(line); row != nil {
			keys = append(keys, prefix+row[1])
		}
	}
	slices.Sort(keys)
	return keys
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocumentedSourcesAreValid reads the examples of docs/CONFIG.md.
func TestDocumentedSourcesAreValid(t *testing.T) {
	kinds := map[string]bool{}
	for i, block := range strings.Split(readDocument(t, "CONFIG.md"), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		path := filepath.Join(t.TempDir(), "sources.yaml")
		if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		sources, err := config.LoadSources(path, settingsOfKinds())
		if err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		for _, s := range sources {
			kinds[s.Kind] = true
		}
	}
	for kind := range settingsOfKinds() {
		if !kinds[kind] {
			t.Errorf("no example has a source of kind %s", kind)
		}
	}
}

// TestDocumentedHooksAreValid reads the hooks of docs/CONFIG.md, and those that
// the example has commented out.
func TestDocumentedHooksAreValid(t *testing.T) {
	_, documented, _ := strings.Cut(readDocument(t, "CONFIG.md"), "~~~yaml\n")
	documented, _, _ = strings.Cut(documented, "~~~")
	before, commented, _ := strings.Cut(config.Example, "# hooks:")
	for name, file := range map[string]string{
		"docs/CONFIG.md": config.Example + documented,
		"the example":    before + regexp.MustCompile(`(?m)^# `).ReplaceAllString("# hooks:"+commented, ""),
	} {
		c, err := config.Parse([]byte(file), settingsOfKinds())
		if err != nil || len(c.Hooks) != 2 {
			t.Errorf("%s: %d hooks, %v", name, len(c.Hooks), err)
		}
	}
}
