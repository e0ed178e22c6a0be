// Package helm tests the chart: as Helm renders it, as a Kubernetes API server takes it,
// and against what openim-dr itself says of the same configuration.
package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

const (
	chart   = "openim-dr"
	release = "openim-dr"
	// inNamespace is that of the release, and its drill is in another one.
	inNamespace = "openim-dr"
	ofCluster   = "1.34.2"
)

// program is openim-dr, whose word on a configuration counts.
var program string

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "openim-dr-chart")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "openim-dr")
	if output, err := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules", "-o", program, "../../cmd/openim-dr").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build openim-dr: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// combinations are the files of values that the chart is rendered with, by name.
func combinations(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/[0-9]*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range paths {
		all[strings.TrimSuffix(filepath.Base(path), ".yaml")] = path
	}
	if len(all) < 12 {
		t.Fatalf("there are %d combinations of values, want 12 and more", len(all))
	}
	return all
}

// values are the arguments that give Helm the values of a combination.
func values(path string) []string {
	return []string{"--values", "testdata/base.yaml", "--values", path, "--kube-version", ofCluster}
}

// rendered are the objects of a release.
type rendered []*unstructured.Unstructured

func render(t *testing.T, env *testbed.Env, path string, more ...string) rendered {
	t.Helper()
	arguments := append([]string{"template", release, chart, "--namespace", inNamespace}, values(path)...)
	return parse(t, env.RunHelm(t, append(arguments, more...)...))
}

func parse(t *testing.T, text string) (all rendered) {
	t.Helper()
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		u := new(unstructured.Unstructured)
		err := d.Decode(u)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read what Helm rendered: %v", err)
		}
		if len(u.Object) > 0 {
			all = append(all, u)
		}
	}
}

// ofKind are the objects of a kind.
func (r rendered) ofKind(kind string) (some rendered) {
	for _, u := range r {
		if u.GetKind() == kind {
			some = append(some, u)
		}
	}
	return some
}

// the returns the only object of a kind and a name.
func (r rendered) the(t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, u := range r.ofKind(kind) {
		if u.GetName() == name {
			return u
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// as converts an object to the type of its kind.
func as[T any](t *testing.T, u *unstructured.Unstructured) *T {
	t.Helper()
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, into, true); err != nil {
		t.Fatalf("%s %s: %v", u.GetKind(), u.GetName(), err)
	}
	return into
}

// configuration writes what a ConfigMap has for openim-dr to a file, and returns its path.
func (r rendered) configuration(t *testing.T, name string) string {
	t.Helper()
	text, _, err := unstructured.NestedString(r.the(t, "ConfigMap", name).Object, "data", "openim-dr.yaml")
	if err != nil || text == "" {
		t.Fatalf("ConfigMap %s has no openim-dr.yaml: %v", name, err)
	}
	path := filepath.Join(t.TempDir(), "openim-dr.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask runs openim-dr, in the cluster of the testbed where it asks one.
func ask(t *testing.T, env *testbed.Env, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+env.Kubeconfig)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("openim-dr %s: %v\n%s", strings.Join(arguments, " "), err, stderr.Bytes())
	}
	return string(output)
}
