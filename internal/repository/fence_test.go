package repository_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// Invariant 8: a run that was suspended and wakes after the next one has begun
// cannot commit.
func TestFenceKeepsADeadRunFromCommitting(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	dead := begin(t, w, "manual")
	next := begin(t, w, "manual")
	requireFenced(t, f, m, dead.Point())

	_, err := dead.Commit(t.Context())
	requireKind(t, err, fault.Busy)
	if got := listing(t, f); len(got.Points) != 0 || len(got.Broken) != 0 {
		t.Fatalf("points %v, broken %v", got.Points, got.Broken)
	}
	manifest, err := next.Commit(t.Context())
	if err != nil || manifest.Seq != 1 {
		t.Fatalf("the run that fenced: %v, %v", manifest, err)
	}
	again := mustTake(t, w, "manual", sample()) // and nothing is in the way of those after it
	if again.Seq != 2 || again.Previous.Point != manifest.Point {
		t.Errorf("seq %d after %s", again.Seq, again.Previous.Point)
	}
}

// requireFenced reads the fence as its specification says.
func requireFenced(t *testing.T, f *repotest.Fixture, m *repotest.Memory, run string) {
	t.Helper()
	path := "points/" + run + "/manifest.json"
	var fence repository.Fence
	var record repository.Abandoned
	err := errors.Join(json.Unmarshal(m.Content(path), &fence), json.Unmarshal([]byte(fence.Abandoned), &record))
	if err != nil || record.Point != run || record.Path != path || record.Kind != "abandoned" {
		t.Fatalf("%s is no fence: %+v, %v", path, record, err)
	}
	if _, err := f.Trust.Verify(seal.RoleWriter, []byte(fence.Abandoned), []byte(fence.Signature), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestFenceLeavesOthersAlone(t *testing.T) {
	f, m := newFixture(t)
	if _, err := repository.Init(t.Context(), m, repository.InitOptions{
		Instance: "second", Adopt: true, Signer: f.Signer, Trust: f.Trust, Now: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	options := f.WriterOptions()
	options.Instance = "second"
	second, err := repository.OpenWriter(t.Context(), m, options)
	if err != nil {
		t.Fatal(err)
	}
	w := f.Writer(t)
	others := map[string]*repository.Draft{
		"another stream":                 begin(t, w, "hourly"),
		"the same stream of another one": begin(t, second, "manual"),
	}
	begin(t, w, "manual")
	for name, draft := range others {
		if _, err := draft.Commit(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The run commits between the look at it and the fence: then it is a point, and
// the one that the next run follows.
func TestFenceThatLosesFindsAPoint(t *testing.T) {
	f, m := newFixture(t)
	slow := begin(t, f.Writer(t), "manual")
	committed := false
	f.Store = faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
		if c.Kind == faulty.Create && c.Name == "points/"+slow.Point()+"/manifest.json" && !committed {
			committed = true
			if _, err := slow.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}})
	next := mustTake(t, f.Writer(t), "manual", sample())
	if !committed {
		t.Fatal("no fence was tried")
	}
	if next.Seq != 2 || next.Previous.Point != slow.Point() {
		t.Errorf("seq %d after %v, want 2 after %s", next.Seq, next.Previous, slow.Point())
	}
}

// A run that is suspended between signature and manifest wakes behind a fence.
func TestRunSuspendedInTheMiddleOfItsCommit(t *testing.T) {
	f, m := newFixture(t)
	awake := f.Writer(t)
	var run string
	f.Store = faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
		if run != "" && c.Kind == faulty.Create && c.Name == "points/"+run+"/manifest.json" {
			begin(t, awake, "manual")
		}
	}})
	suspended := begin(t, f.Writer(t), "manual")
	run = suspended.Point()
	_, err := suspended.Commit(t.Context())
	requireKind(t, err, fault.Busy)
	if got := listing(t, f); len(got.Points) != 0 || len(got.Broken) != 0 {
		t.Errorf("points %v, broken %v", got.Points, got.Broken)
	}
	requireFenced(t, f, m, run)
}

// What was damaged while it was written must not stop every later run.
func TestStartThatCannotBeRead(t *testing.T) {
	for name, content := range map[string]string{"cut": "{", "empty": "", "of another run": `{"kind":"start","point":"x"}`} {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			w := f.Writer(t)
			dead := begin(t, w, "manual")
			m.Damage("runs/"+dead.Point()+"/start.json", []byte(content))
			m.Plant("runs/not-an-id/start.json", []byte(content))
			mustTake(t, w, "manual", sample())
			_, err := dead.Commit(t.Context())
			requireKind(t, err, fault.Busy)
		})
	}
}

// A fence whose reply is lost is written again, with the same bytes.
func TestFenceWhoseReplyIsLost(t *testing.T) {
	f, m := newFixture(t)
	dead := begin(t, f.Writer(t), "manual")
	fence := "points/" + dead.Point() + "/manifest.json"
	store := &lostReply{Memory: m, name: fence}
	f.Store = store
	mustTake(t, f.Writer(t), "manual", sample())
	if !store.lost.Load() {
		t.Fatal("no fence was written")
	}
	requireFenced(t, f, m, dead.Point())
}

// lostReply commits one object and says that it does not know.
type lostReply struct {
	*repotest.Memory
	name string
	lost atomic.Bool
}

func (l *lostReply) Create(ctx context.Context, name string) (storage.Upload, error) {
	u, err := l.Memory.Create(ctx, name)
	if name != l.name || l.lost.Load() {
		return u, err
	}
	return &lostUpload{u, l}, err
}

type lostUpload struct {
	storage.Upload
	of *lostReply
}

func (u *lostUpload) Commit() (storage.Info, error) {
	_, err := u.Upload.Commit()
	u.of.lost.Store(true)
	return storage.Info{}, errors.Join(err, errors.New("connection reset"))
}
