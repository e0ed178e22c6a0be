package repository_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/schematest"
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
	"schedule":      regexp.MustCompile(`^schedules/[^/@]+@[^/@]+/[0-9]+\.json$`),
	"notices":       regexp.MustCompile(`^schedules/[^/@]+@@notices/[0-9]+\.json$`),
	"proof":         regexp.MustCompile(`^proofs/[^/]+/[0-9]{8}T[0-9]{6}Z-[a-z2-7]{4}\.json$`),
}

func validate(t *testing.T, schema, path string, content []byte) {
	t.Helper()
	schematest.Dir("../../docs/schema").Require(t, schema, path, content)
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
	appendRun(t, &repository.ScheduleLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}, scheduleRun("nightly", 1))
	appendNotices(t, &repository.NoticeLog{Store: m, Repo: f.Open(t), Instance: repotest.Instance}, 1)
	f.AppendProof(t, wholeProof(point(t, f, id)))
	f.AppendProof(t, repotest.Proof(time.Now(), repotest.Taken(point(t, f, id), "main"))) // with all lists empty
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

// wholeProof is a proof with every field in use.
func wholeProof(p *repository.Point) repository.Proof {
	data, met := 61.5, false
	proof := repotest.Proof(time.Now().Add(time.Hour), repotest.Taken(p, "main"))
	proof.Passed, proof.Full, proof.Failure = false, false, "scratch"
	proof.Servers = []repository.ProofServer{{Source: "main", Version: "9.7.0", Image: "mysql:9.7", StartSeconds: 3}}
	proof.Comparisons = []repository.ProofCompared{{Source: "main", Name: "openIM_v3.users", Rows: 2, Objects: 3, Documents: 4, Bytes: 5, Differences: 1}}
	proof.Sample = &repository.ProofSample{Share: 0.1, Objects: 10, Of: 100, Confidence: 0.999, BadShare: 0.003}
	proof.Truth = []repository.ProofTruth{{Check: "missing", Source: "main", Checked: 3, Bad: 1}}
	proof.Assertions = []repository.ProofAssertion{{Name: "users", Source: "main", Passed: true, Detail: "2 rows"}}
	proof.SelfTest = []repository.ProofSelfTest{{Damage: "flipped byte", Found: true, Detail: "altered"}}
	proof.Keys = &repository.ProofKeys{Identities: []repository.ProofIdentity{{Fingerprint: strings.Repeat("0", 32), Opens: 1, NotFor: 2, Broken: 3}}, Points: 6}
	proof.RTO = repository.ProofRTO{Seconds: 1, Parts: []repository.ProofPart{{Source: "main", Part: "fetch", Seconds: 1, Busy: true}}, ProjectedSeconds: 2, ObjectiveSeconds: 3, Met: &met}
	proof.RPO = repository.ProofRPO{Seconds: 1, DataSeconds: &data, ObjectiveSeconds: 2, Met: &met}
	proof.Heads = []repository.ProofHead{{Instance: p.Instance, Stream: p.Stream, Seq: p.Seq, Point: p.Point, SHA256: p.SHA256}}
	return proof
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
