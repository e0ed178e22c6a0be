package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// chartOf is a release as Helm writes it, with what is wanted of it and some of the
// rest.
func chartOf(namespace, name string, revision int, manifest string, values map[string]any) map[string]any {
	return map[string]any{
		"name": name, "namespace": namespace, "version": revision, "manifest": manifest, "config": values,
		"info":  map[string]any{"status": "deployed", "first_deployed": "2026-11-01T10:00:00Z", "description": "Install complete", "notes": "{}"},
		"hooks": []any{map[string]any{"name": "job", "events": []any{"pre-install"}}},
		"chart": map[string]any{
			"metadata":  map[string]any{"name": "openim", "version": "1.2.3", "appVersion": "3.4.0", "maintainers": []any{map[string]any{"name": "x"}}},
			"templates": []any{map[string]any{"name": "templates/a.yaml", "data": "e30="}}, "values": map[string]any{"replicas": 1}, "lock": nil,
		},
	}
}

// packed is how Helm stores a release.
func packed(t testing.TB, release any) string {
	t.Helper()
	data, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	return packedText(t, data)
}

func packedText(t testing.TB, data []byte) string {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}

// stored is the Secret or ConfigMap that holds a release.
func stored(kind, text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x"}}}
	if kind == "Secret" {
		u.Object["type"] = helmSecretType
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	u.Object["data"] = map[string]any{"release": text}
	return u
}

func TestReleaseIsRead(t *testing.T) {
	values := map[string]any{"replicas": 2, "large": json.Number("9007199254740993"), "share": 0.5, "image": map[string]any{"tag": "v3"}, "on": "yes"}
	release := chartOf("openim", "main", 7, "kind: X\n", values)
	plain, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]*unstructured.Unstructured{
		"of a Secret":    stored("Secret", packed(t, release)),
		"of a ConfigMap": stored("ConfigMap", packed(t, release)),
		"not packed":     stored("Secret", base64.StdEncoding.EncodeToString(plain)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readRelease(u)
			if err != nil {
				t.Fatal(err)
			}
			want := CapturedRelease{Namespace: "openim", Name: "main", Chart: "openim", ChartVersion: "1.2.3", AppVersion: "3.4.0", Revision: 7, Status: "deployed"}
			if diff := cmp.Diff(want, got.captured()); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			text, err := got.values()
			if err != nil {
				t.Fatal(err)
			}
			wantText := "image:\n  tag: v3\nlarge: 9007199254740993\n\"on\": \"yes\"\nreplicas: 2\nshare: 0.5\n"
			if diff := cmp.Diff(wantText, string(text)); diff != "" || got.manifest != "kind: X\n" {
				t.Errorf("values (-want +got):\n%s\nmanifest %q", diff, got.manifest)
			}
		})
	}
}

func TestReleaseWithoutValues(t *testing.T) {
	got, err := readRelease(stored("Secret", packed(t, chartOf("a", "b", 1, "", nil))))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := got.values(); err != nil || string(text) != "{}\n" {
		t.Errorf("values %q, %v", text, err)
	}
}

// Whatever stands in a Secret that looks like Helm's, there is one error for it that
// quotes nothing, and it takes little memory.
func TestReleasesThatAreNone(t *testing.T) {
	other := stored("Secret", packed(t, chartOf("a", "b", 1, "", nil)))
	other.Object["type"] = "Opaque"
	cut := packed(t, chartOf("a", "b", 1, strings.Repeat("x: y\n", 100), nil))
	for name, u := range map[string]*unstructured.Unstructured{
		"nothing":             {Object: map[string]any{"kind": "Secret", "type": helmSecretType}},
		"a Secret of another": other,
		"no base64":           stored("Secret", "hunter2!"),
		"no gzip":             stored("Secret", base64.StdEncoding.EncodeToString([]byte("\x1f\x8b\x08hunter2"))),
		"cut off":             stored("Secret", cut[:len(cut)/2/4*4]),
		"no JSON":             stored("Secret", packedText(t, []byte("hunter2"))),
		"a list":              stored("Secret", packedText(t, []byte(`["hunter2"]`))),
		"another type":        stored("Secret", packedText(t, []byte(`{"name": {"hunter2": 1}}`))),
		"too deep":            stored("Secret", packedText(t, []byte(`{"config": `+strings.Repeat("[", 1<<20)))),
		"too large":           stored("Secret", packedText(t, []byte(`{"manifest": "`+strings.Repeat("x", maxRelease)+`"}`))),
		"large and skipped":   stored("Secret", packedText(t, []byte(`{"chart": {"templates": [`+strings.Repeat(`"xxxxxxxxxxxxxxxx",`, maxRelease/16)+`0]}}`))),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readRelease(u)
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
	err := manifestObjects(manifest, func(u *unstructured.Unstructured) error {
		got = append(got, keyOf(u).String())
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
			err := manifestObjects(manifest, ignoreObject)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
	if err := manifestObjects(head+"a: &a [x]\nb: *a\n", ignoreObject); err != nil {
		t.Errorf("a harmless alias: %v", err)
	}
}

func FuzzReadRelease(f *testing.F) {
	release := chartOf("openim", "main", 7, "kind: X\n", map[string]any{"a": 1})
	data, err := json.Marshal(release)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"chart": null, "config": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readRelease(stored("Secret", packedText(t, data)))
		if err != nil {
			return
		}
		record := got.captured()
		for _, text := range []string{record.Chart, record.ChartVersion, record.AppVersion, record.Status} {
			if len(text) > 128 || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Errorf("the record says %q", text)
			}
		}
	})
}

// helmLabels are those of a stored revision.
func helmLabels(name string, revision int, status string, more map[string]string) map[string]string {
	labels := map[string]string{"owner": "helm", "name": name, "version": fmt.Sprint(revision), "status": status, "modifiedAt": "1760000000"}
	maps.Copy(labels, more)
	return labels
}
