package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/retention"
)

// notes is a source of one small file.
type notes struct{}

func (notes) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	file, err := draft.Create(ctx, "notes.sql", "notes")
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write([]byte("create table notes (id int)")); err != nil {
		return err
	}
	draft.Captured(map[string]int{"tables": 1})
	draft.Summarize(repository.Summary{Rows: 1, Bytes: 27})
	return file.Commit()
}

func TestFromListing(t *testing.T) {
	f := repotest.New(t)
	ids := make([]string, 4)
	for i := range ids {
		var err error
		if ids[i], err = f.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
			t.Fatal(err)
		}
	}
	moment := time.Now().UTC().Truncate(time.Second)
	until := moment.Add(24 * time.Hour)
	decide := func(id string, change repository.Change, until *time.Time) {
		t.Helper()
		s := repository.State{Point: id, Change: change, By: "alice", Reason: "audit", Until: until, Time: moment}
		if _, err := repository.AppendState(t.Context(), f.Store, f.Open(t), f.Signer, s); err != nil {
			t.Fatal(err)
		}
	}
	decide(ids[0], repository.Hold, &until)
	decide(ids[1], repository.Forget, nil)
	decide(ids[2], repository.Sweeping, nil)
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := listing.Find(ids[3])
	if err != nil {
		t.Fatal(err)
	}
	f.AppendProof(t, repotest.Proof(time.Now(), repotest.Taken(last, "main")))
	if listing, err = f.Open(t).List(t.Context()); err != nil {
		t.Fatal(err)
	}

	got := map[string]retention.Point{}
	for _, p := range retention.FromListing(listing) {
		got[p.ID] = p
	}
	for i, want := range []retention.Point{
		{Held: &retention.Hold{By: "alice", Reason: "audit", Until: until}},
		{Forgotten: &retention.Forgotten{By: "alice", Reason: "audit", At: moment}},
		{Forgotten: &retention.Forgotten{By: "alice", Reason: "audit", At: moment, Sweeping: true}},
		{},
	} {
		p, err := listing.Find(ids[i])
		if err != nil {
			t.Fatal(err)
		}
		want.ID, want.Instance, want.Time, want.Seen, want.Complete = ids[i], p.Instance, p.Started, p.Created, true
		want.Sources = []retention.Source{{Name: "main", Complete: true, Proven: i == 3}}
		for _, file := range p.Files {
			want.Bytes += file.Size
		}
		if want.Bytes == 0 || want.Seen.IsZero() {
			t.Errorf("the fixture's point has %d bytes, and was seen at %s", want.Bytes, want.Seen)
		}
		if diff := cmp.Diff(want, got[ids[i]]); diff != "" {
			t.Errorf("point %d (-want +got):\n%s", i, diff)
		}
	}
}
