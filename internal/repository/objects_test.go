package repository_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// objectEntries are lines with every field in use, and with none.
func objectEntries(t *testing.T) []repository.ObjectEntry {
	t.Helper()
	var id, digest seal.Digest
	if err := errors.Join(id.UnmarshalText([]byte(strings.Repeat("0a", 16))), digest.UnmarshalText([]byte(strings.Repeat("f0", 16)))); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	return []repository.ObjectEntry{
		{Namespace: "openim", Kind: "Deployment.apps", ID: id, Digest: digest, By: "kubectl-edit", At: &at, Release: "openim", Drift: 2},
		{Kind: "ClusterRole.rbac.authorization.k8s.io", ID: digest, Digest: id},
	}
}

// capturing is a source that is nothing but its capture.
type capturing func(context.Context, *repository.SourceDraft) error

func (c capturing) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	return c(ctx, draft)
}

// listed takes a point with a list of objects in it.
func listed(t *testing.T, f *repotest.Fixture, entries []repository.ObjectEntry) *repository.SourceReader {
	t.Helper()
	id, err := f.TryCapture(t.Context(), t, "cluster", "kubernetes", capturing(func(ctx context.Context, draft *repository.SourceDraft) error {
		list, err := draft.CreateObjects(ctx)
		if err != nil {
			return err
		}
		defer list.Abort()
		for _, e := range entries {
			if err := list.Add(&e); err != nil {
				return err
			}
		}
		draft.Summarize(repository.Summary{})
		return list.Commit()
	}))
	if err != nil {
		t.Fatal(err)
	}
	return f.Source(t, id, "cluster")
}

func readObjects(t *testing.T, from *repository.SourceReader) (entries []repository.ObjectEntry, err error) {
	t.Helper()
	err = from.Objects(t.Context(), func(e *repository.ObjectEntry) error {
		entries = append(entries, *e)
		return nil
	})
	return entries, err
}

func objectsPath(from *repository.SourceReader) string {
	return "points/" + from.Point().Point + "/cluster/objects.jsonl"
}

func TestListOfObjectsIsReadAsItWasWritten(t *testing.T) {
	f, m := newFixture(t)
	want := objectEntries(t)
	from := listed(t, f, want)
	got, err := readObjects(t, from)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b seal.Digest) bool { return a == b })); diff != "" {
		t.Errorf("entries (-written +read):\n%s", diff)
	}
	for line := range bytes.Lines(m.Content(objectsPath(from))) {
		validate(t, "object-entry", objectsPath(from), line)
	}
	if found := repotest.Audit(t, m, f.Trust); len(found) > 0 {
		t.Errorf("an audit finds %+v", found)
	}
	files := from.Files()
	if len(files) != 1 || !from.IsObjectList(files[0]) || files[0].Sealed() || from.Point().Stored < files[0].Size {
		t.Errorf("the manifest names %+v", files)
	}
}

func TestListOfObjectsThatIsDamagedIsNotBelieved(t *testing.T) {
	f, m := newFixture(t)
	from := listed(t, f, objectEntries(t))
	whole := m.Content(objectsPath(from))
	first, _, _ := bytes.Cut(whole, []byte("\n"))
	for name, content := range map[string][]byte{
		"a line is gone":       append(bytes.Clone(first), '\n'),
		"a letter is another":  bytes.Replace(whole, []byte("openim"), []byte("openIM"), 1),
		"a line is no object":  append(bytes.Clone(whole), "hunter2\n"...),
		"a line without end":   bytes.Repeat([]byte("x"), 1<<20),
		"it is not there":      nil,
		"there is nothing":     {},
		"a line stands twice":  append(bytes.Clone(whole), whole...),
		"the end is cut off":   whole[:len(whole)-1],
		"a digest that is not": bytes.Replace(whole, []byte(strings.Repeat("0a", 16)), []byte("0a"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			m.Damage(objectsPath(from), content)
			defer m.Plant(objectsPath(from), whole)
			_, err := readObjects(t, from)
			requireKind(t, err, fault.Corrupt)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
}

func TestAPointWithoutAListOfObjectsSaysSo(t *testing.T) {
	f, _ := newFixture(t)
	from := f.Source(t, mustTake(t, f.Writer(t), "manual", sample()).Point, "main")
	if from.HasObjects() {
		t.Error("it has a list")
	}
	_, err := readObjects(t, from)
	requireKind(t, err, fault.Usage)
}

// Invariant 1: a list that was begun and not ended is no point's.
func TestAPointWaitsForItsListOfObjects(t *testing.T) {
	f, _ := newFixture(t)
	draft := begin(t, f.Writer(t), "manual")
	part := draft.Source("cluster", "kubernetes", 1)
	list, err := part.CreateObjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part.Summarize(repository.Summary{})
	if _, err := draft.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "objects.jsonl is still being written") {
		t.Errorf("error %v", err)
	}
	list.Abort()
	m, err := draft.Commit(t.Context())
	if err != nil || len(m.Files) > 0 {
		t.Errorf("files %+v, %v", m, err)
	}
}
