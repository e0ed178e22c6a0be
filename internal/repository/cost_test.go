package repository_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

func costs(t *testing.T, f *repotest.Fixture) *repository.Costs {
	t.Helper()
	repo := f.Open(t)
	found, err := repo.Costs(t.Context(), listing(t, f))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every file is accounted for once, whoever needs it.
func requireAccount(t *testing.T, f *repotest.Fixture, c *repository.Costs) {
	t.Helper()
	files, bytes, err := f.Open(t).Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Files != files || c.Stored != bytes || c.Exclusive+c.Common+c.Rest != bytes {
		t.Errorf("%d files of %d bytes are stored; accounted for %d files: exclusive %d, common %d, rest %d", files, bytes, c.Files, c.Exclusive, c.Common, c.Rest)
	}
	var exclusive int64
	for id, p := range c.Points {
		exclusive += p.Exclusive
		if p.Exclusive > p.Own+p.Shared {
			t.Errorf("point %s: more is its alone than it needs: %+v", id, p)
		}
	}
	if exclusive != c.Exclusive {
		t.Errorf("the points have %d bytes that nobody else needs, and the account says %d", exclusive, c.Exclusive)
	}
}

// What a point alone needs is what a sweep of it frees, to the byte, on real files.
func TestSweepFreesWhatAPointAloneNeeds(t *testing.T) {
	for name, n := range map[string]int{"first": 0, "middle": 1, "last": 2} {
		t.Run(name, func(t *testing.T) {
			f := repotest.New(t)
			ids := takePoints(t, f.Writer(t), 3)
			store, err := dir.Open(f.Dir())
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			forget(t, f, store, ids[n])
			before := costs(t, f)
			requireAccount(t, f, before)
			if before.Common == 0 || before.Points[ids[n]].Exclusive == 0 {
				t.Fatalf("the points share nothing, or one has nothing of its own: %+v", before)
			}
			if swept := mustSweep(t, f, store, ids[n]); swept.Bytes != before.Points[ids[n]].Exclusive {
				t.Errorf("the sweep has freed %d bytes, and the point costs %+v", swept.Bytes, before.Points[ids[n]])
			}
			requireAccount(t, f, costs(t, f))
		})
	}
}

func TestCosts(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 2)
	alone := costs(t, f)

	t.Run("what was decided about a point and its proofs are its own, and stay", func(t *testing.T) {
		forget(t, f, m, ids[0])
		f.AppendProof(t, repotest.Proof(point(t, f, ids[0]).Started, repotest.Taken(point(t, f, ids[0]), "main")))
		now := costs(t, f)
		requireAccount(t, f, now)
		if was, is := alone.Points[ids[0]], now.Points[ids[0]]; is.Own <= was.Own || is.Exclusive != was.Exclusive || is.Shared != was.Shared {
			t.Errorf("%+v, before %+v", is, was)
		}
	})
	t.Run("a point that has nothing new costs no packs of its own", func(t *testing.T) {
		again := mustTake(t, f.Writer(t), "manual", sampleNumber(1)).Point
		now := costs(t, f)
		requireAccount(t, f, now)
		if is := now.Points[again]; is.Exclusive > is.Own || is.Shared != now.Points[ids[1]].Shared {
			t.Errorf("%+v, the one before %+v", is, now.Points[ids[1]])
		}
	})
	t.Run("what a damaged manifest needs is not known", func(t *testing.T) {
		m.Damage("points/"+ids[0]+"/manifest.json", []byte("{"))
		now := costs(t, f)
		requireAccount(t, f, now)
		if len(now.Unknown) != 1 || now.Unknown[0] != "points/"+ids[0]+"/manifest.json" {
			t.Errorf("unknown: %v", now.Unknown)
		}
		if _, counted := now.Points[ids[0]]; counted {
			t.Error("it has a cost all the same")
		}
	})
}

// A point that came after the listing takes from no other what it needs, too.
func TestCostsOfAnOldListing(t *testing.T) {
	f, _ := newFixture(t)
	writer := f.Writer(t)
	takePoints(t, writer, 1)
	old := listing(t, f)
	mustTake(t, writer, "manual", sampleNumber(0))
	now, err := f.Open(t).Costs(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	requireAccount(t, f, now)
	if is := now.Points[old.Points[0].Point]; is.Exclusive > is.Own {
		t.Errorf("packs that another point needs are its alone: %+v", is)
	}
}

// reads counts how often each file is read.
type reads struct {
	storage.Storage
	mu     sync.Mutex
	opened map[string]int
}

func (r *reads) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r.mu.Lock()
	r.opened[name]++
	r.mu.Unlock()
	return r.Storage.Open(ctx, name, offset, length)
}

// Points of many runs lead to the same segments, and each is read once.
func TestCostsReadNothingTwice(t *testing.T) {
	f, m := newFixture(t)
	writer := f.Writer(t)
	for range 4 {
		mustTake(t, writer, "manual", sampleNumber(0))
	}
	all := listing(t, f)
	counting := &reads{Storage: m, opened: map[string]int{}}
	repo, err := repository.Open(t.Context(), counting, repository.Options{Trust: f.Trust})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Costs(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	segments := 0
	for name, n := range counting.opened {
		if strings.HasSuffix(name, ".packs.json") {
			segments++
		}
		if n > 1 || strings.HasSuffix(name, "/manifest.json") {
			t.Errorf("%s was read %d times", name, n)
		}
	}
	if segments == 0 {
		t.Error("no segment was read")
	}
}

// What the next run goes on from is not freed with a point that needs it, too.
func TestCostsOfWhatARunWillGoOnFrom(t *testing.T) {
	f, _ := newFixture(t)
	writer := f.Writer(t)
	ids := takePoints(t, writer, 1)
	alone := costs(t, f).Points[ids[0]]
	segments, err := f.Source(t, ids[0], "main").Segments(t.Context())
	if err != nil || len(segments) == 0 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	progress := repository.BucketProgress{Source: "main", Bucket: "other", Order: "bytes", Layers: [][]repository.SegmentRef{segments}}
	if err := begin(t, writer, "manual").Source("main", repotest.SampleKind, 1).Checkpoint(t.Context(), progress); err != nil {
		t.Fatal(err)
	}
	now := costs(t, f)
	requireAccount(t, f, now)
	if is := now.Points[ids[0]]; is.Own != alone.Own || is.Shared != alone.Shared || is.Exclusive >= alone.Exclusive || is.Exclusive > is.Own {
		t.Errorf("%+v, and without that run %+v", is, alone)
	}
}
