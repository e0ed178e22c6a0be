package repository_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// plainFiles says which schema a plain file has to fit.
var plainFiles = map[string]*regexp.Regexp{
	"repository":    regexp.MustCompile(`^repository/[0-9]+\.json$`),
	"start":         regexp.MustCompile(`^runs/[^/]+/start\.json$`),
	"state":         regexp.MustCompile(`^state/[^/]+/[0-9]+\.json$`),
	"lease":         regexp.MustCompile(`^leases/[^/]+/[0-9]{12}\.json$`),
	"bucket-list":   regexp.MustCompile(`^points/[^/]+/[^/]+/[^/]+\.json$`),
	"segment-packs": regexp.MustCompile(`^index/[^/]+\.packs\.json$`),
	"manifest":      regexp.MustCompile(`^points/[^/]+/manifest\.json$`),
	"restore":       regexp.MustCompile(`^restores/[^/]+/[0-9]{12}\.json$`),
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join("../../docs/schema", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema, path string, content []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err == nil {
		err = compile(t, schema).Validate(v)
	}
	if err != nil {
		t.Errorf("%s does not fit %s.schema.json: %v", path, schema, err)
	}
}

// Every plain file that a repository holds fits its schema.
func TestPlainFilesFitTheirSchemas(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	begin(t, w, "manual") // killed: it will be fenced
	s := sample()
	s.Gone = 1
	mustTake(t, w, "manual", s)
	s.Gone = 0
	id := mustTake(t, w, "manual", s).Point
	mustTake(t, w, "manual", &repotest.Sample{Name: "main"}) // with nothing in it
	if _, err := begin(t, w, "manual").Commit(t.Context()); err != nil {
		t.Fatal(err) // with no source in it
	}
	until := time.Now().Add(time.Hour)
	if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{
		Point: id, Change: repository.Hold, By: "ops", Reason: "audit", Until: &until, Time: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	restored := journal.New(f.Open(t), repository.NewRestoreID(time.Now()), "test", slog.New(slog.DiscardHandler),
		journal.Place{Open: func() (storage.ReadWriter, error) { return m, nil }})
	for _, r := range journalRecords(id) {
		if err := restored.Note(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for _, name := range m.Names() {
		if strings.HasSuffix(name, ".age") || strings.HasSuffix(name, ".minisig") {
			continue
		}
		seen[validatePlain(t, name, m.Content(name))]++
	}
	seen["index-entry"] = validateEntries(t, f, id)
	for schema := range plainFiles {
		if seen[schema] == 0 {
			t.Errorf("no file fits %s.schema.json", schema)
		}
	}
	if seen["fence"] != 1 || seen["index-entry"] != len(s.Objects) {
		t.Errorf("seen %v", seen)
	}
}

// journalRecords are what a restore notes, with every field in use.
func journalRecords(point string) []repository.RestoreRecord {
	equal := true
	return []repository.RestoreRecord{
		{Step: repository.StepBegin, State: repository.StateBegun, Points: map[string]string{"main": point}, Targets: []string{"sample/host/main"}, Request: []byte("sealed")},
		{Step: repository.StepRollback, State: repository.StateDone, Point: point},
		{Step: repository.StepLoad, State: repository.StateDone, Source: "main", Summary: &repository.Summary{Rows: 1, Bytes: 2}},
		{Step: repository.StepStop, State: repository.StateGoingOn, Detail: "Deployment openim/openim-api"},
		{Step: repository.StepEnd, State: repository.StateDone, Equal: &equal},
	}
}

func validatePlain(t *testing.T, name string, content []byte) (kind string) {
	t.Helper()
	for schema, pattern := range plainFiles {
		if !pattern.MatchString(name) {
			continue
		}
		if bytes.Contains(content, []byte(`"kind": "abandoned"`)) {
			var fence repository.Fence
			if err := json.Unmarshal(content, &fence); err != nil {
				t.Fatal(err)
			}
			validate(t, "abandoned", name, []byte(fence.Abandoned))
			schema = "fence"
		}
		validate(t, schema, name, content)
		return schema
	}
	t.Errorf("%s is a plain file of no known kind", name)
	return ""
}

func validateEntries(t *testing.T, f *repotest.Fixture, id string) (n int) {
	t.Helper()
	s := f.Source(t, id, "main")
	list, err := s.BucketList(t.Context(), "media")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range list.Segments {
		segment, err := s.Segment(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		for {
			entry, err := segment.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			line, err := json.Marshal(entry)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, "index-entry", entry.Key, line)
			n++
		}
	}
	return n
}
