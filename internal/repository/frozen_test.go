package repository_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// freeze has TestFormat1StaysReadable write its repository anew. That is only
// right as long as no version was released: what was written once must be read by
// every later version.
const freeze = "OPENIM_DR_FREEZE_FORMAT"

// frozen is a repository of format 1 that an earlier version has written, with its
// keys, which open nothing else.
const frozen = "testdata/format-1"

// frozenFirst and frozenLast are what its two points hold.
func frozenFirst() *repotest.Sample { return sample() }

func frozenLast() *repotest.Sample {
	s := sample()
	s.Tables["openIM_v3/users"] += "3\tCid\n"
	s.Objects["a/b"] = "another"
	return s
}

// What an earlier version has written is listed, trusted, proven, held, checked
// without a finding, and restored.
func TestFormat1StaysReadable(t *testing.T) {
	if os.Getenv(freeze) != "" {
		writeFrozen(t)
	}
	store, trust, operator := openFrozen(t)
	repo, err := repository.Open(t.Context(), store, repository.Options{Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	listing, err := repo.List(t.Context())
	if err != nil || len(listing.Points) != 2 || len(listing.Broken) != 0 {
		t.Fatalf("listed %+v, %v", listing, err)
	}
	first, last := listing.Points[0], listing.Points[1]
	if !first.Eligible() || !last.Eligible() || first.Held == nil || last.Proven == nil || first.Proven != nil || last.Previous.SHA256 != first.SHA256 {
		t.Errorf("the points are %+v and %+v", first, last)
	}
	if found := audit(t, store, trust); len(found) > 0 {
		t.Errorf("a check finds %+v", found)
	}
	for _, tt := range []struct {
		point *repository.Point
		want  *repotest.Sample
	}{{first, frozenFirst()}, {last, frozenLast()}} {
		from, _ := repository.SourceOf(repo.Unlock(tt.point, []seal.Identity{operator}), "main")
		got := &repotest.Sample{Name: "main"}
		if _, err := got.Restore(t.Context(), from, new(source.Plan), progress.Discard); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want.Tables, got.Tables) + cmp.Diff(tt.want.Objects, got.Objects); diff != "" {
			t.Errorf("point %s (-want +got):\n%s", tt.point.Point, diff)
		}
	}
}

// openFrozen opens a copy of the repository whose files are as old as its points:
// otherwise the clock of the storage would contradict them.
func openFrozen(t *testing.T) (*dir.Store, seal.Trust, seal.Identity) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(frozen, "repository"))); err != nil {
		t.Fatal(err)
	}
	var ages []string
	ids, err := os.ReadDir(filepath.Join(copied, "points"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		ages = append(ages, id.Name())
	}
	at, err := repository.PointTime(ages[len(ages)-1])
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(copied, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := dir.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(frozen, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	signer, err := seal.NewTrustedSigner(strings.TrimSpace(string(read("signer.pub"))), seal.Roles, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	identities, err := seal.ParseIdentities(read("operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	return store, seal.Trust{signer}, identities[0]
}

// writeFrozen writes the repository with this version.
func writeFrozen(t *testing.T) {
	t.Helper()
	f := repotest.New(t)
	w := f.Writer(t)
	first := mustTake(t, w, "nightly", frozenFirst())
	last := mustTake(t, w, "nightly", frozenLast())
	if _, err := repository.AppendState(t.Context(), f.Store, f.Open(t), f.Signer, repository.State{
		Point: first.Point, Change: repository.Hold, By: "operator", Reason: "kept for later versions", Time: first.Ended,
	}); err != nil {
		t.Fatal(err)
	}
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point, err := listing.Find(last.Point)
	if err != nil {
		t.Fatal(err)
	}
	f.AppendProof(t, repotest.Proof(last.Ended, repotest.Taken(point, "main")))
	if err := os.RemoveAll(frozen); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(frozen, "repository"), os.DirFS(f.Dir())); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"operator.key": f.Operator.Secret(), "signer.pub": f.Signer.PublicKey()} {
		if err := os.WriteFile(filepath.Join(frozen, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
