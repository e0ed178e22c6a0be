package repository_test

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

func TestStates(t *testing.T) {
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	tests := map[string]struct {
		changes         []repository.State
		forgotten, held bool
	}{
		"nothing":                      {nil, false, false},
		"forgotten":                    {[]repository.State{{Change: repository.Forget}}, true, false},
		"forgotten and brought back":   {[]repository.State{{Change: repository.Forget}, {Change: repository.Undelete}}, false, false},
		"forgotten again":              {[]repository.State{{Change: repository.Forget}, {Change: repository.Undelete}, {Change: repository.Forget}}, true, false},
		"being swept":                  {[]repository.State{{Change: repository.Forget}, {Change: repository.Sweeping}}, true, false},
		"no way back from a sweeping":  {[]repository.State{{Change: repository.Sweeping}, {Change: repository.Undelete}}, true, false},
		"held":                         {[]repository.State{{Change: repository.Hold}}, false, true},
		"held for a while":             {[]repository.State{{Change: repository.Hold, Until: &future}}, false, true},
		"held until some time ago":     {[]repository.State{{Change: repository.Hold, Until: &past}}, false, false},
		"held and let go":              {[]repository.State{{Change: repository.Hold}, {Change: repository.Unhold}}, false, false},
		"a hold outlives a forgetting": {[]repository.State{{Change: repository.Hold}, {Change: repository.Forget}, {Change: repository.Undelete}}, false, true},
	}
	f, m := newFixture(t)
	w := f.Writer(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id := mustTake(t, w, "manual", &repotest.Sample{Name: "main"}).Point
			for _, s := range tt.changes {
				s.Point, s.By, s.Reason, s.Time = id, "ops", "because", time.Now()
				if _, err := repository.AppendState(t.Context(), m, f.Open(t), f.Signer, s); err != nil {
					t.Fatal(err)
				}
			}
			p := point(t, f, id)
			if (p.Forgotten != nil) != tt.forgotten || (p.Held != nil) != tt.held || p.Eligible() == tt.forgotten {
				t.Errorf("forgotten %v, held %v, eligible %v", p.Forgotten, p.Held, p.Eligible())
			}
		})
	}
}

// Whoever can write, but holds no key, must neither hide a point nor free one.
func TestUntrustedStatesAreNone(t *testing.T) {
	forget := func(id string, repo string) repository.State {
		return repository.State{
			Header: repository.Header{Kind: "state", Format: 1, Repository: repo, Path: "state/" + id + "/1.json"},
			Point:  id, Change: repository.Forget, Time: time.Now(),
		}
	}
	tests := map[string]func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, other string){
		"signed by somebody else": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, _ string) {
			plantSigned(t, m, newSigner(t), "state/"+id+"/1.json", forget(id, f.Open(t).Record().Repository))
		},
		"not signed": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, _ string) {
			plantSigned(t, m, f.Signer, "state/"+id+"/1.json", forget(id, f.Open(t).Record().Repository))
			m.Damage("state/"+id+"/1.json.minisig", nil)
		},
		"nonsense": func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, id, _ string) {
			m.Plant("state/"+id+"/1.json", []byte("nonsense"))
		},
		"copied from another point": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, other string) {
			plantSigned(t, m, f.Signer, "state/"+other+"/1.json", forget(other, f.Open(t).Record().Repository))
			m.Plant("state/"+id+"/1.json", m.Content("state/"+other+"/1.json"))
			m.Plant("state/"+id+"/1.json.minisig", m.Content("state/"+other+"/1.json.minisig"))
		},
		"copied from another repository": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, _ string) {
			plantSigned(t, m, f.Signer, "state/"+id+"/1.json", forget(id, "elsewhere"))
		},
		"signed in a role that may not": func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, id, _ string) {
			drill := newSigner(t)
			f.Trust = append(f.Trust, trust(t, drill, seal.RoleDrill, seal.RoleWriter))
			plantSigned(t, m, drill, "state/"+id+"/1.json", forget(id, f.Open(t).Record().Repository))
		},
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			w := f.Writer(t)
			id, other := mustTake(t, w, "manual", sample()).Point, mustTake(t, w, "manual", sample()).Point
			plant(t, f, m, id, other)
			if p := point(t, f, id); !p.Eligible() || p.Forgotten != nil {
				t.Errorf("it is forgotten: %+v", p.Forgotten)
			}
		})
	}
}

func TestStateMayBeSignedByPrunerOrOperator(t *testing.T) {
	for _, role := range []seal.Role{seal.RolePruner, seal.RoleOperator} {
		t.Run(string(role), func(t *testing.T) {
			f, m := newFixture(t)
			id := mustTake(t, f.Writer(t), "manual", sample()).Point
			signer := newSigner(t)
			f.Trust = append(f.Trust, trust(t, signer, role))
			s := repository.State{Point: id, Change: repository.Hold, Time: time.Now()}
			if _, err := repository.AppendState(t.Context(), m, f.Open(t), signer, s); err != nil {
				t.Fatal(err)
			}
			if point(t, f, id).Held == nil {
				t.Error("it is not held")
			}
		})
	}
}
