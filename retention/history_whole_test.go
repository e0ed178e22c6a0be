package retention_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// lastingOf are the points that no prune may take which ends then, by why (invariant 6),
// reckoned without what decides.
func lastingOf(l *repository.Listing, ended time.Time) map[string]string {
	lasting := map[string]string{}
	for _, p := range l.Points { // the oldest first
		if p.Held != nil && !p.Sweeping() && (p.Held.Until == nil || p.Held.Until.After(ended)) {
			lasting["held "+p.Point] = p.Point
		}
		for _, s := range p.Sources {
			if !s.Complete || !p.Eligible() {
				continue
			}
			lasting["the newest of "+s.Name] = p.Point
			if p.ProvenSource(s.Name) != nil {
				lasting["the newest proven of "+s.Name] = p.Point
			}
		}
	}
	for why, id := range lasting {
		if p, err := l.Find(id); err == nil && p.Forgotten != nil {
			delete(lasting, why) // held, and forgotten before
		}
	}
	return lasting
}

// requireNothingDamaged looks for what a check finds, but for files that no point
// needs, which a crash leaves.
func requireNothingDamaged(t *testing.T, h *history) {
	t.Helper()
	for _, f := range repotest.Audit(t, h.Store, h.Trust) {
		if f.Kind != repository.Unreferenced {
			t.Errorf("check finds %s %s of %v", f.Kind, f.File, f.Points)
		}
	}
}

func (h *history) listing(t *testing.T) *repository.Listing {
	t.Helper()
	l, err := h.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// some draws one of the points that can be restored, or nil.
func (h *history) some(t *testing.T) *repository.Point {
	t.Helper()
	l := h.listing(t)
	points := slices.DeleteFunc(l.Points, func(p *repository.Point) bool { return p.Sweeping() })
	if len(points) == 0 {
		return nil
	}
	return points[h.random.IntN(len(points))]
}

// requireRestored brings a point back, and compares it with what was captured.
func (h *history) requireRestored(t *testing.T, p *repository.Point) {
	t.Helper()
	for _, from := range h.Open(t).Unlock(p, []seal.Identity{h.Operator}) {
		got := &repotest.Sample{Name: from.Name()}
		if _, err := got.Restore(t.Context(), from, nil, progress.Discard); err != nil {
			t.Errorf("restore of %s from point %s: %v", got.Name, p.Point, err)
			continue
		}
		want := h.truth[p.Point][got.Name]
		if want == nil {
			t.Errorf("nobody has captured %s in point %s", got.Name, p.Point)
			continue
		}
		for _, diff := range []string{cmp.Diff(want.Tables, got.Tables, cmpopts.EquateEmpty()), cmp.Diff(want.Objects, got.Objects, cmpopts.EquateEmpty())} {
			if diff != "" {
				t.Errorf("%s of point %s differs from what was captured (-want +got):\n%s", got.Name, p.Point, diff)
			}
		}
	}
}

// requireWhole ends a history: every point that is left can be restored, now and when
// everything was swept that may be.
func (h *history) requireWhole(t *testing.T) {
	t.Helper()
	h.requireAllRestored(t)
	for range 3 {
		<-time.After(h.order.Policy.Grace + 8*24*time.Hour)
		if _, err := h.pruneWith(t.Context(), h.Store); err != nil && (h.order.AnyClock || fault.KindOf(err) != fault.Refused) {
			t.Errorf("prune in the end: %v", err)
		}
	}
	h.requireAllRestored(t)
	requireNothingDamaged(t, h)
	for _, p := range h.listing(t).Points {
		if p.Sweeping() {
			t.Errorf("point %s is being swept, and no prune ends that", p.Point)
		}
	}
}

func (h *history) requireAllRestored(t *testing.T) {
	t.Helper()
	for _, p := range h.listing(t).Points {
		if !p.Sweeping() {
			h.requireRestored(t, p)
		}
	}
}

func (h *history) String() string { return strings.Join(h.did, "\n") }
