package testbed

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Chart is a chart of Helm in a directory of the test's own.
type Chart struct{ dir string }

// NewChart writes a chart: templates by the name of their file, and default values
// as YAML.
func NewChart(t testing.TB, name, version, appVersion, values string, templates map[string]string) *Chart {
	t.Helper()
	c := &Chart{filepath.Join(t.TempDir(), name)}
	c.write(t, "Chart.yaml", "apiVersion: v2\nname: "+name+"\nversion: "+version+"\nappVersion: "+appVersion+"\n")
	c.write(t, "values.yaml", values)
	for _, file := range slices.Sorted(maps.Keys(templates)) {
		c.write(t, filepath.Join("templates", file), templates[file])
	}
	return c
}

func (c *Chart) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Install installs the chart as a release in a namespace that is there, or upgrades
// the release to it. It does not wait for pods, which nobody runs.
func (c *Chart) Install(t testing.TB, e *Env, namespace, release string, arguments ...string) {
	t.Helper()
	e.RunHelm(t, append([]string{"upgrade", "--install", release, c.dir, "--namespace", namespace}, arguments...)...)
}

// helmPatience is how long the program may take, on a busy machine.
const helmPatience = 2 * time.Minute

// RunHelm runs the program with the cluster's kubeconfig, and returns what it prints.
func (e *Env) RunHelm(t testing.TB, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), helmPatience) // tests also clean up with it
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, e.Helm, arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+e.Kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", arguments[0], err, output)
	}
	return string(output)
}
