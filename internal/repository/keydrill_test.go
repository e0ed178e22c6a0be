package repository_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// keyScene is a repository whose four points two operators open, and the drill the
// newest two. The second half of the points relies on packs of the first.
type keyScene struct {
	f             *repotest.Fixture
	m             *repotest.Memory
	second, drill seal.Identity
	ids           []string
}

func newKeyScene(t *testing.T) *keyScene {
	t.Helper()
	f, m := newFixture(t)
	s := &keyScene{f: f, m: m, second: newIdentity(t), drill: newIdentity(t)}
	o, drill := f.WriterOptions(), s.drill.Recipient()
	o.Recipients = append(o.Recipients, s.second.Recipient())
	o.Drill = &drill
	w, err := repository.OpenWriter(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		s.ids = append(s.ids, mustTake(t, w, "manual", sample()).Point)
	}
	for _, id := range s.ids[:2] { // as a pruner does
		s.remove(t, id, s.drill)
	}
	return s
}

// wrap is where the wrap of a point's own key stands.
func (s *keyScene) wrap(t *testing.T, id string, of seal.Identity) string {
	t.Helper()
	return "keys/" + point(t, s.f, id).Keys.Point + "/" + of.Recipient().Fingerprint() + ".age"
}

// neverFor takes somebody out of what the manifests say of their keys, as if the
// keys had been made before or after his time.
func (s *keyScene) neverFor(t *testing.T, of seal.Identity, ids ...string) {
	t.Helper()
	fingerprint := of.Recipient().Fingerprint()
	for _, id := range ids {
		edit(t, s.m, s.f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) {
			for _, group := range v["keys"].(map[string]any)["wrapped"].([]any) {
				group := group.(map[string]any)
				group["operators"] = slices.DeleteFunc(group["operators"].([]any), func(v any) bool { return v == fingerprint })
			}
		})
	}
}

// byAnEarlierVersion takes out of every manifest what earlier versions do not say.
func (s *keyScene) byAnEarlierVersion(t *testing.T) {
	t.Helper()
	for _, id := range s.ids {
		edit(t, s.m, s.f.Signer, "points/"+id+"/manifest.json", func(v map[string]any) { delete(v["keys"].(map[string]any), "wrapped") })
	}
}

func (s *keyScene) remove(t *testing.T, id string, of seal.Identity) {
	t.Helper()
	s.m.Damage(s.wrap(t, id, of), nil)
}

func TestKeyDrill(t *testing.T) {
	type counts struct{ opens, notFor, broken int64 }
	fine := map[string]counts{"operator": {4, 0, 0}, "second": {4, 0, 0}, "drill": {2, 2, 0}}
	but := func(who string, c counts) map[string]counts {
		return map[string]counts{"operator": fine["operator"], "second": fine["second"], "drill": fine["drill"], who: c}
	}
	tests := map[string]struct {
		spoil    func(t *testing.T, s *keyScene)
		want     map[string]counts
		oneKey   []int
		warnings []string // what each of them says
	}{
		"nothing is wrong": {func(*testing.T, *keyScene) {}, fine, nil, nil},
		"a damaged wrap": {func(t *testing.T, s *keyScene) {
			s.m.Damage(s.wrap(t, s.ids[0], s.f.Operator), []byte("age-encryption.org/v1\nnonsense"))
		}, but("operator", counts{3, 0, 1}), []int{0}, []string{"does not open 1 of 4 points that it should: ", "a single key opens 1 of 4 points"}},
		"the wrap of another key": {func(t *testing.T, s *keyScene) {
			s.m.Damage(s.wrap(t, s.ids[3], s.second), s.m.Content(s.wrap(t, s.ids[2], s.second)))
		}, but("second", counts{3, 0, 1}), nil, []string{"does not open 1 of 4 points that it should: "}},
		"a wrap that is missing between others": {func(t *testing.T, s *keyScene) {
			s.remove(t, s.ids[1], s.second)
		}, but("second", counts{3, 0, 1}), []int{1}, []string{"does not open 1 of 4", "a single key opens 1 of 4 points"}},
		"an operator who came later": {func(t *testing.T, s *keyScene) {
			s.neverFor(t, s.second, s.ids[0])
			s.remove(t, s.ids[0], s.second)
		}, but("second", counts{3, 1, 0}), []int{0}, []string{"a single key opens 1 of 4 points"}},
		"the operator's wrap of the oldest point is missing": {func(t *testing.T, s *keyScene) {
			s.remove(t, s.ids[0], s.second)
		}, but("second", counts{3, 0, 1}), []int{0}, []string{"does not open 1 of 4", "a single key opens 1 of 4 points"}},
		"the operator's wrap of the newest point is missing": {func(t *testing.T, s *keyScene) {
			s.remove(t, s.ids[3], s.second)
		}, but("second", counts{3, 0, 1}), nil, []string{"does not open 1 of 4"}},
		"the drill's wrap of the oldest point that had one is missing": {func(t *testing.T, s *keyScene) {
			s.remove(t, s.ids[2], s.drill)
		}, but("drill", counts{1, 3, 0}), nil, nil},
		"the oldest point's, of an earlier version": {func(t *testing.T, s *keyScene) {
			s.byAnEarlierVersion(t)
			s.remove(t, s.ids[0], s.second)
		}, but("second", counts{3, 1, 0}), []int{0}, []string{"a single key opens 1 of 4 points"}},
		"one between others, of an earlier version": {func(t *testing.T, s *keyScene) {
			s.byAnEarlierVersion(t)
			s.remove(t, s.ids[1], s.second)
		}, but("second", counts{3, 0, 1}), []int{1}, []string{"does not open 1 of 4", "a single key opens 1 of 4 points"}},
		"an operator who has left": {func(t *testing.T, s *keyScene) {
			s.neverFor(t, s.second, s.ids[2:]...)
			s.remove(t, s.ids[3], s.second)
			s.remove(t, s.ids[2], s.second)
		}, but("second", counts{2, 2, 0}), nil, nil},
		"the key of shared packs": {func(t *testing.T, s *keyScene) {
			s.m.Damage("keys/"+point(t, s.f, s.ids[0]).Keys.Packs[0]+"/"+s.second.Recipient().Fingerprint()+".age", nil)
		}, but("second", counts{0, 0, 4}), []int{0, 1}, []string{"does not open 4 of 4", "opens none of 4 points", "a single key opens 2 of 4 points"}},
		"a key that nobody has": {func(t *testing.T, s *keyScene) {
			s.remove(t, s.ids[0], s.f.Operator)
			s.remove(t, s.ids[0], s.second)
		}, map[string]counts{"operator": {3, 0, 1}, "second": {3, 0, 1}, "drill": {2, 1, 1}}, nil,
			[]string{"does not open 1 of 4", "does not open 1 of 4", "does not open 1 of 4", "no key opens 1 of 4 points: "}},
		"a point that is forgotten": {func(t *testing.T, s *keyScene) {
			s.m.Damage(s.wrap(t, s.ids[0], s.f.Operator), []byte("nonsense"))
			forget := repository.State{Point: s.ids[0], Change: repository.Forget, By: "ops", Time: time.Now()}
			if _, err := repository.AppendState(t.Context(), s.m, s.f.Open(t), s.f.Signer, forget); err != nil {
				t.Fatal(err)
			}
		}, map[string]counts{"operator": {3, 0, 0}, "second": {3, 0, 0}, "drill": {2, 1, 0}}, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newKeyScene(t)
			tt.spoil(t, s)
			given := map[string]seal.Identity{"operator": s.f.Operator, "second": s.second, "drill": s.drill}
			// One is given twice, as two files may hold the same key.
			keys, warnings, err := repository.KeyDrill(t.Context(), s.f.Open(t), listing(t, s.f), []seal.Identity{s.f.Operator, s.second, s.drill, s.second})
			if err != nil || len(keys.Identities) != len(given) {
				t.Fatalf("got %+v, %v", keys, err)
			}
			for who, want := range tt.want {
				at := slices.IndexFunc(keys.Identities, func(i repository.ProofIdentity) bool { return i.Fingerprint == given[who].Recipient().Fingerprint() })
				if got := keys.Identities[at]; (counts{got.Opens, got.NotFor, got.Broken}) != want {
					t.Errorf("%s: got %+v, want %+v", who, got, want)
				}
			}
			oneKey := []string{}
			for _, n := range tt.oneKey {
				oneKey = append(oneKey, s.ids[n])
			}
			if diff := cmp.Diff(oneKey, keys.OneKey); diff != "" {
				t.Error(diff)
			}
			if len(warnings) != len(tt.warnings) {
				t.Fatalf("warnings %q, want %q", warnings, tt.warnings)
			}
			for i, says := range tt.warnings {
				if !strings.Contains(warnings[i], says) {
					t.Errorf("%q does not say %q", warnings[i], says)
				}
			}
		})
	}
}

// An identity that nothing was sealed to opens nothing, and that is said.
func TestKeyDrillWithAForeignKey(t *testing.T) {
	s := newKeyScene(t)
	keys, warnings, err := repository.KeyDrill(t.Context(), s.f.Open(t), listing(t, s.f), []seal.Identity{newIdentity(t)})
	if err != nil || len(keys.Identities) != 1 || keys.Identities[0].NotFor != 4 || keys.Points != 4 || len(warnings) != 1 || !strings.Contains(warnings[0], "opens none of 4 points") {
		t.Errorf("got %+v, %q, %v", keys, warnings, err)
	}
}

// One operator alone is a risk, which a drill names without being given any key.
func TestKeyDrillWarnsOfASingleKey(t *testing.T) {
	f, _ := newFixture(t)
	w := f.Writer(t)
	for range 5 {
		mustTake(t, w, "manual", media())
	}
	keys, warnings, err := repository.KeyDrill(t.Context(), f.Open(t), listing(t, f), nil)
	if err != nil || len(keys.OneKey) != 5 || len(warnings) != 1 || !strings.Contains(warnings[0], "a single key opens 5 of 5 points") || !strings.HasSuffix(warnings[0], " and 2 more") {
		t.Errorf("got %+v, %q, %v", keys, warnings, err)
	}
}
