package retention_test

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/retention"
)

func prunerOf(t *testing.T, f *repotest.Fixture) *repository.Pruner {
	t.Helper()
	return &repository.Pruner{
		Store: f.Store, Repo: f.Open(t), Signer: f.Signer, Instance: repotest.Instance, Tool: "test", By: "pruner",
	}
}

// Invariant 6: more than the configured share is refused, beside the plan, and so is
// a clock that looks wrong.
func TestPruneIsRefused(t *testing.T) {
	const taken = retention.FreePoints + 2
	memory := repotest.NewMemory()
	fixture := repotest.Over(t, memory)
	var newest string
	for range taken {
		var err error
		if newest, err = fixture.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		order retention.Order
		ahead int // hours by which the storage's clock is ahead
		want  string
	}{
		"most of them":               {retention.Order{Policy: retention.Policy{Last: 1, MaxDeleteShare: 0.5}}, 0, "it would forget 31 of 32 points (96.9%)"},
		"most of them, as asked for": {retention.Order{Policy: retention.Policy{Last: 1, MaxDeleteShare: 0.969}}, 0, ""},
		"a few":                      {retention.Order{Policy: retention.Policy{Last: 2}}, 0, ""},
		"a clock that was set back":  {retention.Order{Policy: retention.Policy{Last: 20}}, 2, "the storage has seen point"},
		"the same, overruled":        {retention.Order{Policy: retention.Policy{Last: 20}, AnyClock: true}, 2, ""},
		"nothing is to go":           {retention.Order{Policy: retention.Policy{Last: taken}}, 2, ""},
		"nothing is to be forgotten": {retention.Order{Policy: retention.Policy{Last: 1}, SweepOnly: true}, 2, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			here := memory.Clone()
			manifest, _ := repository.ManifestFiles(newest)
			here.Age(manifest, tt.ahead)
			f := *fixture
			f.Store = here
			todo, err := retention.PlanPrune(t.Context(), prunerOf(t, &f), tt.order)
			if todo == nil || len(todo.Decisions) != taken {
				t.Fatalf("%+v is shown, want %d decisions", todo, taken)
			}
			if (err == nil) != (tt.want == "") || err != nil && (fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// What was planned is done, and nothing else.
func TestPruneDoesWhatItHasPlanned(t *testing.T) {
	f := repotest.Over(t, repotest.NewMemory())
	for range 4 {
		if _, err := f.TryCapture(t.Context(), t, "main", "mysql", notes{}); err != nil {
			t.Fatal(err)
		}
	}
	order := retention.Order{Policy: retention.Policy{Last: 2}}
	p := prunerOf(t, f)
	for _, want := range []struct{ forgotten, swept, left int }{{2, 0, 4}, {0, 2, 2}, {0, 0, 2}} {
		todo, err := retention.PlanPrune(t.Context(), p, order)
		if err != nil {
			t.Fatal(err)
		}
		done, err := todo.CarryOut(t.Context(), p, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		swept := 0
		if done.Swept != nil {
			swept = len(done.Swept.Points)
		}
		listing, err := p.Repo.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done.Forgotten != want.forgotten || swept != want.swept || len(listing.Points) != want.left {
			t.Errorf("%d forgotten, %d swept, %d left; want %+v", done.Forgotten, swept, len(listing.Points), want)
		}
	}
}

func TestWhyAPointStays(t *testing.T) {
	decision := func(source string, keep bool, reasons ...string) retention.Decision {
		return retention.Decision{Point: "p", Source: source, Keep: keep, Reasons: reasons}
	}
	tests := map[string]struct {
		decisions []retention.Decision
		want      string
	}{
		"one source":         {[]retention.Decision{decision("main", true, "newest", "last 1 of 3")}, "newest, last 1 of 3"},
		"sources that agree": {[]retention.Decision{decision("main", false, "no rule keeps it"), decision("media", false, "no rule keeps it")}, "no rule keeps it"},
		"one that keeps it":  {[]retention.Decision{decision("main", false, "no rule keeps it"), decision("media", true, "daily 2 of 7")}, "media: daily 2 of 7"},
		"two that keep it":   {[]retention.Decision{decision("main", true, "newest"), decision("media", true, "daily 2 of 7")}, "main: newest; media: daily 2 of 7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retention.Why(tt.decisions); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
