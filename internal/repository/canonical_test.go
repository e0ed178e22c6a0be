package repository

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is read line by line is what encoding/json reads, whatever stands there.
func FuzzManifestIsReadAsJSON(f *testing.F) {
	m := Manifest{
		Header: Header{Kind: kindManifest, Format: Format}, Point: "20261123T020000Z-abcd", Requires: []string{}, Sources: []Source{{Name: "main", Captured: json.RawMessage(`{"files": []}`)}},
		Files: []File{{"points/a/b.zst.age", 12, 1 << 31, "0123"}, {"points/a/\u00fc", 0, 0, ""}, {"points/c", 1 << 40, 7, "ff"}},
	}
	for _, files := range [][]File{m.Files, m.Files[:1], {}, nil} {
		m.Files = files
		seedJSON(f, m)
	}
	f.Fuzz(func(t *testing.T, text string) {
		requireSameJSON(t, text, unmarshalManifest)
	})
}

func FuzzPacksAreReadAsJSON(f *testing.F) {
	for _, packs := range [][]SegmentPack{{{PackRef{"a", "b", 1, 2, "c"}, 3}, {PackRef{"d", "e", 1 << 40, 1 << 31, "f"}, 0}}, {{}}, {}, nil} {
		seedJSON(f, SegmentPacks{"s", packs})
	}
	f.Fuzz(func(t *testing.T, text string) {
		requireSameJSON(t, text, unmarshalPacks)
	})
}

// seedJSON adds what a writer writes, and what resembles it.
func seedJSON(f *testing.F, v any) {
	f.Helper()
	data, err := marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	text := string(data)
	f.Add(text)
	for _, name := range []string{"files", "packs"} {
		member := ` "` + name + `": `
		f.Add(strings.TrimSuffix(text, "\n}\n") + ",\n" + member + "null\n}\n")
		f.Add(strings.TrimSuffix(text, "\n}\n") + ",\n" + strings.ToUpper(member) + "[]\n}\n")
		f.Add(strings.Replace(text, member, member+"[],\n"+member, 1))
	}
	for old, replacement := range map[string]string{`"size": 1`: `"size": 01`, `"sha256"`: `"sha257"`, "  },\n": "  }\n", "  }\n ]": "  },\n ]", "  {\n": "  { \n", "\\u": "\\v", "2147483648": "4294967296"} {
		f.Add(strings.Replace(text, old, replacement, 1))
	}
	f.Add(text[:len(text)/2])
}

func requireSameJSON[T any](t *testing.T, text string, unmarshal func([]byte, *T) error) {
	t.Helper()
	var want, got T
	expected, err := json.Unmarshal([]byte(text), &want), unmarshal([]byte(text), &got)
	if (expected == nil) != (err == nil) {
		t.Fatalf("%v, and encoding/json says %v", err, expected)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Errorf("differs from what encoding/json reads (-want +got):\n%s", diff)
	}
}

// Manifests and lists of packs are read line by line as they are written.
func TestWhatIsWrittenIsReadLineByLine(t *testing.T) {
	data, err := marshal(Manifest{Files: []File{{"points/a/b.zst.age", 12, 1, "0123"}, {"points/c", 1 << 40, 7, "ff"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, lines, ok := cutArray(data, "files"); !ok || strings.Count(string(lines)+"\n", "\n") != 2*linesOfFile {
		t.Errorf("the files of a manifest stand in %q", lines)
	}
	if data, err = marshal(SegmentPacks{"s", []SegmentPack{{}, {}}}); err != nil {
		t.Fatal(err)
	}
	if _, lines, ok := cutArray(data, "packs"); !ok || strings.Count(string(lines)+"\n", "\n") != 2*linesOfPack {
		t.Errorf("the packs of a segment stand in %q", lines)
	}
}
