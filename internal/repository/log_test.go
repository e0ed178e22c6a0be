package repository_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// logged has a rekeying leave its entry.
func logged(t *testing.T, f *repotest.Fixture, o repository.RekeyOptions) repository.RekeyOptions {
	o.Record = func(ctx context.Context, r repository.RekeyResult) error {
		_, err := repository.AppendLog(ctx, f.Store, f.Open(t), f.Signer, repository.LogEntry{
			Time: time.Now(), By: "alice", Tool: "test", Action: repository.LogRekey, Reason: "a laptop was stolen", Added: r.Added, Removed: r.Dropped,
		})
		return err
	}
	return o
}

// Whoever finds a wrap gone finds in the log why: it is no damage, not at the
// points of before nor at those that go on with their packs.
func TestRekeyingIsExplained(t *testing.T) {
	f, m := newFixture(t)
	mustTake(t, f.Writer(t), "manual", sample())
	next := newIdentity(t)
	if _, err := rekey(t, f, m, logged(t, f, handOver(f.Operator, next))); err != nil {
		t.Fatal(err)
	}
	o := f.WriterOptions()
	o.Recipients = recipients(next)
	w, err := repository.OpenWriter(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	mustTake(t, w, "manual", sample())
	requireFindings(t, audit(t, m, f.Trust))
	keys, warnings := keyDrill(t, f, f.Operator, next)
	for _, id := range keys.Identities {
		if id.Broken != 0 {
			t.Errorf("the drill of keys misses wraps: %+v %v", id, warnings)
		}
	}
}

func keyDrill(t *testing.T, f *repotest.Fixture, ids ...seal.Identity) (*repository.ProofKeys, []string) {
	t.Helper()
	keys, warnings, err := repository.KeyDrill(t.Context(), f.Open(t), listing(t, f), ids)
	if err != nil {
		t.Fatal(err)
	}
	return keys, warnings
}

// Without a word that counts every wrap that is gone is missed.
func TestRekeyingThatNobodySigned(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	next := newIdentity(t)
	o := logged(t, f, handOver(f.Operator, next))
	record, stranger := o.Record, mustSigner(t)
	o.Record = func(ctx context.Context, r repository.RekeyResult) error {
		f.Signer, stranger = stranger, f.Signer
		defer func() { f.Signer, stranger = stranger, f.Signer }()
		return record(ctx, r)
	}
	if _, err := rekey(t, f, m, o); err != nil {
		t.Fatal(err)
	}
	var entry string
	for _, name := range m.Names() {
		if len(name) > 4 && name[:4] == "log/" && name[len(name)-5:] == ".json" {
			entry = name
		}
	}
	own := point(t, f, id).Keys
	want := []string{"signature " + entry, missingOf(own.Point, f.Operator)}
	for _, key := range own.Packs {
		want = append(want, missingOf(key, f.Operator))
	}
	requireFindings(t, audit(t, m, f.Trust), want...)
}

func mustSigner(t *testing.T) seal.Signer {
	t.Helper()
	signer, err := seal.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// The log is read in the order of its entries, and what does not count is left out.
func TestLog(t *testing.T) {
	f, m := newFixture(t)
	repo := f.Open(t)
	began := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	var want []string
	for i, reason := range []string{"first", "second", "nobody's"} {
		signer := f.Signer
		if reason == "nobody's" {
			signer = mustSigner(t)
		} else {
			want = append(want, reason)
		}
		e := repository.LogEntry{Time: began.Add(time.Duration(i) * time.Minute), By: "alice", Tool: "test", Action: repository.LogHold, Reason: reason}
		if _, err := repository.AppendLog(t.Context(), m, repo, signer, e); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := repo.Log(t.Context(), func(e *repository.LogEntry) error {
		got = append(got, e.Reason)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A crash between a signature and its record takes a number, and nothing is
// missing for it: the next record says so. A record that was deleted is.
func TestDecisionAfterACrash(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	decide := func(change repository.Change) *repository.State {
		t.Helper()
		s, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, repository.State{Point: id, Change: change, By: "alice", Reason: "audit", Time: time.Now().UTC()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := decide(repository.Hold)
	m.Damage(first.Path, nil)
	second := decide(repository.Hold)
	if point(t, f, id).Held == nil || second.Path == first.Path {
		t.Errorf("%s is held by nobody after the crash", id)
	}
	requireFindings(t, audit(t, m, f.Trust))
	decide(repository.Unhold)
	m.Damage(second.Path, nil)
	requireFindings(t, audit(t, m, f.Trust), "missing "+second.Path, "unreferenced "+second.Path+".minisig")
}

// A decision that somebody takes back by deleting its record is missed, since the log
// speaks of it.
func TestDecisionThatWasDeleted(t *testing.T) {
	f, m := newFixture(t)
	id := mustTake(t, f.Writer(t), "manual", sample()).Point
	p := &repository.Pruner{Store: m, Repo: f.Open(t), Signer: f.Signer, Instance: repotest.Instance, Tool: "test", By: "alice"}
	for _, change := range []repository.Change{repository.Forget, repository.Hold} {
		if _, err := p.Record(t.Context(), repository.State{Point: id, Change: change, By: "alice", Reason: "audit", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	requireFindings(t, audit(t, m, f.Trust))
	for _, name := range []string{"2.json", "2.json.minisig"} {
		m.Damage("state/"+id+"/"+name, nil)
	}
	requireFindings(t, audit(t, m, f.Trust), "missing state/"+id+"/")
}

// A log grows for ever: what is older than the point that a run builds on is not read
// by it.
func TestRunReadsNoOldLog(t *testing.T) {
	f, m := newFixture(t)
	entry := func(age time.Duration) {
		t.Helper()
		if _, err := repository.AppendLog(t.Context(), m, f.Open(t), f.Signer, repository.LogEntry{Time: time.Now().Add(-age), Action: repository.LogForget}); err != nil {
			t.Fatal(err)
		}
	}
	for month := range 24 {
		entry(time.Duration(1+month) * 30 * 24 * time.Hour)
	}
	mustTake(t, f.Writer(t), "manual", sample())
	entry(0)
	counted := faulty.New(m, faulty.Plan{})
	w, err := repository.OpenWriter(t.Context(), counted, f.WriterOptions())
	if err != nil {
		t.Fatal(err)
	}
	mustTake(t, w, "manual", sample())
	opened := 0
	for _, c := range counted.Calls() {
		if strings.HasPrefix(c.Name, "log/") && c.Kind == faulty.Open {
			opened++
		}
	}
	if opened != 2 {
		t.Errorf("%d files of the log are opened, want an entry with its signature", opened)
	}
}
