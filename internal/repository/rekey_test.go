package repository_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// rekey carries one out over a storage.
func rekey(t *testing.T, f *repotest.Fixture, store storage.Storage, o repository.RekeyOptions) (repository.RekeyResult, error) {
	t.Helper()
	o.Show = progress.Discard
	repo, err := repository.Open(t.Context(), f.Store, repository.Options{Trust: f.Trust})
	if err != nil {
		t.Fatal(err)
	}
	return repository.Rekey(t.Context(), store, store, repo, o)
}

// handOver replaces one operator by another.
func handOver(from, to seal.Identity, with ...seal.Identity) repository.RekeyOptions {
	return repository.RekeyOptions{
		Identities: append([]seal.Identity{from}, with...), Add: recipients(to), Remove: recipients(from), Operators: recipients(to),
	}
}

func recipients(ids ...seal.Identity) []seal.Recipient {
	var all []seal.Recipient
	for _, id := range ids {
		all = append(all, id.Recipient())
	}
	return all
}

// readable reports whether an identity reads all of every point.
func readable(t *testing.T, f *repotest.Fixture, id seal.Identity) bool {
	t.Helper()
	repo := f.Open(t)
	for _, p := range listing(t, f).Points {
		source := repo.Unlock(p, []seal.Identity{id})[0]
		if source.CheckKeys(t.Context()) != nil || readTable(t, source) != nil {
			return false
		}
		if _, err := source.DigestKey(t.Context()); err != nil {
			return false
		}
	}
	return true
}

func wrapsFor(m *repotest.Memory, id seal.Identity) (names []string) {
	for _, name := range m.Names() {
		if strings.Contains(name, id.Recipient().Fingerprint()) {
			names = append(names, name)
		}
	}
	return names
}

func TestRekeyHandsOver(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	for range 3 {
		mustTake(t, w, "manual", sample())
	}
	next := newIdentity(t)
	o := handOver(f.Operator, next)
	recorded := 0
	o.Record = func(_ context.Context, r repository.RekeyResult) error {
		recorded++
		if r.Removed != 0 || len(wrapsFor(m, f.Operator)) == 0 {
			t.Error("the entry of the log comes after the first wrap was removed")
		}
		return nil
	}
	before := len(wrapsFor(m, f.Operator))
	result, err := rekey(t, f, m, o)
	if err != nil {
		t.Fatal(err)
	}
	if int(result.Wrapped) != before || int(result.Removed) != before || int(result.Keys) != before-1 || recorded != 1 {
		t.Errorf("%+v, recorded %d times; want %d wraps made and removed, the digest key's among them, and one entry", result, recorded, before)
	}
	if !readable(t, f, next) || len(wrapsFor(m, f.Operator)) > 0 {
		t.Error("the new key does not open every point, or the old one still has wraps")
	}
	again, err := rekey(t, f, m, handOver(next, next, f.Operator))
	if err == nil {
		t.Errorf("adding and removing the same one is no mistake: %+v", again)
	}
}

// Interrupted at any moment every point stays readable, by the old or by the new
// key, and the same again, by whoever holds either, completes it.
func TestRekeyThatIsInterrupted(t *testing.T) {
	f, m := newFixture(t)
	mustTake(t, f.Writer(t), "manual", sample())
	mustTake(t, f.Writer(t), "manual", sample())
	next, whole := newIdentity(t), m.Clone()
	counting := faulty.New(m.Clone(), faulty.Plan{})
	if _, err := rekey(t, f, counting, handOver(f.Operator, next)); err != nil {
		t.Fatal(err)
	}
	hit := map[faulty.Kind]int{}
	for at := range counting.Calls() {
		for _, how := range []faulty.Fault{faulty.Fail, faulty.FailAfter} {
			here := whole.Clone()
			f.Store = here
			// From this call on nothing answers any more, and nothing is repeated.
			broken := faulty.New(here, faulty.Plan{Fault: how, At: at + 1, Times: -1, Err: syscall.EROFS})
			if how == faulty.FailAfter { // the last call still arrives
				broken = faulty.New(faulty.New(here, faulty.Plan{Fault: faulty.Fail, At: at + 2, Times: -1, Err: syscall.EROFS}), faulty.Plan{Fault: how, At: at + 1, Times: -1, Err: syscall.EROFS})
			}
			_, err := rekey(t, f, broken, handOver(f.Operator, next))
			if err == nil {
				t.Fatalf("call %d fails, and the rekeying says that it is done", at+1)
			}
			kind := faulty.Kind("another call at the same time")
			for _, h := range broken.Hits() {
				kind = h.Kind
			}
			hit[kind]++
			if !readable(t, f, f.Operator) && !readableByEither(t, f, f.Operator, next) {
				t.Fatalf("after call %d (%s %s) no key opens some point", at+1, how, kind)
			}
			if _, err := rekey(t, f, here, handOver(f.Operator, next, next)); err != nil {
				t.Fatalf("again after call %d: %v", at+1, err)
			}
			if !readable(t, f, next) || len(wrapsFor(here, f.Operator)) > 0 {
				t.Fatalf("again after call %d: it is not complete", at+1)
			}
		}
	}
	for _, kind := range []faulty.Kind{faulty.List, faulty.Open, faulty.Commit, faulty.Delete} {
		if hit[kind] == 0 {
			t.Errorf("no %s was interrupted: %v", kind, hit)
		}
	}
}

// readableByEither: every single key is opened by one of the two.
func readableByEither(t *testing.T, f *repotest.Fixture, ids ...seal.Identity) bool {
	t.Helper()
	repo := f.Open(t)
	for _, p := range listing(t, f).Points {
		source := repo.Unlock(p, ids)[0]
		if source.CheckKeys(t.Context()) != nil || readTable(t, source) != nil {
			return false
		}
		if _, err := source.DigestKey(t.Context()); err != nil {
			return false
		}
	}
	return true
}

func TestRekeyRefusesAndRemovesNothing(t *testing.T) {
	type state struct {
		f    *repotest.Fixture
		m    *repotest.Memory
		next seal.Identity
	}
	tests := map[string]struct {
		prepare func(t *testing.T, s state) repository.RekeyOptions
		kind    fault.Kind
		says    string
	}{
		"who is removed is still configured": {func(_ *testing.T, s state) repository.RekeyOptions {
			o := handOver(s.f.Operator, s.next)
			o.Operators = append(o.Operators, s.f.Operator.Recipient())
			return o
		}, fault.Refused, "the configuration still lists"},
		"the last one": {func(_ *testing.T, s state) repository.RekeyOptions {
			return repository.RekeyOptions{Identities: []seal.Identity{s.f.Operator}, Remove: recipients(s.f.Operator), Operators: recipients(s.next)}
		}, fault.Refused, "no other operator has a wrap"},
		"a key that does not open": {func(t *testing.T, s state) repository.RekeyOptions {
			stranger := newIdentity(t)
			return handOver(stranger, s.next)
		}, fault.Refused, "were not opened, and nothing was removed"},
		"a damaged wrap": {func(_ *testing.T, s state) repository.RekeyOptions {
			s.m.Damage(wrapsFor(s.m, s.f.Operator)[0], []byte("x"))
			return handOver(s.f.Operator, s.next)
		}, fault.Corrupt, "nothing was removed"},
		"what would be left was planted": {func(t *testing.T, s state) repository.RekeyOptions {
			for _, name := range wrapsFor(s.m, s.f.Operator) {
				wrapped, err := newIdentity(t).Wrap(newIdentity(t).Recipient())
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(name, "keys/") {
					s.m.Plant(strings.ReplaceAll(name, s.f.Operator.Recipient().Fingerprint(), s.next.Recipient().Fingerprint()), wrapped)
				}
			}
			return handOver(s.f.Operator, s.next)
		}, fault.Refused, "no wrap that would be left was seen to open"},
		"a new one of another class": {func(t *testing.T, s state) repository.RekeyOptions {
			quantum, err := seal.GenerateIdentity(true)
			if err != nil {
				t.Fatal(err)
			}
			return repository.RekeyOptions{Identities: []seal.Identity{s.f.Operator}, Add: recipients(quantum), Operators: recipients(s.f.Operator)}
		}, fault.Usage, "of one class"},
		"all new ones of another class": {func(t *testing.T, s state) repository.RekeyOptions {
			quantum, err := seal.GenerateIdentity(true)
			if err != nil {
				t.Fatal(err)
			}
			return handOver(s.f.Operator, quantum)
		}, fault.Usage, "not of one class"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			mustTake(t, f.Writer(t), "manual", sample())
			o := tt.prepare(t, state{f, m, newIdentity(t)})
			before := len(wrapsFor(m, f.Operator))
			_, err := rekey(t, f, m, o)
			requireKind(t, err, tt.kind)
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v: want that %q", err, tt.says)
			}
			if after := len(wrapsFor(m, f.Operator)); after != before {
				t.Errorf("%d wraps of the removed are left of %d", after, before)
			}
		})
	}
}

// undeletable is a bucket whose retention has not ended, or whose credentials
// may not delete.
type undeletable struct {
	storage.Storage
	err error
}

func (u undeletable) Delete(context.Context, storage.Info) error { return u.err }

func TestRekeyWhereNothingMayBeDeleted(t *testing.T) {
	for want, kind := range map[error]fault.Kind{storage.ErrProtected: fault.Failed, storage.ErrDenied: fault.Usage} {
		f, m := newFixture(t)
		mustTake(t, f.Writer(t), "manual", sample())
		next := newIdentity(t)
		_, err := rekey(t, f, undeletable{m, want}, handOver(f.Operator, next))
		requireKind(t, err, kind)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "still opens") {
			t.Errorf("%v does not say that the removed one still reads", err)
		}
		if !readable(t, f, next) || !readable(t, f, f.Operator) {
			t.Error("the new key does not open every point")
		}
	}
}

// A run that began with the old configuration wraps for the old recipients.
func TestRekeyLooksAgainForWhatCameMeanwhile(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	mustTake(t, w, "manual", sample())
	var race sync.Once
	racing := faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
		if c.Kind == faulty.Delete {
			race.Do(func() {
				if _, err := take(t.Context(), w, repotest.Instance, "manual", sample()); err != nil {
					t.Error(err)
				}
			})
		}
	}})
	next := newIdentity(t)
	result, err := rekey(t, f, racing, handOver(f.Operator, next))
	requireKind(t, err, fault.Busy)
	if result.Late == 0 || !readable(t, f, next) || len(wrapsFor(m, f.Operator)) > 0 {
		t.Errorf("%+v: want the point of the run that raced rewrapped and reported", result)
	}
}

func TestRekeyGivesTheDrillTheNewestAlone(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	var ids []string
	for range 3 {
		s := sample()
		s.Objects = nil // each point needs its own key and no other
		ids = append(ids, mustTake(t, w, "manual", s).Point)
	}
	drill := newIdentity(t)
	recipient := drill.Recipient()
	_, err := rekey(t, f, m, repository.RekeyOptions{
		Identities: []seal.Identity{f.Operator}, Add: recipients(drill), Operators: recipients(f.Operator), Drill: &recipient, DrillPoints: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		err := readTable(t, f.Open(t).Unlock(point(t, f, id), []seal.Identity{drill})[0])
		if newest := i == len(ids)-1; (err == nil) != newest {
			t.Errorf("point %d of %d: %v", i+1, len(ids), err)
		}
	}
}

func TestRekeyLeavesWhatSomebodyPlanted(t *testing.T) {
	f, m := newFixture(t)
	mustTake(t, f.Writer(t), "manual", sample())
	planted := fmt.Sprintf("keys/%064d/%s.age", 7, f.Operator.Recipient().Fingerprint())
	m.Plant(planted, []byte("junk"))
	result, err := rekey(t, f, m, handOver(f.Operator, newIdentity(t)))
	if err != nil || result.Strange != 1 || m.Content(planted) == nil {
		t.Errorf("%+v, %v: want that one strange key is counted and left", result, err)
	}
}

func TestKeyReadersSaysWhoseWrapsThereAre(t *testing.T) {
	f, m := newFixture(t)
	mustTake(t, f.Writer(t), "manual", sample())
	next := newIdentity(t)
	if _, err := rekey(t, f, m, repository.RekeyOptions{
		Identities: []seal.Identity{f.Operator}, Add: recipients(next), Operators: recipients(f.Operator, next),
	}); err != nil {
		t.Fatal(err)
	}
	mustTake(t, f.Writer(t), "manual", sample()) // for the first operator alone
	readers, keys, points, err := repository.KeyReaders(t.Context(), f.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, r := range readers {
		got[r.Fingerprint] = r.Points
		if !r.DigestKey {
			t.Errorf("%s: no digest key", r.Fingerprint)
		}
	}
	catalog := f.Catalog.Recipient().Fingerprint()
	if points != 2 || keys == 0 || got[f.Operator.Recipient().Fingerprint()] != 2 || got[next.Recipient().Fingerprint()] != 1 || got[catalog] != 0 {
		t.Errorf("%d keys, %d points, readers %v", keys, points, readers)
	}
}

// BenchmarkRekey says how long 10,000 keys in a directory take, and fails where
// it is more than a minute.
func BenchmarkRekey(b *testing.B) {
	const keys, limit = 10_000, time.Minute
	f := repotest.New(b)
	for range keys {
		key := newIdentity(b)
		wrapped, err := key.Wrap(f.Operator.Recipient())
		if err != nil {
			b.Fatal(err)
		}
		name := "keys/" + key.Recipient().KeyID() + "/" + f.Operator.Recipient().Fingerprint() + ".age"
		if _, err := storage.Put(b.Context(), f.Store, name, wrapped); err != nil {
			b.Fatal(err)
		}
	}
	from := f.Operator
	for b.Loop() {
		next := newIdentity(b)
		began := time.Now()
		o := handOver(from, next)
		o.Show = progress.Discard
		result, err := repository.Rekey(b.Context(), f.Store, f.Store, f.Open(b), o)
		if err != nil || result.Removed != keys+1 {
			b.Fatalf("%+v, %v", result, err)
		}
		if took := time.Since(began); took > limit {
			b.Errorf("%d keys took %s, limit %s", keys, took, limit)
		}
		from = next
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/10000keys")
}
