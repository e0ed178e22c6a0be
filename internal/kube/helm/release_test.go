package helm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/kube/helm/helmtest"
)

// stored is the Secret or ConfigMap that holds a release.
func stored(kind, text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x"}}}
	if kind == "Secret" {
		u.Object["type"] = SecretType
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	u.Object["data"] = map[string]any{"release": text}
	return u
}

func TestReleaseIsRead(t *testing.T) {
	values := map[string]any{"replicas": 2, "large": json.Number("9007199254740993"), "share": 0.5, "image": map[string]any{"tag": "v3"}, "on": "yes"}
	release := helmtest.Chart("openim", "main", 7, "kind: X\n", values)
	plain, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]*unstructured.Unstructured{
		"of a Secret":    stored("Secret", helmtest.Packed(t, release)),
		"of a ConfigMap": stored("ConfigMap", helmtest.Packed(t, release)),
		"not packed":     stored("Secret", base64.StdEncoding.EncodeToString(plain)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(u)
			if err != nil {
				t.Fatal(err)
			}
			want := Release{
				Name: "main", Namespace: "openim", Revision: 7, Status: "deployed", Chart: Chart{Name: "openim", Version: "1.2.3", AppVersion: "3.4.0"},
				Values: got.Values, Manifest: "kind: X\n",
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("release (-want +got):\n%s", diff)
			}
			text, err := got.ValuesYAML()
			if err != nil {
				t.Fatal(err)
			}
			wantText := "image:\n  tag: v3\nlarge: 9007199254740993\n\"on\": \"yes\"\nreplicas: 2\nshare: 0.5\n"
			if diff := cmp.Diff(wantText, string(text)); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReleaseWithoutValues(t *testing.T) {
	got, err := Read(stored("Secret", helmtest.Packed(t, helmtest.Chart("a", "b", 1, "", nil))))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := got.ValuesYAML(); err != nil || string(text) != "{}\n" {
		t.Errorf("values %q, %v", text, err)
	}
}

// Whatever stands in a Secret that looks like Helm's, there is one error for it that
// quotes nothing, and it takes little memory.
func TestReleasesThatAreNone(t *testing.T) {
	other := stored("Secret", helmtest.Packed(t, helmtest.Chart("a", "b", 1, "", nil)))
	other.Object["type"] = "Opaque"
	cut := helmtest.Packed(t, helmtest.Chart("a", "b", 1, strings.Repeat("x: y\n", 100), nil))
	for name, u := range map[string]*unstructured.Unstructured{
		"nothing":             {Object: map[string]any{"kind": "Secret", "type": SecretType}},
		"a Secret of another": other,
		"no base64":           stored("Secret", "hunter2!"),
		"no gzip":             stored("Secret", base64.StdEncoding.EncodeToString([]byte("\x1f\x8b\x08hunter2"))),
		"cut off":             stored("Secret", cut[:len(cut)/2/4*4]),
		"no JSON":             stored("Secret", helmtest.PackedText(t, []byte("hunter2"))),
		"a list":              stored("Secret", helmtest.PackedText(t, []byte(`["hunter2"]`))),
		"another type":        stored("Secret", helmtest.PackedText(t, []byte(`{"name": {"hunter2": 1}}`))),
		"too deep":            stored("Secret", helmtest.PackedText(t, []byte(`{"config": `+strings.Repeat("[", 1<<20)))),
		"too large":           stored("Secret", helmtest.PackedText(t, []byte(`{"manifest": "`+strings.Repeat("x", maxRelease)+`"}`))),
		"large and skipped":   stored("Secret", helmtest.PackedText(t, []byte(`{"chart": {"templates": [`+strings.Repeat(`"xxxxxxxxxxxxxxxx",`, maxRelease/16)+`0]}}`))),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(u)
			if err == nil {
				t.Fatalf("no error, but %+v", got)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the release: %v", err)
			}
		})
	}
}

func TestManifestObjects(t *testing.T) {
	manifest := "---\n# Source: openim/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\n# Source: openim/templates/empty.yaml\n---\n\n---\n" +
		"# Source: openim/templates/b.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {a: \"x & *y\"}\n---\n" +
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: c}}\n- {apiVersion: batch/v1, kind: Job, metadata: {generateName: d-}}\n"
	var got []string
	err := EachObject(manifest, func(u *unstructured.Unstructured) error {
		got = append(got, u.GetKind()+"/"+u.GetName())
		return nil
	})
	if diff := cmp.Diff([]string{"ConfigMap/a", "Secret/b", "Service/c"}, got); err != nil || diff != "" {
		t.Errorf("%v, objects (-want +got):\n%s", err, diff)
	}
}

func ignoreObject(*unstructured.Unstructured) error { return nil }

// A manifest that would take all memory is refused, and so is what is no manifest.
func TestManifestsThatAreNone(t *testing.T) {
	head := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	laughs := "a0: &a0 [x]\n"
	for i := range 30 {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	for name, manifest := range map[string]string{
		"laughs":        head + laughs,
		"a long text":   head + "a: &a \"" + strings.Repeat("x", 100<<10) + "\"\nb: [" + strings.Repeat("*a,", 10000) + "]\n",
		"itself":        head + "a: &a [*a]\n",
		"large":         head + "a: \"" + strings.Repeat("x", largestObject) + "\"\n",
		"no YAML":       head + "\tx: hunter2\n",
		"nothing of it": "hunter2\n",
	} {
		t.Run(name, func(t *testing.T) {
			err := EachObject(manifest, ignoreObject)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
	if err := EachObject(head+"a: &a [x]\nb: *a\n", ignoreObject); err != nil {
		t.Errorf("a harmless alias: %v", err)
	}
}

func FuzzReadRelease(f *testing.F) {
	release := helmtest.Chart("openim", "main", 7, "kind: X\n", map[string]any{"a": 1})
	data, err := json.Marshal(release)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"chart": null, "config": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Read(stored("Secret", helmtest.PackedText(t, data)))
		if err != nil {
			return
		}
		if _, err := got.ValuesYAML(); err != nil {
			t.Errorf("its values: %v", err)
		}
		_ = EachObject(got.Manifest, ignoreObject) // which ends, whatever it is
	})
}
