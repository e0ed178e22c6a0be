package retention_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/retention"
)

// history is what a repository goes through in some months, drawn from a seed, and
// what is known of it beside: what each of its points has captured.
type history struct {
	*repotest.Fixture
	random *rand.Rand
	live   map[string]*repotest.Sample            // the sources, as they are now
	truth  map[string]map[string]*repotest.Sample // by point and source
	order  retention.Order
	calls  map[string]int // by verb: of storage, when nothing disturbed it
	did    []string       // the steps so far
	seen   map[string]int // how often what has happened
}

func newHistory(t *testing.T, store storage.Storage, random *rand.Rand, seen map[string]int) *history {
	t.Helper()
	h := &history{Fixture: repotest.Over(t, store), random: random, truth: map[string]map[string]*repotest.Sample{}, calls: map[string]int{}, seen: seen}
	h.LeaseLength = 30 * time.Minute // so that a run of days renews it not so often
	h.live = map[string]*repotest.Sample{
		"main":  {Name: "main", Tables: map[string]string{"db/users": "1\n"}, Objects: map[string]string{}},
		"media": {Name: "media", Tables: map[string]string{}, Objects: map[string]string{}},
	}
	for i := range 7 {
		h.live["media"].Objects[fmt.Sprint("object ", i)] = fmt.Sprint("content ", i)
	}
	h.order = retention.Order{AnyClock: h.chance(2), Policy: retention.Policy{
		Last: random.IntN(3), Daily: random.IntN(2) * random.IntN(3), Within: time.Duration(1+random.IntN(8)) * time.Hour,
		Grace: time.Duration(random.IntN(3)) * 12 * time.Hour, MaxDeleteShare: []float64{1, retention.DefaultMaxDeleteShare}[random.IntN(2)],
	}}
	return h
}

// chance is true once in n times.
func (h *history) chance(n int) bool { return h.random.IntN(n) == 0 }

// note adds to what was done, for whoever has to find out why it went wrong.
func (h *history) note(what, format string, args ...any) {
	h.seen[what]++
	h.did = append(h.did, time.Now().UTC().Format("01-02T15:04 ")+what+" "+fmt.Sprintf(format, args...))
}

// steps are what may happen, each as often as its weight says.
var steps = []struct {
	weight int
	do     func(*history, *testing.T)
}{
	{12, (*history).backUp},
	{8, (*history).wait},
	{5, (*history).prune},
	{2, (*history).prove},
	{2, (*history).decide},
	{1, (*history).restore},
	{2, (*history).backUpSlowly},
}

func (h *history) step(t *testing.T) {
	t.Helper()
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	at := h.random.IntN(total)
	for _, s := range steps {
		if at -= s.weight; at < 0 {
			s.do(h, t)
			return
		}
	}
}

func (h *history) wait(*testing.T) {
	long := time.Duration(1+h.random.IntN(30)) * time.Hour
	h.note("wait", "%s", long)
	<-time.After(long)
}

// process is the storage as one process sees it, which in one of three times dies at
// one of its calls, before it or with the answer lost. Which one is drawn evenly over
// the calls that the verb has made when nothing disturbed it. done is called when it
// has ended.
func (h *history) process(verb string) (store *faulty.Store, dies bool, done func()) {
	if !h.chance(3) {
		store = faulty.New(h.Store, faulty.Plan{})
		return store, false, func() { h.calls[verb] = len(store.Calls()) }
	}
	plan := faulty.Plan{Fault: faulty.Fail, At: h.call(verb), Times: -1, Err: syscall.EROFS}
	if h.chance(2) {
		plan.Fault = faulty.FailAfter
	}
	return faulty.New(h.Store, plan), true, func() {}
}

// call draws one of the calls of a verb.
func (h *history) call(verb string) int { return 1 + h.random.IntN(max(h.calls[verb], 50)) }

// backUp takes a point of one of two streams, which may fail.
func (h *history) backUp(t *testing.T) {
	t.Helper()
	store, dies, done := h.process("run")
	h.take(t, store, dies)
	done()
}

// backUpSlowly takes a point while much else happens at one of its calls. In one of
// two times the whole process is stopped there, its lease with it.
func (h *history) backUpSlowly(t *testing.T) {
	t.Helper()
	at, woken, how := h.call("run"), make(chan struct{}), []string{"slow", "suspended"}[h.random.IntN(2)]
	var asleep atomic.Bool
	h.take(t, faulty.New(h.Store, faulty.Plan{Before: func(c faulty.Call) {
		switch {
		case c.N == at:
			asleep.Store(how == "suspended")
			h.note(how, "at %s %s", c.Kind, c.Name)
			for range 1 + h.random.IntN(2) {
				h.backUp(t)
				h.wait(t)
				h.prune(t)
				h.wait(t)
				h.prune(t)
			}
			h.note("woken", "")
			asleep.Store(false)
			close(woken)
		case asleep.Load():
			<-woken
		}
	}}), true)
}

func (h *history) take(t *testing.T, store storage.Storage, mayFail bool) {
	t.Helper()
	stream := []string{"hourly", "nightly"}[h.random.IntN(2)]
	names := [][]string{{"main"}, {"media"}, {"main", "media"}}[h.random.IntN(3)]
	h.change()
	taken := map[string]*repotest.Sample{}
	for _, name := range names {
		s := *h.live[name]
		s.Tables, s.Objects = maps.Clone(s.Tables), maps.Clone(s.Objects)
		switch h.random.IntN(12) {
		case 0:
			s.Err, mayFail = errors.New("the server is gone"), true
		case 1:
			s.Gone = 1 // an incomplete point
		}
		taken[name] = &s
	}
	id, err := h.capture(t.Context(), store, stream, names, taken)
	h.note("run", "%s of %s: %v", id, stream, err)
	if err != nil && !mayFail && fault.KindOf(err) != fault.Busy {
		t.Errorf("a run that nothing has disturbed: %v", err)
	}
}

func (h *history) capture(ctx context.Context, store storage.Storage, stream string, names []string, taken map[string]*repotest.Sample) (string, error) {
	o := h.WriterOptions()
	w, err := repository.OpenWriter(ctx, store, o)
	if err != nil {
		return "", err
	}
	ctx, lease, err := w.Acquire(ctx, repository.StreamLease(repotest.Instance, stream))
	if err != nil {
		return "", err
	}
	defer lease.Release()
	draft, err := w.Begin(ctx, stream, names)
	if err != nil {
		return "", err
	}
	defer draft.Abandon()
	h.truth[draft.Point()] = taken
	for _, name := range names {
		if err := taken[name].Capture(ctx, draft.Source(name, repotest.SampleKind, 1), progress.Discard); err != nil {
			return draft.Point(), err
		}
	}
	_, err = draft.Commit(ctx)
	return draft.Point(), err
}

// change lets the deployment live on.
func (h *history) change() {
	h.live["main"].Tables["db/users"] += fmt.Sprintf("%d\n", h.random.Int())
	objects := h.live["media"].Objects
	for range h.random.IntN(3) {
		key := fmt.Sprint("object ", h.random.IntN(12))
		if delete(objects, key); !h.chance(3) {
			objects[key] = fmt.Sprint("content ", h.random.Int())
		}
	}
}

// prune does what the verb does, and then nothing is gone that must not be.
func (h *history) prune(t *testing.T) {
	t.Helper()
	before := h.listing(t)
	store, dies, done := h.process("prune")
	pruned, err := h.pruneWith(t.Context(), store)
	done()
	h.note("prune", "%d forgotten: %v", pruned.Forgotten, err)
	h.seen["points forgotten"] += pruned.Forgotten
	if dies && err != nil {
		h.seen["prunes that died"]++
	}
	if pruned.Swept != nil && len(pruned.Swept.Points) > 0 {
		h.note("swept", "%v", pruned.Swept.Points)
		h.seen["points swept"] += len(pruned.Swept.Points)
	}
	if err != nil && !dies && (h.order.AnyClock || fault.KindOf(err) != fault.Refused) {
		t.Errorf("a prune that nothing has disturbed: %v", err)
	}
	after := h.listing(t)
	for why, id := range lastingOf(before, time.Now()) {
		if p, err := after.Find(id); err != nil || p.Forgotten != nil {
			t.Errorf("prune took point %s, which is %s", id, why)
		}
	}
	if h.chance(3) {
		requireNothingDamaged(t, h)
	}
}

func (h *history) pruneWith(ctx context.Context, store storage.Storage) (done retention.Pruned, err error) {
	repo, err := repository.Open(ctx, store, repository.Options{Trust: h.Trust})
	if err != nil {
		return done, err
	}
	ctx, lease, err := repository.AcquireLease(ctx, store, repotest.Instance, repository.PruneLease(repotest.Instance), 0)
	if err != nil {
		return done, err
	}
	defer lease.Release()
	p := &repository.Pruner{Store: store, Repo: repo, Signer: h.Signer, Instance: repotest.Instance, Tool: "test", By: "pruner"}
	todo, err := retention.PlanPrune(ctx, p, h.order)
	if err != nil {
		return done, err
	}
	return todo.CarryOut(ctx, p, progress.Discard)
}

// prove records a drill that restored a point, and passed, or found it wanting.
func (h *history) prove(t *testing.T) {
	t.Helper()
	p := h.some(t)
	if p == nil || !p.Eligible() {
		return
	}
	h.requireRestored(t, p)
	var set []repository.ProofPoint
	for _, s := range p.Sources {
		set = append(set, repotest.Taken(p, s.Name))
	}
	proof := repotest.Proof(time.Now(), set...)
	proof.Passed = !h.chance(6)
	h.note("prove", "%s: %v", p.Point, proof.Passed)
	h.AppendProof(t, proof)
}

// decide is somebody who holds, forgets, or takes that back.
func (h *history) decide(t *testing.T) {
	t.Helper()
	p := h.some(t)
	if p == nil {
		return
	}
	s := repository.State{Point: p.Point, By: "alice", Reason: "audit", Time: time.Now().UTC()}
	switch {
	case p.Held != nil:
		s.Change = repository.Unhold
	case p.Forgotten != nil:
		s.Change = repository.Undelete
	case h.chance(2):
		s.Change = repository.Forget
	default:
		until := s.Time.Add(time.Duration(h.random.IntN(400)) * time.Hour)
		s.Change, s.Until = repository.Hold, &until
	}
	if s.Change == repository.Forget && retention.MayForget(retention.FromListing(h.listing(t)), repotest.Instance, p.Point, s.Time) != nil {
		return
	}
	store, dies, done := h.process("decide")
	defer done()
	repo, err := repository.Open(t.Context(), store, repository.Options{Trust: h.Trust})
	if err == nil {
		by := repository.Pruner{Store: store, Repo: repo, Signer: h.Signer, Tool: "test"}
		_, err = by.Record(t.Context(), s)
	}
	h.note(string(s.Change), "%s: %v", p.Point, err)
	if err != nil && !dies {
		t.Errorf("%s of %s: %v", s.Change, p.Point, err)
	}
}

func (h *history) restore(t *testing.T) {
	t.Helper()
	if p := h.some(t); p != nil {
		h.note("restore", "%s", p.Point)
		h.requireRestored(t, p)
	}
}
