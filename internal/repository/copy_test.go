package repository_test

import (
	"slices"
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

func copyOptions(f *repotest.Fixture, points ...string) repository.CopyOptions {
	return repository.CopyOptions{
		Options: repository.Options{Trust: f.Trust}, Signer: f.Signer, By: "alice", Tool: "test", Points: points, Show: progress.Discard,
	}
}

func mustCopy(t *testing.T, f *repotest.Fixture, from storage.Reader, to storage.ReadWriter, points ...string) *repository.CopyResult {
	t.Helper()
	result, err := repository.CopyTo(t.Context(), from, to, copyOptions(f, points...))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// requireCopy requires that a place holds whole points and nothing strange.
func requireCopy(t *testing.T, f *repotest.Fixture, to *repotest.Memory, want ...string) {
	t.Helper()
	there := *f
	there.Store = to
	requireWhole(t, &there, want...)
	requireFindings(t, audit(t, to, f.Trust))
}

func TestCopyHoldsThePoints(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	ids := takePoints(t, w, 3)
	to := repotest.NewMemory()
	first := mustCopy(t, f, m, to)
	if !slices.Equal(first.Copied, ids) || len(first.Present) > 0 {
		t.Errorf("%+v, want %v copied", first, ids)
	}
	requireCopy(t, f, to, ids...)
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "packs/") && string(to.Content(name)) != string(m.Content(name)) {
			t.Errorf("%s is not the same", name)
		}
	}
	// Further ones cost what is theirs alone; a rekeyed key comes after.
	ids = append(ids, mustTake(t, w, "manual", sampleNumber(4)).Point)
	next := newIdentity(t)
	if _, err := rekey(t, f, m, repository.RekeyOptions{Identities: []seal.Identity{f.Operator}, Add: recipients(next), Operators: recipients(f.Operator, next)}); err != nil {
		t.Fatal(err)
	}
	second := mustCopy(t, f, m, to)
	if !slices.Equal(second.Copied, ids[3:]) || !slices.Equal(second.Present, ids[:3]) || second.Bytes >= first.Bytes {
		t.Errorf("%+v after %+v, want %v copied", second, first, ids[3:])
	}
	requireCopy(t, f, to, ids...)
	there := *f
	there.Store = to
	if !readable(t, &there, next) {
		t.Error("who was added at home does not open the copy")
	}
	third := mustCopy(t, f, m, to)
	if len(third.Copied) > 0 || third.Files > 0 {
		t.Errorf("nothing was left to copy: %+v", third)
	}
}

// What a copy left out of a chain is known from its log, and what is taken away from
// it is not.
func TestCopyExplainsItsGaps(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 5)
	forget(t, f, m, ids[0], ids[2])
	mustSweep(t, f, m, ids[0])
	to := repotest.NewMemory()
	if result := mustCopy(t, f, m, to); !slices.Equal(result.Copied, []string{ids[1], ids[3], ids[4]}) {
		t.Errorf("%+v: want neither the swept nor the forgotten one", result)
	}
	requireCopy(t, f, to, ids[1], ids[3], ids[4])
	there := *f
	there.Store = to
	if a, err := repository.NewAudit(to, repository.AuditOptions{Options: repository.Options{Trust: f.Trust}}); err != nil || repotest.RunAudit(t.Context(), a) != nil {
		t.Error(err)
	}
	again := mustCopy(t, f, m, to)
	if again.Files > 0 {
		t.Errorf("nothing has changed: %+v", again)
	}
	removePoint(to, ids[3])
	if found := audit(t, to, f.Trust); !slices.ContainsFunc(found, func(f repository.Finding) bool { return f.Kind == repository.Unchained }) {
		t.Errorf("a point that was taken away is not missed: %v", found)
	}
}

// The copy has its own retention, and nothing that it let go comes back.
func TestCopyHasItsOwnRetention(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 3)
	to := repotest.NewMemory()
	mustCopy(t, f, m, to)
	there := *f
	there.Store = to
	forget(t, &there, to, ids[0])
	mustSweep(t, &there, to, ids[0])
	requireCopy(t, f, to, ids[1:]...)
	if again := mustCopy(t, f, m, to); len(again.Copied) > 0 {
		t.Errorf("%v came back", again.Copied)
	}
	requireCopy(t, f, to, ids[1:]...)
	requireWhole(t, f, ids...)
}

// Wherever a copy is cut off, no point is there by half, and the next one completes
// it.
func TestCopyThatIsInterrupted(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 2)
	for _, side := range []string{"home", "copy"} {
		count := faulty.New(repotest.NewMemory(), faulty.Plan{})
		home := faulty.New(m, faulty.Plan{})
		mustCopy(t, f, home, count)
		calls := len(count.Calls())
		if side == "home" {
			calls = len(home.Calls())
		}
		for at := 0; at < calls; at += 3 {
			to := repotest.NewMemory()
			plan := faulty.Plan{Fault: faulty.Fail, At: at + 1, Times: -1, Err: syscall.EROFS}
			var from storage.Reader = m
			var into storage.ReadWriter = to
			if side == "home" {
				from = faulty.New(m, plan)
			} else {
				into = faulty.New(to, plan)
			}
			if _, err := repository.CopyTo(t.Context(), from, into, copyOptions(f)); err == nil {
				t.Fatalf("call %d at %s fails, and the copy says that it is done", at+1, side)
			}
			if len(to.Names()) > 0 && slices.Contains(to.Names(), "repository/1.json") {
				there := *f
				there.Store = to
				requireWhole(t, &there)
				requireFindings(t, harmless(audit(t, to, f.Trust)))
			}
			mustCopy(t, f, m, to)
			there := *f
			there.Store = to
			requireWhole(t, &there, ids...)
			requireFindings(t, harmless(audit(t, to, f.Trust)))
			if t.Failed() {
				t.Fatalf("after call %d at %s", at+1, side)
			}
		}
	}
}

// Bytes that change on the way, or are damaged at home, do not arrive as a point; the
// others do.
func TestCopyHoldsBytesAgainstTheirSums(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 3)
	var table string
	for _, file := range point(t, f, ids[1]).Files {
		if strings.Contains(file.Path, "/users/") {
			table = file.Path
		}
	}
	content := m.Content(table)
	content[len(content)/2] ^= 1
	m.Damage(table, content)
	to := repotest.NewMemory()
	result, err := repository.CopyTo(t.Context(), m, to, copyOptions(f))
	requireKind(t, err, fault.Corrupt)
	if !slices.Equal(result.Copied, []string{ids[0], ids[2]}) || !strings.Contains(err.Error(), table) {
		t.Errorf("%+v, %v: want the damaged file named, and the other points copied", result, err)
	}
	there := *f
	there.Store = to
	requireWhole(t, &there, ids[0], ids[2])
	requireFindings(t, harmless(audit(t, to, f.Trust)))
}

// A point that is swept at home while it is copied is left out.
func TestCopyOfAPointThatIsSweptMeanwhile(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 3)
	swept := false
	home := faulty.New(m, faulty.Plan{Before: func(c faulty.Call) {
		if !swept && c.Kind == faulty.Open && strings.HasPrefix(c.Name, "points/"+ids[0]+"/main/") {
			swept = true
			forget(t, f, m, ids[0])
			mustSweep(t, f, m, ids[0])
		}
	}})
	to := repotest.NewMemory()
	result := mustCopy(t, f, home, to)
	if !swept || !slices.Equal(result.Left, ids[:1]) || !slices.Equal(result.Copied, ids[1:]) {
		t.Errorf("%+v: want %s left out", result, ids[0])
	}
	there := *f
	there.Store = to
	requireWhole(t, &there, ids[1:]...)
	requireFindings(t, harmless(audit(t, to, f.Trust)))
}

func TestCopyOfACopyAndTwoAtOnce(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 3)
	to, further := repotest.NewMemory(), repotest.NewMemory()
	mustCopy(t, f, m, to, ids[0])
	var copies sync.WaitGroup
	for range 2 {
		copies.Go(func() {
			if _, err := repository.CopyTo(t.Context(), m, to, copyOptions(f)); err != nil {
				t.Errorf("beside another: %v", err)
			}
		})
	}
	copies.Wait()
	requireCopy(t, f, to, ids...)
	mustCopy(t, f, to, further)
	requireCopy(t, f, further, ids...)
}

func TestCopyIsRefused(t *testing.T) {
	f, m := newFixture(t)
	ids := takePoints(t, f.Writer(t), 1)
	pruner, writer := newSigner(t), newSigner(t)
	f.Trust = append(f.Trust, trust(t, pruner, seal.RolePruner), trust(t, writer, seal.RoleWriter))
	other, foreign := newFixture(t)
	f.Trust = append(f.Trust, other.Trust...)
	strange := repotest.NewMemory()
	strange.Plant("holiday.jpg", []byte("sun"))
	tests := map[string]struct {
		to     *repotest.Memory
		change func(o *repository.CopyOptions)
		kind   fault.Kind
	}{
		"to itself":                      {m, func(*repository.CopyOptions) {}, fault.Usage},
		"to another repository":          {foreign, func(*repository.CopyOptions) {}, fault.Refused},
		"to a place that holds anything": {strange, func(*repository.CopyOptions) {}, fault.Refused},
		"a first copy without operator":  {repotest.NewMemory(), func(o *repository.CopyOptions) { o.Signer = pruner }, fault.Usage},
		"without a role":                 {repotest.NewMemory(), func(o *repository.CopyOptions) { o.Signer = writer }, fault.Usage},
		"of a point that is not there":   {repotest.NewMemory(), func(o *repository.CopyOptions) { o.Points = []string{"19700101"} }, fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := copyOptions(f, ids...)
			tt.change(&o)
			_, err := repository.CopyTo(t.Context(), m, tt.to, o)
			requireKind(t, err, tt.kind)
		})
	}
}

// Reading is kept to the limit, however large the file.
func TestCopyKeepsToItsBandwidth(t *testing.T) {
	f, m := newFixture(t)
	takePoints(t, f.Writer(t), 1)
	o := copyOptions(f)
	o.Bandwidth = 1 << 20
	began := time.Now()
	result, err := repository.CopyTo(t.Context(), m, repotest.NewMemory(), o)
	if err != nil {
		t.Fatal(err)
	}
	// What the limiter lets through at once is 256 KiB.
	if least := time.Duration(result.Bytes-(256<<10)) * time.Second / (1 << 20); time.Since(began) < least/2 {
		t.Errorf("%d bytes in %s", result.Bytes, time.Since(began))
	}
}
