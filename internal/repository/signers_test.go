package repository_test

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// A signing key is replaced with an overlap: the old one's word counts until
// some time, the new one's from an hour before.
func TestSigningKeyIsReplacedWithAnOverlap(t *testing.T) {
	change := time.Now().Add(24 * time.Hour)
	now := change
	f, m := newFixture(t)
	m.Clock = func() time.Time { return now }
	old, next := newSigner(t), newSigner(t)
	until, err := seal.NewTrustedSigner(old.PublicKey(), []seal.Role{seal.RoleWriter}, time.Time{}, change)
	if err != nil {
		t.Fatal(err)
	}
	from, err := seal.NewTrustedSigner(next.PublicKey(), []seal.Role{seal.RoleWriter}, change.Add(-time.Hour), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	chief := trust(t, f.Signer, seal.RoleOperator)
	both := seal.Trust{chief, until, from}
	// before is what a daemon trusts that nobody has told of the change.
	before := seal.Trust{chief, trust(t, old, seal.RoleWriter), trust(t, next, seal.RoleWriter)}
	writer := func(signer seal.Signer, trust seal.Trust) (*repository.Writer, error) {
		o := f.WriterOptions()
		o.Signer, o.Trust, o.Now = signer, trust, func() time.Time { return now }
		return repository.OpenWriter(t.Context(), m, o)
	}
	tests := []struct {
		name   string
		signer seal.Signer
		at     time.Duration // from the change
		counts bool
	}{
		{"the old one long before", old, -20 * time.Hour, true},
		{"the new one too early", next, -2 * time.Hour, false},
		{"the old one in the overlap", old, -30 * time.Minute, true},
		{"the new one in the overlap", next, -20 * time.Minute, true},
		{"the new one afterwards", next, time.Hour, true},
		{"the old one afterwards", old, 2 * time.Hour, false},
		{"the new one later on", next, 3 * time.Hour, true},
	}
	f.Trust = both
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now = change.Add(tt.at)
			if _, err := writer(tt.signer, both); tt.counts != (err == nil) {
				t.Fatalf("whoever knows of the change begins a run: %v", err)
			} else if err != nil {
				requireKind(t, err, fault.Usage)
			}
			w, err := writer(tt.signer, before)
			if err != nil {
				t.Fatal(err)
			}
			p := point(t, f, mustTake(t, w, "manual", sample()).Point)
			if p.Eligible() != tt.counts || (p.Untrusted == nil) != tt.counts {
				t.Errorf("the point counts: %v (%v), want %v", p.Eligible(), p.Untrusted, tt.counts)
			}
		})
	}
}
