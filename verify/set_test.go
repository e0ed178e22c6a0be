package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/restore"
	"github.com/openim-dr/openim-dr/verify"
)

// Which points a drill takes: the newest, one that is named, one that nobody has
// proven, or the one whose turn it is.
func TestChoose(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	proven := func(text string) *time.Time { at := day(text); return &at }
	// point is one that was drilled on some day, and proven by it; nil: it was not.
	point := func(began string, proven *time.Time, sources ...string) *repository.Point {
		m := &repository.Manifest{Point: began, Instance: repotest.Instance, Stream: "nightly", Complete: true, Started: day(began), Ended: day(began)}
		for _, s := range sources {
			m.Sources = append(m.Sources, repository.Source{Name: s, Kind: "sample", Complete: true, Started: day(began), Ended: day(began)})
		}
		p := &repository.Point{Manifest: m, Proven: proven}
		if proven != nil {
			drill := &repository.BriefProof{Ended: *proven, Passed: true, Full: true}
			for _, s := range sources {
				drill.Set = append(drill.Set, repository.ProofPoint{Source: s, Point: began})
			}
			p.Proofs = append(p.Proofs, drill)
		}
		return p
	}
	both := []string{"main", "media"}
	tests := map[string]struct {
		points []*repository.Point
		which  verify.Which
		want   []string // source@point
		newest bool
	}{
		"the newest of each": {
			[]*repository.Point{point("2026-11-25", nil, both...), point("2026-11-26", nil, "main")}, verify.Which{},
			[]string{"main@2026-11-26", "media@2026-11-25"}, true,
		},
		"one that is named": {
			[]*repository.Point{point("2026-11-25", nil, both...), point("2026-11-26", nil, "main")}, verify.Which{Choice: restore.Choice{Point: "2026-11-25"}},
			[]string{"main@2026-11-25", "media@2026-11-25"}, false,
		},
		"some sources": {
			[]*repository.Point{point("2026-11-25", nil, both...)}, verify.Which{Sources: []string{"media"}},
			[]string{"media@2026-11-25"}, true,
		},
		"the newest without a proof": {
			[]*repository.Point{point("2026-11-24", nil, both...), point("2026-11-25", nil, both...), point("2026-11-26", proven("2026-11-26"), both...)},
			verify.Which{Unproven: true}, []string{"main@2026-11-25", "media@2026-11-25"}, false,
		},
		"a month that was never drilled": {
			[]*repository.Point{
				point("2026-08-31", proven("2026-09-01"), both...), point("2026-09-29", nil, both...), point("2026-09-30", nil, both...),
				point("2026-10-31", proven("2026-11-01"), both...), point("2026-11-26", nil, both...),
			},
			verify.Which{Rotation: true}, []string{"main@2026-09-30", "media@2026-09-30"}, false,
		},
		"the last state of each source in the month": {
			[]*repository.Point{point("2026-09-29", nil, both...), point("2026-09-30", nil, "main"), point("2026-11-26", nil, both...)},
			verify.Which{Rotation: true}, []string{"main@2026-09-30", "media@2026-09-29"}, false,
		},
		"what is not configured any more": {
			[]*repository.Point{point("2026-11-25", nil, "old", "main"), point("2026-11-26", nil, "main")}, verify.Which{Known: []string{"main", "media"}},
			[]string{"main@2026-11-26"}, true,
		},
		"the month that was not drilled for the longest": {
			[]*repository.Point{
				point("2026-06-30", proven("2026-07-20"), both...), point("2026-07-31", proven("2026-07-10"), both...), point("2026-11-26", proven("2026-11-26"), both...),
			},
			verify.Which{Rotation: true}, []string{"main@2026-07-31", "media@2026-07-31"}, false,
		},
		"no month's turn": {
			[]*repository.Point{point("2026-10-31", proven("2026-11-01"), both...), point("2026-11-26", proven("2026-11-26"), both...)},
			verify.Which{Rotation: true}, []string{"main@2026-11-26", "media@2026-11-26"}, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := verify.Choose(&repository.Listing{Points: tt.points}, repotest.Instance, tt.which, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range set.Members {
				got = append(got, m.Source+"@"+m.Point.Point)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) || set.Newest != tt.newest {
				t.Errorf("chose %v (newest: %v), want %v (%v)", got, set.Newest, tt.want, tt.newest)
			}
		})
	}
}

// Where there is nothing to choose, the error says so.
func TestChooseOfNothing(t *testing.T) {
	for name, which := range map[string]verify.Which{"the newest": {}, "unproven": {Unproven: true}, "rotation": {Rotation: true}} {
		if _, err := verify.Choose(new(repository.Listing), repotest.Instance, which, time.Now()); err == nil {
			t.Errorf("%s: chose something of nothing", name)
		}
	}
}
