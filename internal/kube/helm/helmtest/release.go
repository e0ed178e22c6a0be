// Package helmtest makes what Helm keeps of releases, for tests.
package helmtest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
)

// Chart is a release as Helm writes it, with what is wanted of it and some of the
// rest.
func Chart(namespace, name string, revision int, manifest string, values map[string]any) map[string]any {
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

// Packed is how Helm stores a release.
func Packed(t testing.TB, release any) string {
	t.Helper()
	data, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	return PackedText(t, data)
}

// PackedText is how Helm stores a text.
func PackedText(t testing.TB, data []byte) string {
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

// Labels are those of a stored revision.
func Labels(name string, revision int, status string, more map[string]string) map[string]string {
	labels := map[string]string{"owner": "helm", "name": name, "version": fmt.Sprint(revision), "status": status, "modifiedAt": "1760000000"}
	maps.Copy(labels, more)
	return labels
}
